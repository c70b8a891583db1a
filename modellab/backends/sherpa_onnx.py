"""Speech models exported to ONNX, through sherpa-onnx, which brings its own ONNX Runtime.

Source: https://github.com/k2-fsa/sherpa-onnx (Apache-2.0).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from modellab.backends.base import Backend
from modellab.backends.device import device_refusal
from modellab.checkpoints.onnx import onnx_metadata
from modellab.checkpoints.weights import Weights
from modellab.errors import BadCheckpoint, BadDefinition
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.transcript import Segment, Transcript, Word

if TYPE_CHECKING:
    import sherpa_onnx

SUFFIXES = {"float32": "", "int8": ".int8", "float16": ".fp16"}  # of a file's name, before `.onnx`

_BEGINS_A_WORD = (" ", "▁")
_BLANKS = frozenset({"<blk>", "<blank>", "<eps>"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of a model: what its name holds, and what its metadata must hold for sherpa-onnx not to exit."""

    name: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How one kind of model is loaded, and what can be asked of it.

    Attributes:
        factory: which `OfflineRecognizer.from_…` loads it.
        parts: its files, by the factory's names for them.
        more: what else the factory is told.
        blank: whether its tokens must hold a blank.
        times: whether its tokens have times.
        follows: the decode options that it can follow, of those that not every kind can.
    """

    factory: str
    parts: Mapping[str, Part]
    more: Mapping[str, Any] = field(default_factory=dict)
    blank: bool = False
    times: bool = False
    follows: frozenset[str] = frozenset()


_MODEL = "model|ctc"
_HALVES = {
    "encoder": Part(name="encoder"),
    "decoder": Part(name="decoder", keys=("vocab_size", "context_size")),
    "joiner": Part(name="joiner", keys=("joiner_dim",)),
}
_CTC = {"model": Part(name=_MODEL, keys=("vocab_size", "subsampling_factor"))}
_NEMO = {**_HALVES, "encoder": Part(name="encoder", keys=("vocab_size",)), "decoder": Part(name="decoder")}
KINDS = {
    "transducer": Kind(factory="transducer", parts=_HALVES, blank=True, times=True, follows=frozenset({"beam_size"})),
    "nemo-transducer": Kind(
        factory="transducer",
        parts={**_NEMO, "joiner": Part(name="joiner")},
        more={"model_type": "nemo_transducer"},
        blank=True,
        times=True,
    ),
    "zipformer-ctc": Kind(factory="zipformer_ctc", parts={"model": Part(name=_MODEL)}, blank=True, times=True),
    "nemo-ctc": Kind(factory="nemo_ctc", parts=_CTC, blank=True, times=True),
    "wenet-ctc": Kind(factory="wenet_ctc", parts=_CTC, blank=True, times=True),
    "paraformer": Kind(factory="paraformer", parts={"paraformer": Part(name="model", keys=("vocab_size",))}),
    "sense-voice": Kind(
        factory="sense_voice",
        parts={"model": Part(name="model", keys=("vocab_size",))},
        times=True,
        follows=frozenset({"language"}),
    ),
    "whisper": Kind(
        factory="whisper",
        parts={"encoder": Part(name="encoder", keys=("n_mels",)), "decoder": Part(name="decoder")},
        follows=frozenset({"language", "task"}),
    ),
    "moonshine": Kind(
        factory="moonshine",
        parts={
            "preprocessor": Part(name="preprocess"),
            "encoder": Part(name="encode"),
            "uncached_decoder": Part(name="uncached_decode"),
            "cached_decoder": Part(name="cached_decode"),
        },
    ),
}


@dataclass(kw_only=True)
class SherpaOnnx(Backend):
    """Models in the folders that sherpa-onnx publishes: `*.onnx` with `tokens.txt`. A batch is heard at once.

    sherpa-onnx ends the process on some files that it cannot use; what can be seen of them beforehand is a
    BadCheckpoint here. A word begins with its first token, and ends where the next begins or its last token does; the
    last ends with the audio where the model tells no durations. No audio is cut: what the model cannot hold, it loses.

    Attributes:
        kind: what the model is, one of `KINDS`.
    """

    layout: ClassVar[str] = "sherpa-onnx"
    package: ClassVar[str] = "sherpa-onnx"
    modules: ClassVar[tuple[str, ...]] = ("sherpa_onnx",)
    engines: ClassVar[tuple[str, ...]] = ("sherpa-onnx-core",)
    cannot_honour: ClassVar[frozenset[str]] = frozenset(
        {"temperatures", "condition_on_previous_text", "vad", "prompt", "max_new_tokens"}
    )

    weights: Weights
    kind: str
    _model: "sherpa_onnx.OfflineRecognizer | None" = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadDefinition(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Say why sherpa-onnx cannot run this here; None where it can. Its usual wheel has no CUDA."""
        if compute_type not in SUFFIXES:
            return f"sherpa-onnx reads weights in {', '.join(SUFFIXES)}, not in {compute_type}"
        if unknown := device_refusal(device):
            return unknown
        if device not in {"cpu", "cuda", "cuda:0"}:
            return f"sherpa-onnx runs on cpu and on the first CUDA device, not on {device}"
        if device != "cpu" and not _has_cuda():
            return f"this sherpa-onnx is built for the cpu, not for {device}: install one of its wheels with +cuda"
        return None

    def load(self) -> None:
        """Read the weights whose files are in this compute type.

        Raises:
            BadCheckpoint: when the folder does not hold this kind of model, once, in this compute type.
        """
        import sherpa_onnx

        folder, kind = self.weights.folder, KINDS[self.kind]
        files = _files(folder, kind, self.compute_type)
        asked = {**kind.more, **self._asked()}
        factory = getattr(sherpa_onnx.OfflineRecognizer, f"from_{kind.factory}")
        try:
            self._model = factory(
                **{part: str(path) for part, path in files.items()},
                tokens=str(_tokens(folder, blank=kind.blank)),
                num_threads=self.threads,
                provider=self.device.partition(":")[0],
                **asked,
            )
        except (RuntimeError, ValueError) as error:
            raise BadCheckpoint(f"sherpa-onnx cannot load {folder} as {self.kind}: {error}") from error

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio; which language is forced was settled by loading."""
        assert self._model is not None, "load() comes first"
        if not audios:
            return []
        streams = [self._model.create_stream() for _ in audios]
        for stream, audio in zip(streams, audios, strict=True):
            stream.accept_waveform(SAMPLE_RATE_HZ, audio.samples)
        self._model.decode_streams(streams)
        return [self._transcript(stream.result, audio, language) for stream, audio in zip(streams, audios, strict=True)]

    def close(self) -> None:
        """Drop the model."""
        self._model = None

    def not_honoured(self) -> tuple[str, ...]:
        """Give the options that this kind of model cannot follow."""
        kind = KINDS[self.kind]
        some = {"beam_size", "language", "task"} - kind.follows | (set() if kind.times else {"timestamps"})
        return tuple(sorted({*super().not_honoured(), *(some & self.decode.changed())}))

    def _asked(self) -> dict[str, Any]:
        """Give what the factory is told of the decode options that this kind follows."""
        decode, follows = self.decode, KINDS[self.kind].follows
        asked: dict[str, Any] = {}
        if "beam_size" in follows and decode.beam_size > 1:
            asked |= {"decoding_method": "modified_beam_search", "max_active_paths": decode.beam_size}
        if "language" in follows:
            only = self.weights.languages[0] if len(self.weights.languages) == 1 else "*"
            asked["language"] = decode.language or only.replace("*", "")
        if "task" in follows:
            asked["task"] = decode.task
        return asked

    def _transcript(self, result: Any, audio: Audio, language: str | None) -> Transcript:  # noqa: ANN401 - of C++
        text = result.text.strip()
        spoken = result.lang.strip("<|>") or self.decode.language or language
        words = tuple(_words(result.tokens, result.timestamps, result.durations, audio.duration_s))
        if not (text and words):
            return Transcript(text=text, language=spoken)
        timed = words if self.decode.timestamps == "word" else ()
        segment = Segment(text=text, start_s=words[0].start_s, end_s=words[-1].end_s, words=timed)
        return Transcript(text=text, segments=(segment,), language=spoken)


def _has_cuda() -> bool:
    import sherpa_onnx

    return any((Path(sherpa_onnx.__file__).parent / "lib").glob("*onnxruntime_providers_cuda*"))


def _files(folder: Path, kind: Kind, compute_type: str) -> dict[str, Path]:
    """Give the file of each part, in this compute type; of parts that are only there in float32, that one."""
    files = {name: _file(folder, part, compute_type) for name, part in kind.parts.items()}
    if compute_type not in {_compute_type(path) for path in files.values()}:
        raise BadCheckpoint(f"{folder} holds no {', '.join(files)} in {compute_type}, only in float32")
    return files


def _file(folder: Path, part: Part, compute_type: str) -> Path:
    named = re.compile(rf"(.*[-._])?({part.name})([-.].*)?\.onnx")
    found = sorted(path for path in folder.glob("*.onnx") if named.fullmatch(path.name))
    fitting = [path for path in found if _compute_type(path) == compute_type]
    fitting = fitting or [path for path in found if _compute_type(path) == "float32"]
    if len(fitting) != 1:
        there = ", ".join(path.name for path in found) or "none"
        wanted = f"{part.name.replace('|', ' or ')}*{SUFFIXES[compute_type]}.onnx"
        raise BadCheckpoint(f"{folder} must hold one file {wanted}; there is: {there}")
    if missing := ", ".join(key for key in part.keys if key not in onnx_metadata(fitting[0])):
        raise BadCheckpoint(f"{fitting[0]} was not exported for this kind of model: its metadata lack {missing}")
    return fitting[0]


def _compute_type(path: Path) -> str:
    ends = path.name.removesuffix(".onnx")
    return next((name for name, suffix in SUFFIXES.items() if suffix and ends.endswith(suffix)), "float32")


def _tokens(folder: Path, *, blank: bool) -> Path:
    """Give the file of tokens, each line of which is a token and its number."""
    found = sorted(folder.glob("*tokens.txt"))
    if len(found) != 1:
        raise BadCheckpoint(f"{folder} must hold one file *tokens.txt, and holds {len(found)}")
    try:
        lines = [line.rsplit(maxsplit=1) for line in found[0].read_text(encoding="utf-8").split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise BadCheckpoint(f"{found[0]} is not text: {error}") from error
    if not lines or not all(line[-1].isdecimal() for line in lines):
        raise BadCheckpoint(f"{found[0]} must hold a token and its number in each line")
    if blank and not _BLANKS & {line[0] for line in lines}:
        raise BadCheckpoint(f"{found[0]} must hold one of {', '.join(sorted(_BLANKS))}")
    return found[0]


def _words(
    tokens: Sequence[str], starts_s: Sequence[float], durations_s: Sequence[float], audio_s: float
) -> Iterator[Word]:
    """Give the words that tokens spell; none where tokens have no times."""
    if not tokens or len(starts_s) != len(tokens):
        return
    firsts = [place for place, token in enumerate(tokens) if not place or token.startswith(_BEGINS_A_WORD)]
    for first, after in pairwise([*firsts, len(tokens)]):
        last_s = starts_s[after - 1]
        end_s = starts_s[after] if after < len(tokens) else audio_s
        if durations_s:
            end_s = min(end_s, last_s + durations_s[after - 1])
        spelt = "".join(tokens[first:after]).replace("▁", " ").strip()
        if spelt:
            yield Word(text=spelt, start_s=min(starts_s[first], audio_s), end_s=min(max(end_s, last_s), audio_s))

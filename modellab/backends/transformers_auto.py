"""Recognisers of transformers beyond Whisper, on torch: those that write along the frames, and those that generate.

Source: https://github.com/huggingface/transformers (Apache-2.0).
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import ceil, inf, log2
from typing import Any, ClassVar

import numpy as np

from modellab.backends.base import EVERY_OPTION, Backend, DecodeOptions, Stages
from modellab.backends.device import release, settle, torch_refusal
from modellab.checkpoints.weights import Weights
from modellab.errors import BackendUnavailable, BadCheckpoint, BadDefinition
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio, Samples
from modellab.speech.transcript import Segment, Transcript, Word

_LEAST_SAMPLES = 1600  # a tenth of a second: what is shorter is filled up, for the convolutions want that much
_TONE_SAMPLES = 1600  # loudness is told from tenths of a second
_LEAST_WINDOW_S = 1.0
_TRAINING_ONLY = "masked_spec_embed"  # many checkpoints lack it, and listening never reads it

# Moonshine repeats itself without end where it is let; its authors ask for no more tokens than this.
_ENGLISH_TOKENS_PER_S = 6.5
_OTHER_TOKENS_PER_S = 13.0


@dataclass(kw_only=True)
class TransformersAuto(Backend):
    """A recogniser in the transformers layout that listens as it was trained to and can be told little.

    A recording longer than `window_s`, in seconds, is heard in windows of that length at most, each cut where the
    last fifth of it is quietest; as many windows are heard at once as there were audios. What a model cannot hear
    in a padded batch without writing something else, it hears one by one.

    Raises:
        BadDefinition: on a window that no recording could be cut into.
    """

    layout: ClassVar[str] = "transformers"
    package: ClassVar[str] = "transformers"
    engines: ClassVar[tuple[str, ...]] = ("torch", "tokenizers", "numpy")

    weights: Weights
    window_s: float = 30.0
    _ear: "_Ear | None" = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.window_s, bool) or not isinstance(self.window_s, int | float):
            raise BadDefinition(f"window_s is a number of seconds, not {self.window_s!r}")
        if not _LEAST_WINDOW_S <= self.window_s < inf:
            raise BadDefinition(f"window_s must be {_LEAST_WINDOW_S} or more seconds, not {self.window_s}")

    @classmethod
    @abstractmethod
    def ears(cls) -> "Mapping[str, type[_Ear]]":
        """Give what listens with a model, by the `model_type` that its `config.json` states."""

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Say why transformers cannot run this here; None where it can."""
        if compute_type not in {"float32", "float16", "bfloat16"}:
            return f"transformers computes in float32, float16 or bfloat16, not in {compute_type}"
        return torch_refusal(device)

    def load(self) -> None:
        """Read the weights in this compute type; torch's thread count is set for the whole process."""
        import torch
        import transformers
        from safetensors import SafetensorError

        torch.set_num_threads(self.threads)
        ear = self._fitting()
        folder = str(self.weights.folder)
        auto = getattr(transformers, ear.auto, None)
        if auto is None:
            raise BackendUnavailable(f"{folder} needs transformers {ear.since} or later: pip install -U transformers")
        try:
            model, told = auto.from_pretrained(
                folder, dtype=getattr(torch, self.compute_type), local_files_only=True, output_loading_info=True
            )
            processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, RuntimeError, ValueError, TypeError, KeyError, SafetensorError) as error:
            raise BadCheckpoint(f"transformers cannot load {folder}: {error}") from error
        if lacking := sorted(key for key in told["missing_keys"] if not key.endswith(_TRAINING_ONLY)):
            raise BadCheckpoint(f"{folder} lacks weights that its config.json promises: {', '.join(lacking[:3])} …")
        self._ear = ear(
            model=model.to(self.device).eval(),
            processor=processor,
            decode=self.decode,
            english_only=self.weights.english_only,
        )
        self.settle()

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio; a GPU has finished its work when this returns.

        A model of one language writes that one; of another nothing says which it wrote but who called.
        """
        assert self._ear is not None, "load() comes first"
        language = self.weights.languages[0] if _is_one(self.weights.languages) else language
        cut = [_windows(audio, self.window_s) for audio in audios]
        said = iter(self._hear([window for windows in cut for window in windows], at_once=len(audios)))
        return [
            Transcript(text=" ".join(s.text.strip() for s in segments), segments=segments, language=language)
            for segments in (tuple(self._segments(windows, said)) for windows in cut)
        ]

    def close(self) -> None:
        """Drop the model and what torch kept of it on a GPU."""
        self._ear = None
        release(self.device)

    def stages(self) -> Stages:
        """Name what makes waves or spectra fit for the model, its halves, and what reads its tokens."""
        assert self._ear is not None, "load() comes first"
        kind = type(self._ear)
        encoder, decoder = self._ear.halves()
        return {
            "features": [(kind, "inputs")],
            "encoder": [(part, "forward") for part in encoder],
            "decoder": [(part, "forward") for part in decoder],
            "detokenise": [(kind, "read")],
        }

    def settle(self) -> None:
        """Wait for the GPU."""
        settle(self.device)

    def _fitting(self) -> "type[_Ear]":
        path, ears = self.weights.folder / "config.json", self.ears()
        try:
            kind = json.loads(path.read_text(encoding="utf-8")).get("model_type")
        except (OSError, ValueError, AttributeError) as error:
            raise BadCheckpoint(f"{path} is no configuration of transformers: {error}") from error
        if kind not in ears:
            raise BadCheckpoint(f"{path} is of a model of type {kind!r}; this backend runs {', '.join(ears)}")
        return ears[kind]

    def _hear(self, windows: "Sequence[_Window]", at_once: int) -> "Iterator[_Said]":
        import torch

        assert self._ear is not None, "load() comes first"
        ear = replace(self._ear, decode=self.decode)  # asked may have changed it
        size = at_once if ear.hears_batches else 1
        for first in range(0, len(windows), max(1, size)):
            with torch.inference_mode():
                yield from ear.hear([window.audio for window in windows[first : first + size]])

    def _segments(self, windows: "Iterable[_Window]", said: "Iterator[_Said]") -> Iterator[Segment]:
        """Give a segment of each window in which something was said; words bound it where their times are wanted."""
        for window in windows:
            heard = next(said)
            words = () if self.decode.timestamps == "none" else tuple(window.place(word) for word in heard.words)
            if heard.text:
                yield Segment(
                    text=heard.text,
                    start_s=words[0].start_s if words else window.start_s,
                    end_s=words[-1].end_s if words else window.end_s,
                    words=words if self.decode.timestamps == "word" else (),
                )


@dataclass(kw_only=True)
class TransformersFrames(TransformersAuto):
    """Models that write along the frames they hear, so that each word has its time: CTC, and Parakeet's transducer.

    They write greedily, what is likeliest of each frame.
    """

    modules: ClassVar[tuple[str, ...]] = ("torch", "transformers.models.auto.modeling_auto")
    architectures: ClassVar[frozenset[str]] = frozenset({"wav2vec2", "hubert", "parakeet-ctc", "parakeet-tdt"})
    cannot_honour: ClassVar[frozenset[str]] = EVERY_OPTION - {"timestamps"}

    @classmethod
    def ears(cls) -> "Mapping[str, type[_Ear]]":
        """Give what listens with a model, by the `model_type` that its `config.json` states."""
        return {"wav2vec2": _Waves, "hubert": _Waves, "parakeet_ctc": _ParakeetCTC, "parakeet_tdt": _ParakeetTDT}


@dataclass(kw_only=True)
class TransformersSeq2Seq(TransformersAuto):
    """Models that generate text from what they heard whole, and know no times: Moonshine."""

    modules: ClassVar[tuple[str, ...]] = ("torch", "transformers.models.auto.modeling_auto")
    architectures: ClassVar[frozenset[str]] = frozenset({"moonshine"})
    cannot_honour: ClassVar[frozenset[str]] = EVERY_OPTION - {"beam_size", "max_new_tokens"}

    @classmethod
    def ears(cls) -> "Mapping[str, type[_Ear]]":
        """Give what listens with a model, by the `model_type` that its `config.json` states."""
        return {"moonshine": _Moonshine}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What was written of a window, and when each word was said, in seconds from its start, where that is known."""

    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """A stretch of a recording that is heard by itself, and where it lies."""

    audio: Audio
    start_s: float

    @property
    def end_s(self) -> float:
        """Where it ends, in seconds from the start of the recording."""
        return self.start_s + self.audio.duration_s

    def place(self, word: Word) -> Word:
        """Give a word of the window with its times in the recording; frames may reach beyond its end."""
        start_s, end_s = (min(self.start_s + time_s, self.end_s) for time_s in (word.start_s, word.end_s))
        return Word(text=word.text, start_s=start_s, end_s=end_s)


@dataclass(kw_only=True)
class _Ear(ABC):
    """A loaded model of one kind, and how it is listened with.

    Attributes:
        auto: the Auto class that loads it.
        since: the first version of transformers that has it.
    """

    auto: ClassVar[str]
    since: ClassVar[str] = "5.0"

    model: Any
    processor: Any
    decode: DecodeOptions
    english_only: bool

    @property
    def hears_batches(self) -> bool:
        """Whether audios that are padded to one length are heard as each alone."""
        return True

    def inputs(self, audios: Sequence[Audio]) -> Mapping[str, Any]:
        """Give what the model takes, on its device and in its type."""
        listen = self.processor.feature_extractor
        given = listen(
            [_filled(audio.samples) for audio in audios],
            sampling_rate=SAMPLE_RATE_HZ,
            padding="longest",
            return_tensors="pt",
        )
        fit: Mapping[str, Any] = given.to(device=self.model.device, dtype=self.model.dtype)
        return fit

    @abstractmethod
    def hear(self, audios: Sequence[Audio]) -> list[_Said]:
        """Give what was said in each."""

    @abstractmethod
    def halves(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """Give the modules that encode and those that decode."""


class _Waves(_Ear):
    """wav2vec 2.0 and HuBERT: CTC over characters."""

    auto = "AutoModelForCTC"

    @property
    def hears_batches(self) -> bool:
        """Whether padding is masked: "group" norms average over it, and their models were trained without masks."""
        masked: bool = self.processor.feature_extractor.return_attention_mask
        return masked and self.model.config.feat_extract_norm == "layer"

    def hear(self, audios: Sequence[Audio]) -> list[_Said]:
        """Give what was said in each, with the times of its words."""
        tokens = self.model(**self.inputs(audios)).logits.argmax(dim=-1).tolist()
        return [self.read(row[: self._frames(audio)]) for row, audio in zip(tokens, audios, strict=True)]

    def halves(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """Give the modules that encode and those that decode."""
        return [self.model.base_model], [self.model.lm_head]

    def read(self, tokens: Sequence[int]) -> _Said:
        """Give the words of a row of tokens, one a frame; other special tokens than the blank are taken for it."""
        read = self.processor.tokenizer
        spoken = {read.pad_token_id, read.word_delimiter_token_id}
        mute = set(read.all_special_ids) - spoken
        written = read.decode([read.pad_token_id if t in mute else t for t in tokens], output_word_offsets=True)
        frame_s = self.model.config.inputs_to_logits_ratio / SAMPLE_RATE_HZ
        words = tuple(
            Word(text=f" {w['word']}", start_s=frame_s * int(w["start_offset"]), end_s=frame_s * int(w["end_offset"]))
            for w in written.word_offsets
        )
        return _Said(text="".join(word.text for word in words).strip(), words=words)

    def _frames(self, audio: Audio) -> int:
        """Give how many frames the convolutions make of an audio."""
        count = _filled(audio.samples).size
        for kernel, stride in zip(self.model.config.conv_kernel, self.model.config.conv_stride, strict=True):
            count = (count - kernel) // stride + 1
        return int(count)


class _ParakeetCTC(_Ear):
    """Parakeet with CTC over pieces of words."""

    auto = "AutoModelForCTC"

    def hear(self, audios: Sequence[Audio]) -> list[_Said]:
        """Give what was said in each, with the times of its words."""
        return [self.read(row) for row in self.model.generate(**self.inputs(audios)).tolist()]

    def halves(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """Give the modules that encode and those that decode."""
        return [self.model.encoder], [self.model.ctc_head]

    def read(self, tokens: Sequence[int]) -> _Said:
        """Give the words of a row of tokens, one a frame."""
        from tokenizers.decoders import DecodeStream

        stream, read = DecodeStream(skip_special_tokens=True), self.processor.tokenizer
        pieces, frame, frame_s = [], 0, self._frame_s()
        for token, run in groupby(tokens):
            first, frame = frame, frame + len(list(run))
            if token != read.pad_token_id and (text := stream.step(read.backend_tokenizer, token)):
                pieces.append((text, first * frame_s, frame * frame_s))
        return _Said(text=self.processor.decode(tokens, skip_special_tokens=True).strip(), words=_words(pieces))

    def _frame_s(self) -> float:
        hop: int = self.processor.feature_extractor.hop_length
        return hop * float(self.model.config.encoder_config.subsampling_factor) / SAMPLE_RATE_HZ


class _ParakeetTDT(_Ear):
    """Parakeet's transducer, which says of each piece of a word how many frames it takes."""

    auto = "AutoModelForTDT"
    since = "5.9"

    def hear(self, audios: Sequence[Audio]) -> list[_Said]:
        """Give what was said in each, with the times of its words."""
        inputs = self.inputs(audios)
        frames = self._frames(inputs["attention_mask"].sum(dim=-1))
        most = int(frames.max()) * self.model.config.max_symbols_per_step
        written = self.model.generate(**inputs, max_new_tokens=most, return_dict_in_generate=True)
        begun = written.durations.cumsum(dim=-1) - written.durations
        own = written.sequences.masked_fill(begun >= frames[:, None], self.processor.tokenizer.pad_token_id)
        return self.read(own.cpu(), written.durations.cpu())

    def halves(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """Give the modules that encode and those that decode."""
        return [self.model.encoder], [self.model.decoder, self.model.joint]

    def read(self, tokens: Any, durations: Any) -> list[_Said]:  # noqa: ANN401 - tensors of shape (audios, steps)
        """Give the words of each row of tokens, whose durations are in frames."""
        texts, pieces = self.processor.decode(tokens, durations=durations, skip_special_tokens=True)
        return [
            _Said(text=text.strip(), words=_words((piece["token"], piece["start"], piece["end"]) for piece in row))
            for text, row in zip(texts, pieces, strict=True)
        ]

    def _frames(self, spectra: Any) -> Any:  # noqa: ANN401 - tensors of shape (audios,)
        """Give how many frames the encoder makes of so many spectra: a batch is written on until its longest ends."""
        sizes = self.model.config.encoder_config
        kernel, stride = sizes.subsampling_conv_kernel_size, sizes.subsampling_conv_stride
        for _ in range(round(log2(sizes.subsampling_factor))):
            spectra = (spectra + (kernel - 1) // 2 * 2 - kernel) // stride + 1
        return spectra


class _Moonshine(_Ear):
    """Moonshine, whose norm averages over all that it is given, so that no two lengths are heard together."""

    auto = "AutoModelForSpeechSeq2Seq"

    @property
    def hears_batches(self) -> bool:
        """Never."""
        return False

    def hear(self, audios: Sequence[Audio]) -> list[_Said]:
        """Give what was said in each."""
        longest_s = max(audio.duration_s for audio in audios)
        bound = ceil(longest_s * (_ENGLISH_TOKENS_PER_S if self.english_only else _OTHER_TOKENS_PER_S))
        tokens = self.model.generate(
            **self.inputs(audios),
            num_beams=self.decode.beam_size,
            do_sample=False,
            max_new_tokens=min(bound, self.decode.max_new_tokens),
        )
        return [self.read(row) for row in tokens.tolist()]

    def halves(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """Give the modules that encode and those that decode."""
        return [self.model.model.encoder], [self.model.model.decoder, self.model.proj_out]

    def read(self, tokens: Sequence[int]) -> _Said:
        """Give the text of a row of tokens."""
        return _Said(text=self.processor.tokenizer.decode(tokens, skip_special_tokens=True).strip())


def _is_one(languages: Sequence[str]) -> bool:
    return len(languages) == 1 and languages[0] != "*"


def _filled(samples: Samples) -> Samples:
    return np.pad(samples, (0, max(0, _LEAST_SAMPLES - samples.size)))


def _windows(audio: Audio, window_s: float) -> list[_Window]:
    samples, start, most = audio.samples, 0, round(window_s * SAMPLE_RATE_HZ)
    windows = []
    while start < samples.size:
        end = samples.size if samples.size - start <= most else _quietest(samples, start + most * 4 // 5, start + most)
        windows.append(_Window(audio=Audio(samples=samples[start:end]), start_s=start / SAMPLE_RATE_HZ))
        start = end
    return windows


def _quietest(samples: Samples, first: int, last: int) -> int:
    """Give the middle of the quietest tenth of a second between two places, in samples."""
    count = (last - first) // _TONE_SAMPLES
    loudness = (
        np.square(samples[first : first + count * _TONE_SAMPLES], dtype=np.float64).reshape(count, -1).sum(axis=1)
    )
    return first + int(loudness.argmin()) * _TONE_SAMPLES + _TONE_SAMPLES // 2


def _words(pieces: Iterable[tuple[str, float, float]]) -> tuple[Word, ...]:
    """Give the words that pieces make up: texts that begin one where they begin with space, and their seconds."""
    words: list[Word] = []
    for text, start_s, end_s in pieces:
        if words and not text[0].isspace():
            last = words.pop()
            words.append(Word(text=last.text + text, start_s=last.start_s, end_s=max(last.end_s, end_s)))
        else:
            words.append(Word(text=f" {text.strip()}", start_s=start_s, end_s=end_s))
    return tuple(words)

"""Whisper through faster-whisper, on CTranslate2.

Source: https://github.com/SYSTRAN/faster-whisper (MIT).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from modellab.backends.base import Backend, Stages
from modellab.backends.device import device_refusal
from modellab.checkpoints.weights import Weights
from modellab.errors import BadCheckpoint, BadDefinition
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment, Transcript, Word

if TYPE_CHECKING:
    import faster_whisper
    from faster_whisper.transcribe import Segment as Piece
    from faster_whisper.transcribe import TranscriptionInfo

WINDOW_S = 30


@dataclass(kw_only=True)
class FasterWhisper(Backend):
    """Whisper checkpoints in the CTranslate2 layout. A batch is heard one audio after another.

    With `batched`, a recording longer than the 30 s window is cut where nobody speaks, whatever `decode.vad` says, and
    its chunks are heard by `chunks_at_once`. They know nothing of one another, and no temperature but the first is
    tried. Shorter audio is heard as without it.

    Raises:
        BadDefinition: on a number of chunks that is none.
    """

    layout: ClassVar[str] = "ctranslate2"
    package: ClassVar[str] = "faster-whisper"
    modules: ClassVar[tuple[str, ...]] = ("faster_whisper",)
    engines: ClassVar[tuple[str, ...]] = ("ctranslate2", "tokenizers", "numpy")
    architectures: ClassVar[frozenset[str]] = frozenset({"whisper"})

    weights: Weights
    batched: bool = False
    chunks_at_once: int = 8
    _model: "faster_whisper.WhisperModel | None" = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.batched, bool):
            raise BadDefinition(f"batched must be true or false, not {self.batched!r}")
        if type(self.chunks_at_once) is not int or self.chunks_at_once < 1:
            raise BadDefinition(f"chunks_at_once must be a whole number of 1 or more, not {self.chunks_at_once!r}")

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Say why CTranslate2 cannot run this here; None where it can."""
        import ctranslate2

        kind, _, index = device.partition(":")
        if kind not in {"cpu", "cuda"}:
            return f"CTranslate2 runs on cpu and cuda, not on {device}"
        if unknown := device_refusal(device):
            return unknown
        if kind == "cuda" and ctranslate2.get_cuda_device_count() <= int(index or 0):
            return f"CTranslate2 sees {ctranslate2.get_cuda_device_count()} CUDA devices, so there is no {device}"
        able = ctranslate2.get_supported_compute_types(kind)
        if compute_type not in able:
            return f"CTranslate2 has no {compute_type} on this {kind}; it has {', '.join(sorted(able))}"
        return None

    def load(self) -> None:
        """Read the weights in this compute type."""
        import faster_whisper

        kind, _, index = self.device.partition(":")
        try:
            self._model = faster_whisper.WhisperModel(
                str(self.weights.folder),
                device=kind,
                device_index=int(index or 0),
                compute_type=self.compute_type,
                cpu_threads=self.threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError) as error:
            raise BadCheckpoint(f"faster-whisper cannot load {self.weights.folder}: {error}") from error

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio: the runtime's lazy segments are drained here."""
        return [self._listen(audio, self.decode.language or language) for audio in audios]

    def narrate(self, audio: Audio, language: str | None, tell: Callable[[Segment], None]) -> Transcript:
        """Give the transcript of one audio, and tell each segment as the runtime writes it."""
        return self._listen(audio, self.decode.language or language, tell)

    def close(self) -> None:
        """Drop the model."""
        self._model = None

    def stages(self) -> Stages:
        """Name the spectrum, CTranslate2's calls and the tokenizer; CTranslate2 waits for a GPU before it returns.

        Its `generate` would encode too, but faster-whisper encodes first and hands it what came of that.
        """
        from faster_whisper.tokenizer import Tokenizer

        assert self._model is not None, "load() comes first"
        runtime = type(self._model.model)
        return {
            "features": [(type(self._model.feature_extractor), "__call__")],
            "encoder": [(self._model, "encode")],
            "decoder": [(runtime, "generate"), (runtime, "align"), (runtime, "detect_language")],
            "detokenise": [(Tokenizer, "decode"), (Tokenizer, "decode_with_timestamps")],
        }

    def encoded(self, audio: Audio) -> npt.NDArray[np.float32]:
        """Give what the encoder makes of the first window, of shape (1500, width)."""
        import ctranslate2
        from faster_whisper.audio import pad_or_trim

        assert self._model is not None, "load() comes first"
        spectrum = self._model.feature_extractor(audio.samples)
        spectrum = spectrum[:, : audio.samples.size // self._model.feature_extractor.hop_length]
        states = self._model.encode(pad_or_trim(spectrum)).to(ctranslate2.DataType.float32)
        found: npt.NDArray[np.float32] = np.array(states.to_device(ctranslate2.Device.cpu))[0]
        return found

    def not_honoured(self) -> tuple[str, ...]:
        """Give the options that cannot be followed: of chunks that are heard at once, also what one tells the next."""
        lost = {"condition_on_previous_text"} & self.decode.changed() if self.batched else set()
        if self.batched and len(self.decode.temperatures) > 1:
            lost.add("temperatures")
        return tuple(sorted({*super().not_honoured(), *lost}))

    def _listen(self, audio: Audio, language: str | None, tell: Callable[[Segment], None] | None = None) -> Transcript:
        decode = self.decode
        pieces, info = self._pieces(
            audio,
            language=language,
            task=decode.task,
            beam_size=decode.beam_size,
            temperature=decode.temperatures,
            condition_on_previous_text=decode.condition_on_previous_text,
            without_timestamps=decode.timestamps == "none",
            word_timestamps=decode.timestamps == "word",
            initial_prompt=decode.prompt,
            max_new_tokens=decode.max_new_tokens,
        )
        segments = []
        for piece in pieces:
            segments.append(_segment(piece))
            if tell:
                tell(segments[-1])
        return Transcript(
            text="".join(s.text for s in segments).strip(), segments=tuple(segments), language=info.language
        )

    def _pieces(self, audio: Audio, **how: Any) -> "tuple[Iterable[Piece], TranscriptionInfo]":  # noqa: ANN401 - handed on
        import faster_whisper

        assert self._model is not None, "load() comes first"
        if self.batched and audio.duration_s > WINDOW_S:
            chunks = faster_whisper.BatchedInferencePipeline(self._model)
            heard = chunks.transcribe(audio.samples, vad_filter=True, batch_size=self.chunks_at_once, **how)
        else:
            heard = self._model.transcribe(audio.samples, vad_filter=self.decode.vad, **how)
        return heard  # type: ignore[no-any-return]


def _segment(piece: "Piece") -> Segment:
    words = tuple(Word(text=w.word, start_s=float(w.start), end_s=float(w.end)) for w in piece.words or ())
    return Segment(text=piece.text, start_s=float(piece.start), end_s=float(piece.end), words=words)

"""Whisper through faster-whisper, on CTranslate2.

Source: https://github.com/SYSTRAN/faster-whisper (MIT).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from modellab.backends.base import Backend, Stages
from modellab.backends.device import device_refusal
from modellab.checkpoints.weights import Weights
from modellab.errors import BadCheckpoint
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment, Transcript, Word

if TYPE_CHECKING:
    import faster_whisper
    from faster_whisper.transcribe import Segment as Piece


@dataclass(kw_only=True)
class FasterWhisper(Backend):
    """Whisper checkpoints in the CTranslate2 layout. A batch is heard one audio after another."""

    layout: ClassVar[str] = "ctranslate2"
    package: ClassVar[str] = "faster-whisper"
    modules: ClassVar[tuple[str, ...]] = ("faster_whisper",)
    engines: ClassVar[tuple[str, ...]] = ("ctranslate2", "tokenizers", "numpy")
    architectures: ClassVar[frozenset[str]] = frozenset({"whisper"})

    weights: Weights
    _model: "faster_whisper.WhisperModel | None" = field(default=None, init=False, repr=False)

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

    def _listen(self, audio: Audio, language: str | None) -> Transcript:
        assert self._model is not None, "load() comes first"
        decode = self.decode
        pieces, info = self._model.transcribe(
            audio.samples,
            language=language,
            task=decode.task,
            beam_size=decode.beam_size,
            temperature=decode.temperatures,
            condition_on_previous_text=decode.condition_on_previous_text,
            vad_filter=decode.vad,
            without_timestamps=decode.timestamps == "none",
            word_timestamps=decode.timestamps == "word",
            initial_prompt=decode.prompt,
            max_new_tokens=decode.max_new_tokens,
        )
        segments = tuple(_segment(piece) for piece in pieces)
        return Transcript(text="".join(s.text for s in segments).strip(), segments=segments, language=info.language)


def _segment(piece: "Piece") -> Segment:
    words = tuple(Word(text=w.word, start_s=float(w.start), end_s=float(w.end)) for w in piece.words or ())
    return Segment(text=piece.text, start_s=piece.start, end_s=piece.end, words=words)

"""Whisper through openai-whisper, the reference implementation, on torch.

Source: https://github.com/openai/whisper (MIT).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from modellab.backends.base import Backend, Stages
from modellab.backends.device import settle, torch_refusal
from modellab.checkpoints.weights import Weights
from modellab.errors import BadCheckpoint
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment, Transcript, Word

if TYPE_CHECKING:
    from whisper.model import Whisper


@dataclass(kw_only=True)
class OpenAIWhisper(Backend):
    """Whisper checkpoints in OpenAI's layout. A batch is heard one audio after another."""

    layout: ClassVar[str] = "openai"
    package: ClassVar[str] = "openai-whisper"
    modules: ClassVar[tuple[str, ...]] = ("torch", "whisper")
    engines: ClassVar[tuple[str, ...]] = ("torch", "tiktoken", "numpy")
    architectures: ClassVar[frozenset[str]] = frozenset({"whisper"})
    cannot_honour: ClassVar[frozenset[str]] = frozenset({"vad"})

    weights: Weights
    _model: "Whisper | None" = field(default=None, init=False, repr=False)

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Say why openai-whisper cannot run this here; None where it can."""
        if compute_type not in {"float32", "float16"}:
            return f"openai-whisper computes in float32 or float16, not in {compute_type}"
        if compute_type == "float16" and device == "cpu":
            return "openai-whisper computes in float16 only on a GPU"
        return torch_refusal(device)

    def load(self) -> None:
        """Read the weights; torch's thread count is set for the whole process."""
        import torch
        import whisper

        torch.set_num_threads(self.threads)
        path = self.weights.folder / "model.pt"
        try:
            self._model = whisper.load_model(str(path), device=self.device)
        except (RuntimeError, KeyError, TypeError, EOFError, UnpicklingError) as error:
            raise BadCheckpoint(f"openai-whisper cannot load {path}: {error}") from error
        self._point_at_alignment_heads(self._model)
        self.settle()

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio; a GPU has finished its work when this returns."""
        transcripts = [self._listen(audio, self.decode.language or language) for audio in audios]
        self.settle()
        return transcripts

    def close(self) -> None:
        """Drop the model."""
        self._model = None

    def stages(self) -> Stages:
        """Name the spectrum, the two halves of the model, and the tokenizer, of which each call makes its own."""
        from whisper.tokenizer import Tokenizer

        assert self._model is not None, "load() comes first"
        return {
            "features": [(import_module("whisper.transcribe"), "log_mel_spectrogram")],
            "encoder": [(self._model.encoder, "forward")],
            "decoder": [(self._model.decoder, "forward")],
            "detokenise": [(Tokenizer, "decode"), (Tokenizer, "decode_with_timestamps")],
        }

    def encoded(self, audio: Audio) -> npt.NDArray[np.float32]:
        """Give what the encoder makes of the first window, of shape (1500, width)."""
        import torch
        from whisper.audio import N_FRAMES, N_SAMPLES, log_mel_spectrogram, pad_or_trim

        assert self._model is not None, "load() comes first"
        spectrum = log_mel_spectrogram(audio.samples, self._model.dims.n_mels, padding=N_SAMPLES)
        window = pad_or_trim(spectrum[:, : spectrum.shape[-1] - N_FRAMES], N_FRAMES)
        with torch.inference_mode():
            states = self._model.encoder(window[None].to(self._model.device))
        found: npt.NDArray[np.float32] = states[0].float().cpu().numpy()
        return found

    def settle(self) -> None:
        """Wait for the GPU."""
        settle(self.device)

    def _listen(self, audio: Audio, language: str | None) -> Transcript:
        assert self._model is not None, "load() comes first"
        decode = self.decode
        heard = self._model.transcribe(
            audio.samples,
            language="en" if self.weights.english_only else language,
            task=decode.task,
            beam_size=decode.beam_size if decode.beam_size > 1 else None,
            temperature=decode.temperatures,
            condition_on_previous_text=decode.condition_on_previous_text,
            without_timestamps=decode.timestamps == "none",
            word_timestamps=decode.timestamps == "word",
            initial_prompt=decode.prompt,
            sample_len=decode.max_new_tokens,
            fp16=self.compute_type == "float16",
        )
        segments = tuple(_segment(piece) for piece in heard["segments"])
        return Transcript(text=heard["text"].strip(), segments=segments, language=heard["language"])

    def _point_at_alignment_heads(self, model: "Whisper") -> None:
        """Tell the model which attention heads follow time; only its named downloads know them by themselves."""
        import torch

        facts = self.weights.folder / "model.json"
        heads = json.loads(facts.read_text()).get("alignment_heads") if facts.is_file() else None
        if not heads:
            return
        mask = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
        for layer, head in heads:
            mask[layer, head] = True
        model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)


def _segment(piece: Mapping[str, Any]) -> Segment:
    words = tuple(
        Word(text=w["word"], start_s=float(w["start"]), end_s=float(w["end"])) for w in piece.get("words", ())
    )
    return Segment(text=piece["text"], start_s=float(piece["start"]), end_s=float(piece["end"]), words=words)

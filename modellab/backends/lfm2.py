"""LFM2-Audio and LFM2.5-Audio through liquid-audio, on torch.

Source: https://github.com/Liquid4All/liquid-audio. Package and weights are under the LFM Open License v1.0, so that
they are an extra of their own; the package asks for Python 3.12 or later: see `environments.toml`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from modellab.backends.base import EVERY_OPTION, Backend, Stages
from modellab.backends.device import release, settle, torch_refusal
from modellab.checkpoints.weights import Weights
from modellab.errors import BadCheckpoint
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.transcript import Segment, Transcript

if TYPE_CHECKING:
    import torch
    from liquid_audio import ChatState, LFM2AudioModel, LFM2AudioProcessor

LEAST_SAMPLES = 2400  # 0.15 s: the encoder wants nine frames of 10 ms


@dataclass(kw_only=True)
class Lfm2(Backend):
    """A language model that hears: it is asked to transcribe by its system prompt, and writes until it has done.

    It writes greedily, text alone, one utterance after another: the package has no batches. A recording is heard in
    one go, however long. Audio shorter than 0.15 s is followed by silence up to that.
    """

    layout: ClassVar[str] = "lfm2-audio"
    package: ClassVar[str] = "liquid-audio"
    modules: ClassVar[tuple[str, ...]] = ("torch", "liquid_audio")
    engines: ClassVar[tuple[str, ...]] = ("torch", "transformers", "tokenizers", "numpy")
    architectures: ClassVar[frozenset[str]] = frozenset({"lfm2-audio"})
    cannot_honour: ClassVar[frozenset[str]] = EVERY_OPTION - {"max_new_tokens"}

    weights: Weights
    system_prompt: str = "Perform ASR."
    _model: "LFM2AudioModel | None" = field(default=None, init=False, repr=False)
    _processor: "LFM2AudioProcessor | None" = field(default=None, init=False, repr=False)

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Say why liquid-audio cannot run this here; None where it can."""
        if compute_type not in {"float32", "bfloat16"}:
            return f"liquid-audio runs LFM2-Audio in float32 or bfloat16, not in {compute_type}"
        return torch_refusal(device)

    def load(self) -> None:
        """Read the weights in this compute type; torch's thread count is set for the whole process."""
        import torch
        from liquid_audio import LFM2AudioModel, LFM2AudioProcessor
        from safetensors import SafetensorError

        torch.set_num_threads(self.threads)
        folder = self.weights.folder  # as a path: a text would be looked for on the hub
        try:
            self._processor = LFM2AudioProcessor.from_pretrained(folder, device=self.device).eval()
            model = LFM2AudioModel.from_pretrained(folder, device=self.device, dtype=self._dtype())
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            raise BadCheckpoint(f"liquid-audio cannot load {folder}: {type(error).__name__}: {error}") from error
        self._model = model.eval()
        self.settle()

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:  # noqa: ARG002 - it finds out by itself
        """Give one finished transcript per audio; a GPU has finished its work when this returns."""
        return [self._listen(audio) for audio in audios]

    def close(self) -> None:
        """Drop the model and what torch kept of it on a GPU."""
        self._model = self._processor = None
        release(self.device)

    def stages(self) -> Stages:
        """Name the spectrum, the encoder with its way into the language model, that model, and the tokenizer."""
        assert self._model is not None, "load() comes first"
        assert self._processor is not None, "load() comes first"
        return {
            "features": [(self._processor.audio, "forward")],
            "encoder": [(self._model.conformer, "forward"), (self._model.audio_adapter, "forward")],
            "decoder": [(self._model.lfm, "forward")],
            "detokenise": [(self._processor.text, "decode")],
        }

    def settle(self) -> None:
        """Wait for the GPU."""
        settle(self.device)

    def _listen(self, audio: Audio) -> Transcript:
        import torch

        assert self._model is not None, "load() comes first"
        assert self._processor is not None, "load() comes first"
        with torch.inference_mode():
            written = self._model.generate_sequential(
                **self._asked(audio, self._processor), max_new_tokens=self.decode.max_new_tokens
            )
            words = [int(token) for token in written if token.numel() == 1]  # the others are sound
        text = self._processor.text.decode(words, skip_special_tokens=True).strip()
        whole = Segment(text=text, start_s=0.0, end_s=audio.duration_s)
        return Transcript(text=text, segments=(whole,) if text else ())

    def _asked(self, audio: Audio, processor: "LFM2AudioProcessor") -> "ChatState":
        """Give the talk up to where the model has the word: what it is to do, and what was said."""
        import torch
        from liquid_audio import ChatState

        samples = np.pad(audio.samples, (0, max(0, LEAST_SAMPLES - audio.samples.size)))
        talk = ChatState(processor, dtype=self._dtype())
        talk.new_turn("system")
        talk.add_text(self.system_prompt)
        talk.end_turn()
        talk.new_turn("user")
        talk.add_audio(torch.from_numpy(samples)[None], SAMPLE_RATE_HZ)
        talk.end_turn()
        talk.new_turn("assistant")
        return talk

    def _dtype(self) -> "torch.dtype":
        import torch

        dtype: torch.dtype = getattr(torch, self.compute_type)
        return dtype

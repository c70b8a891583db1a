"""Whisper through Hugging Face transformers, on torch.

Source: https://github.com/huggingface/transformers (Apache-2.0).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from modellab.backends.base import Backend, Stages
from modellab.backends.device import settle, torch_refusal
from modellab.checkpoints.weights import Weights
from modellab.errors import BadCheckpoint
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.transcript import Segment, Transcript

if TYPE_CHECKING:
    import torch
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

WINDOW_S = 30
FRAME_SAMPLES = 160


@dataclass(kw_only=True)
class Transformers(Backend):
    """Whisper checkpoints in the transformers layout. A batch is padded to one window and heard at once.

    `padding` says what follows an utterance shorter than the 30 s window: "frames" of nothing after the spectrum,
    as openai-whisper and faster-whisper do, or the spectrum of "silence", as the library's own processor does. The
    same weights write other words after the one and the other (docs/decisions/0004).
    """

    layout: ClassVar[str] = "transformers"
    package: ClassVar[str] = "transformers"
    modules: ClassVar[tuple[str, ...]] = ("torch", "transformers.models.whisper.modeling_whisper")
    engines: ClassVar[tuple[str, ...]] = ("torch", "tokenizers", "numpy")
    architectures: ClassVar[frozenset[str]] = frozenset({"whisper"})
    cannot_honour: ClassVar[frozenset[str]] = frozenset({"temperatures", "vad"})

    weights: Weights
    padding: Literal["frames", "silence"] = "frames"
    _model: "WhisperForConditionalGeneration | None" = field(default=None, init=False, repr=False)
    _processor: "WhisperProcessor | None" = field(default=None, init=False, repr=False)

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Say why transformers cannot run this here; None where it can."""
        if compute_type not in {"float32", "float16", "bfloat16"}:
            return f"transformers runs Whisper in float32, float16 or bfloat16, not in {compute_type}"
        return torch_refusal(device)

    def load(self) -> None:
        """Read the weights in this compute type; torch's thread count is set for the whole process."""
        import torch
        from safetensors import SafetensorError
        from transformers import WhisperForConditionalGeneration, WhisperProcessor

        torch.set_num_threads(self.threads)
        folder = str(self.weights.folder)
        try:
            model = WhisperForConditionalGeneration.from_pretrained(
                folder, dtype=getattr(torch, self.compute_type), local_files_only=True
            )
            self._processor = WhisperProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            raise BadCheckpoint(f"transformers cannot load {folder}: {error}") from error
        self._model = model.to(self.device).eval()
        self.settle()

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio; those longer than a window are heard one by one.

        A GPU has finished its work when this returns: the tokens have been read from it.
        """
        language = self.decode.language or language
        short = [index for index, audio in enumerate(audios) if audio.duration_s <= WINDOW_S]
        written = dict(zip(short, self._hear_windows([audios[i] for i in short], language), strict=True))
        for index, audio in enumerate(audios):
            if index not in written:
                written[index] = self._hear_long(audio, language)
        return [written[index] for index in range(len(audios))]

    def close(self) -> None:
        """Drop the model and what torch kept of it on a GPU."""
        self._model = self._processor = None
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    def stages(self) -> Stages:
        """Name the spectra with their way to the device, the model's halves and output, and the tokenizer."""
        assert self._model is not None, "load() comes first"
        assert self._processor is not None, "load() comes first"
        return {
            "features": [
                (type(self._processor.feature_extractor), "__call__"),
                (type(self), "_features"),
                (type(self), "_to_device"),
            ],
            "encoder": [(self._model.model.encoder, "forward")],
            "decoder": [(self._model.model.decoder, "forward"), (self._model.proj_out, "forward")],
            "detokenise": [(self._processor.tokenizer, "decode")],
        }

    def settle(self) -> None:
        """Wait for the GPU."""
        settle(self.device)

    def not_honoured(self) -> tuple[str, ...]:
        """Give the options that cannot be followed: of times, those of segments only."""
        words = ("timestamps",) if self.decode.timestamps == "word" else ()
        return tuple(sorted({*super().not_honoured(), *words}))

    def _hear_windows(self, audios: Sequence[Audio], language: str | None) -> list[Transcript]:
        if not audios:
            return []
        import torch

        features = self._features(audios)
        languages = self._languages(features, language)
        mask = torch.ones(features.shape[0], features.shape[-1], dtype=torch.long, device=self.device)
        times = self.decode.timestamps != "none"
        tokens = self._generate(features, languages, attention_mask=mask, return_timestamps=times)
        return [
            self._transcript(row, audio, spoken) for row, audio, spoken in zip(tokens, audios, languages, strict=True)
        ]

    def _hear_long(self, audio: Audio, language: str | None) -> Transcript:
        assert self._processor is not None, "load() comes first"
        inputs = self._processor.feature_extractor(
            audio.samples,
            sampling_rate=SAMPLE_RATE_HZ,
            truncation=False,
            padding="longest",
            return_attention_mask=True,
            return_tensors="pt",
            device=self._spectra_on,
        )
        features = self._to_device(inputs.input_features)
        languages = self._languages(features[:, :, : WINDOW_S * SAMPLE_RATE_HZ // FRAME_SAMPLES], language)
        tokens = self._generate(
            features,
            languages,
            attention_mask=inputs.attention_mask.to(self.device),
            return_timestamps=True,
            condition_on_prev_tokens=self.decode.condition_on_previous_text,
        )
        return self._transcript(tokens[0], audio, languages[0])

    def _features(self, audios: Sequence[Audio]) -> "torch.Tensor":
        """Give log-mel spectra of shape (audios, mel bins, 3000)."""
        assert self._processor is not None, "load() comes first"
        features = self._processor.feature_extractor(
            [audio.samples for audio in audios],
            sampling_rate=SAMPLE_RATE_HZ,
            return_tensors="pt",
            device=self._spectra_on,
        ).input_features
        if self.padding == "frames":
            for row, audio in zip(features, audios, strict=True):
                row[:, audio.samples.size // FRAME_SAMPLES :] = 0.0
        return self._to_device(features)

    @property
    def _spectra_on(self) -> str:
        """Where spectra are computed: on a CUDA device too, since a processor keeps it waiting (docs/gpu.md)."""
        return self.device if self.device.startswith("cuda") else "cpu"

    def _to_device(self, features: "torch.Tensor") -> "torch.Tensor":
        import torch

        return features.to(device=self.device, dtype=getattr(torch, self.compute_type))

    def _languages(self, features: "torch.Tensor", language: str | None) -> list[str]:
        """Give one language an audio: English, the one given, or what the model detects."""
        assert self._model is not None, "load() comes first"
        assert self._processor is not None, "load() comes first"
        if self.weights.english_only or language:
            return ["en" if self.weights.english_only else str(language)] * len(features)
        tokens = self._model.detect_language(input_features=features)
        return [str(token).strip("<|>") for token in self._processor.tokenizer.convert_ids_to_tokens(tokens.tolist())]

    def _generate(self, features: "torch.Tensor", languages: Sequence[str], **how: Any) -> "torch.Tensor":  # noqa: ANN401 - generate() takes what it takes
        import torch

        assert self._model is not None, "load() comes first"
        multilingual, prompt = self._model.generation_config.is_multilingual, self._prompt()
        if multilingual:
            how |= {"language": list(languages), "task": self.decode.task}
        start = (3 if multilingual else 1) + (not how["return_timestamps"]) + (0 if prompt is None else prompt.numel())
        with torch.inference_mode():
            written: torch.Tensor = self._model.generate(
                features,
                num_beams=self.decode.beam_size,
                do_sample=False,
                max_length=start + self.decode.max_new_tokens,
                prompt_ids=prompt,
                **how,
            )
        return written

    def _prompt(self) -> "torch.Tensor | None":
        if self.decode.prompt is None or self._processor is None:
            return None
        prompt: torch.Tensor = self._processor.get_prompt_ids(self.decode.prompt, return_tensors="pt")
        return prompt.to(self.device)

    def _transcript(self, tokens: "torch.Tensor", audio: Audio, language: str) -> Transcript:
        assert self._processor is not None, "load() comes first"
        read = self._processor.tokenizer
        written = tokens.tolist()
        text = read.decode(written, skip_special_tokens=True).strip()
        if self.decode.timestamps != "none":
            segments = _segments(read.decode(written, output_offsets=True)["offsets"], audio.duration_s)
            return Transcript(text=text, segments=segments, language=language)
        whole = Segment(text=text, start_s=0.0, end_s=audio.duration_s)
        return Transcript(text=text, segments=(whole,) if text else (), language=language)


def _segments(offsets: Sequence[dict[str, Any]], duration_s: float) -> tuple[Segment, ...]:
    return tuple(
        Segment(text=piece["text"], start_s=start_s, end_s=duration_s if end_s is None else min(end_s, duration_s))
        for piece in offsets
        for start_s, end_s in [piece["timestamp"]]
    )

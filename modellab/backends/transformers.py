"""Whisper through Hugging Face transformers, on torch.

Source: https://github.com/huggingface/transformers (Apache-2.0).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt

from modellab.backends.base import Backend, Stages
from modellab.backends.device import release, settle, torch_refusal
from modellab.checkpoints.weights import Weights
from modellab.errors import BackendUnavailable, BadCheckpoint, BadDefinition
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.transcript import Segment, Transcript, Word

if TYPE_CHECKING:
    import torch
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

WINDOW_S = 30
FRAME_SAMPLES = 160

Padding = Literal["frames", "silence"]
Attention = Literal["sdpa", "eager"]


@dataclass(kw_only=True)
class Transformers(Backend):
    """Whisper checkpoints in the transformers layout. A batch is padded to one window and heard at once.

    `padding` says what follows an utterance shorter than the 30 s window: "frames" of nothing after the spectrum,
    as openai-whisper and faster-whisper do, or the spectrum of "silence", as the library's own processor does. The
    same weights write other words after the one and the other (docs/decisions/0004).

    `attention` is how torch computes it: "sdpa" in one fused call, "eager" step by step. `compiled` has torch.compile
    translate the encoder, while loading and once more when the first batch of another size comes, which wants a C++
    compiler on a cpu and Triton on a CUDA device. The decoder, whose cache grows with every token, stays as it is:
    torch would compile it over and over.

    Words have their times by which part of the audio the decoder looks at. Asked for them, a batch is heard one by one:
    padding would shift them.

    Raises:
        BadDefinition: on an option that is none of these.
    """

    layout: ClassVar[str] = "transformers"
    package: ClassVar[str] = "transformers"
    modules: ClassVar[tuple[str, ...]] = ("torch", "transformers.models.whisper.modeling_whisper")
    engines: ClassVar[tuple[str, ...]] = ("torch", "tokenizers", "numpy")
    architectures: ClassVar[frozenset[str]] = frozenset({"whisper"})
    cannot_honour: ClassVar[frozenset[str]] = frozenset({"temperatures", "vad"})

    weights: Weights
    padding: Padding = "frames"
    attention: Attention = "sdpa"
    compiled: bool = False
    _model: "WhisperForConditionalGeneration | None" = field(default=None, init=False, repr=False)
    _processor: "WhisperProcessor | None" = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        for name, allowed in {"padding": get_args(Padding), "attention": get_args(Attention)}.items():
            if getattr(self, name) not in allowed:
                raise BadDefinition(f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}")
        if not isinstance(self.compiled, bool):
            raise BadDefinition(f"compiled must be true or false, not {self.compiled!r}")

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
                folder,
                dtype=getattr(torch, self.compute_type),
                attn_implementation=self.attention,
                local_files_only=True,
            )
            self._processor = WhisperProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            raise BadCheckpoint(f"transformers cannot load {folder}: {error}") from error
        if self.decode.timestamps == "word" and not getattr(model.generation_config, "alignment_heads", None):
            raise BadCheckpoint(
                f"{folder} does not say which heads follow time (alignment_heads in generation_config.json), so that "
                "no word has its time: ask for timestamps of segments"
            )
        self._model = model.to(self.device).eval()
        if self.compiled:
            self._compile(self._model)
        self.settle()

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio; those longer than a window are heard one by one.

        A GPU has finished its work when this returns: the tokens have been read from it.
        """
        language = self.decode.language or language
        short = [index for index, audio in enumerate(audios) if audio.duration_s <= WINDOW_S]
        batches = [[index] for index in short] if self.decode.timestamps == "word" else [short]
        written: dict[int, Transcript] = {}
        for batch in batches:
            written |= zip(batch, self._hear_windows([audios[i] for i in batch], language), strict=True)
        for index, audio in enumerate(audios):
            if index not in written:
                written[index] = self._hear_long(audio, language)
        return [written[index] for index in range(len(audios))]

    def close(self) -> None:
        """Drop the model, what torch compiled of it and what it kept of it on a GPU."""
        if self.compiled and self._model is not None:
            import torch

            torch.compiler.reset()
        self._model = self._processor = None
        release(self.device)

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

    def encoded(self, audio: Audio) -> npt.NDArray[np.float32]:
        """Give what the encoder makes of the first window, of shape (1500, width)."""
        import torch

        assert self._model is not None, "load() comes first"
        window = Audio(samples=audio.samples[: WINDOW_S * SAMPLE_RATE_HZ])
        with torch.inference_mode():
            states = self._model.model.encoder(self._features([window])).last_hidden_state
        found: npt.NDArray[np.float32] = states[0].float().cpu().numpy()
        return found

    def settle(self) -> None:
        """Wait for the GPU."""
        settle(self.device)

    def _compile(self, model: "WhisperForConditionalGeneration") -> None:
        """Have torch compile the encoder, and hear a second of silence, so that what fails fails here."""
        model.model.encoder.compile()
        try:
            self._hear_windows([Audio(samples=np.zeros(SAMPLE_RATE_HZ, np.float32))], "en")
        except RuntimeError as error:
            self.close()
            reason = str(error).strip().splitlines()[0]
            raise BackendUnavailable(
                f"torch cannot compile for {self.device} here: {reason}; a cpu wants a C++ compiler (g++), a CUDA "
                "device Triton: install it, or leave the option compiled out"
            ) from error

    def _hear_windows(self, audios: Sequence[Audio], language: str | None) -> list[Transcript]:
        if not audios:
            return []
        import torch

        features = self._features(audios)
        languages = self._languages(features, language)
        spectra = torch.tensor([[_spectra(audio)] for audio in audios])
        mask = (torch.arange(features.shape[-1]) < spectra).long().to(self.device)
        times = self.decode.timestamps != "none"
        return self._write(features, audios, languages, attention_mask=mask, return_timestamps=times)

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
        (transcript,) = self._write(
            features,
            [audio],
            languages,
            attention_mask=inputs.attention_mask.to(self.device),
            return_timestamps=True,
            condition_on_prev_tokens=self.decode.condition_on_previous_text,
        )
        return transcript

    def _write(
        self,
        features: "torch.Tensor",
        audios: Sequence[Audio],
        languages: Sequence[str],
        **how: Any,  # noqa: ANN401 - generate() takes what it takes
    ) -> list[Transcript]:
        """Give a transcript per audio; where words are to have times, generation is asked for those of its tokens."""
        if self.decode.timestamps == "word":
            written = self._generate(features, languages, **how, return_token_timestamps=True, return_segments=True)
            return [self._timed(*each) for each in zip(written["segments"], audios, languages, strict=True)]
        tokens = self._generate(features, languages, **how)
        return [self._transcript(*each) for each in zip(tokens, audios, languages, strict=True)]

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

    def _generate(self, features: "torch.Tensor", languages: Sequence[str], **how: Any) -> Any:  # noqa: ANN401 - generate() takes and gives what it does
        import torch

        assert self._model is not None, "load() comes first"
        multilingual, prompt = self._model.generation_config.is_multilingual, self._prompt()
        if multilingual:
            how |= {"language": list(languages), "task": self.decode.task}
        start = (3 if multilingual else 1) + (not how["return_timestamps"]) + (0 if prompt is None else prompt.numel())
        with torch.inference_mode():
            return self._model.generate(
                features,
                num_beams=self.decode.beam_size,
                do_sample=False,
                max_length=start + self.decode.max_new_tokens,
                prompt_ids=prompt,
                **how,
            )

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

    def _timed(self, pieces: Sequence[Mapping[str, Any]], audio: Audio, language: str) -> Transcript:
        """Give the transcript of what generation told of each segment: its tokens and when each of them ended."""
        segments = tuple(self._timed_segment(piece, audio.duration_s, language) for piece in pieces)
        spoken = tuple(segment for segment in segments if segment.text)
        return Transcript(text="".join(s.text for s in spoken).strip(), segments=spoken, language=language)

    def _timed_segment(self, piece: Mapping[str, Any], duration_s: float, language: str) -> Segment:
        from transformers.models.whisper.tokenization_whisper import LANGUAGES, _combine_tokens_into_words

        assert self._processor is not None, "load() comes first"
        read = self._processor.tokenizer
        ends_s = [min(round(end_s, 2), duration_s) for end_s in piece["token_timestamps"].tolist()]
        told = zip(piece["tokens"].tolist(), [ends_s[0], *ends_s], ends_s, strict=False)
        spoken = [(token, start_s, end_s) for token, start_s, end_s in told if token < read.eos_token_id]
        texts, _, places = _combine_tokens_into_words(read, [token for token, _, _ in spoken], LANGUAGES.get(language))
        words = tuple(
            Word(text=text, start_s=spoken[own[0]][1], end_s=spoken[own[-1]][2])
            for text, own in zip(texts, places, strict=True)
        )
        start_s, end_s = (min(float(piece[edge]), duration_s) for edge in ("start", "end"))
        return Segment(text="".join(texts), start_s=start_s, end_s=end_s, words=words)


def _segments(offsets: Sequence[dict[str, Any]], duration_s: float) -> tuple[Segment, ...]:
    return tuple(
        Segment(text=piece["text"], start_s=start_s, end_s=duration_s if end_s is None else min(end_s, duration_s))
        for piece in offsets
        for start_s, end_s in [piece["timestamp"]]
    )


def _spectra(audio: Audio) -> int:
    """Give how many spectra an audio fills; two make one frame of the encoder, and no audio has less."""
    return max(2, ceil(audio.samples.size / FRAME_SAMPLES))

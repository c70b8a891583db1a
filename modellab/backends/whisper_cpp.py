"""Whisper through whisper.cpp, on ggml.

Source: https://github.com/ggml-org/whisper.cpp and https://github.com/absadiki/pywhispercpp (both MIT).
"""

import atexit
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from modellab.backends.base import Backend, DecodeOptions
from modellab.backends.device import device_refusal
from modellab.checkpoints.ggml import FILE, FILE_TYPES, compute_type_of
from modellab.checkpoints.weights import Weights
from modellab.errors import BadCheckpoint, BadTranscript, UnknownName
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.transcript import Segment, Transcript, Word

LEAST_S = 0.2  # whisper.cpp hears nothing at all in less than a tenth of a second
WINDOW_S = 30
TICK_S = 0.01  # what it counts times in

_ERROR = 4  # ggml's level of what went wrong
_HOTTEST = 1.0  # temperatures are tried up to this one
_EVERYTHING_BEFORE = 16_384  # tokens; more than any window holds


@dataclass(kw_only=True)
class WhisperCpp(Backend):
    """Whisper checkpoints in ggml's one file. A batch is heard one audio after another.

    The file is in the compute type that is asked for. Symbols that nobody speaks are suppressed, as the other runtimes
    of Whisper do by themselves. What follows an utterance in its 30 s window is the spectrum of silence, as the
    processor of transformers has it, where openai-whisper has nothing (docs/decisions/0004). Audio of less than 0.2 s
    is heard with silence after it.
    """

    layout: ClassVar[str] = "ggml"
    package: ClassVar[str] = "pywhispercpp"
    modules: ClassVar[tuple[str, ...]] = ("_pywhispercpp",)
    architectures: ClassVar[frozenset[str]] = frozenset({"whisper"})
    cannot_honour: ClassVar[frozenset[str]] = frozenset({"vad"})

    weights: Weights
    _model: Any = field(default=None, init=False, repr=False)

    @classmethod
    def layout_in(cls, compute_type: str) -> str:
        """Give the layout of the file that holds the weights in this type: such as `ggml:q5_1`."""
        return f"{cls.layout}:{compute_type}"

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Say why whisper.cpp cannot run this here; None where it can."""
        if device != "cpu":
            return device_refusal(device) or f"the wheels of pywhispercpp compute on the cpu, not on {device}"
        if compute_type not in FILE_TYPES:
            return f"whisper.cpp runs on the cpu in {', '.join(FILE_TYPES)}, not in {compute_type}"
        return None

    def load(self) -> None:
        """Read the file; what whisper.cpp logs is kept from the streams of this process."""
        import _pywhispercpp as runtime

        path = self.weights.folder / FILE
        found = compute_type_of(path)
        if found != self.compute_type:
            raise BadCheckpoint(f"{path} is in {found}, and {self.compute_type} is asked for")
        how = runtime.whisper_context_default_params()
        how.use_gpu = False
        with _complaints() as said:
            model = runtime.whisper_init_from_file_with_params(str(path), how)
        if said:
            raise BadCheckpoint(f"whisper.cpp cannot load {path}: {'; '.join(said)}")
        self._model = model

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio.

        Raises:
            UnknownName: when whisper.cpp does not know the language.
            BadTranscript: when it fails on an audio; the message holds its words.
        """
        return [self._listen(audio, self.decode.language or language) for audio in audios]

    def narrate(self, audio: Audio, language: str | None, tell: Callable[[Segment], None]) -> Transcript:
        """Give the transcript of one audio, and tell the segments of each window as soon as it is written.

        Raises:
            UnknownName: when whisper.cpp does not know the language.
            BadTranscript: when it fails on the audio; the message holds its words.
        """
        return self._listen(audio, self.decode.language or language, tell)

    def close(self) -> None:
        """Free the model."""
        if self._model is None:
            return
        import _pywhispercpp as runtime

        runtime.whisper_free(self._model)
        self._model = None

    def not_honoured(self) -> tuple[str, ...]:
        """Give the options that cannot be followed.

        Temperatures must rise by equal steps up to 1. A prompt is handed on together with the text before, so that it
        cannot be had alone in audio of more than a window. At least two tokens are written.
        """
        decode, also = self.decode, set(super().not_honoured())
        if _step(decode.temperatures) is None:
            also.add("temperatures")
        if decode.prompt and not decode.condition_on_previous_text:
            also.add("condition_on_previous_text")
        if decode.max_new_tokens == 1:
            also.add("max_new_tokens")
        return tuple(sorted(also))

    def _listen(self, audio: Audio, language: str | None, tell: Callable[[Segment], None] | None = None) -> Transcript:
        import _pywhispercpp as runtime

        assert self._model is not None, "load() comes first"
        how = _asked(self.decode, self.threads, self._language(language))
        samples = _long_enough(audio.samples)

        def written(_model: object, count: int, _: object = None) -> None:
            assert tell is not None
            for segment in self._segments(audio.duration_s, newest=count):
                tell(segment)

        if tell is not None:
            runtime.assign_new_segment_callback(how, written)
        with _complaints() as said:
            code = runtime.whisper_full(self._model, how, samples, samples.size)
        if code:
            raise BadTranscript(f"whisper.cpp ended with {code}: {'; '.join(said)}")
        segments = tuple(self._segments(audio.duration_s))
        return Transcript(
            text="".join(segment.text for segment in segments).strip(),
            segments=segments,
            language="en" if self.weights.english_only else self._detected(),
        )

    def _language(self, language: str | None) -> str:
        """Give the language that is asked for, as whisper.cpp writes it: empty where it is to be detected."""
        import _pywhispercpp as runtime

        if self.weights.english_only or not language:
            return "en" if self.weights.english_only else ""
        if runtime.whisper_lang_id(language) < 0:
            known = [runtime.whisper_lang_str(number) for number in range(runtime.whisper_lang_max_id() + 1)]
            raise UnknownName("language of whisper.cpp", language, known)
        return language

    def _detected(self) -> str:
        import _pywhispercpp as runtime

        return str(runtime.whisper_lang_str(runtime.whisper_full_lang_id(self._model)))

    def _segments(self, duration_s: float, newest: int | None = None) -> Iterator[Segment]:
        """Give the segments that are written: all, or so many of the newest."""
        import _pywhispercpp as runtime

        count = runtime.whisper_full_n_segments(self._model)
        for number in range(0 if newest is None else count - newest, count):
            end_s = TICK_S * runtime.whisper_full_get_segment_t1(self._model, number)
            start_s = TICK_S * runtime.whisper_full_get_segment_t0(self._model, number)
            if self.decode.timestamps == "none":
                start_s = end_s - WINDOW_S  # it moves on by whole windows, and of the start it knows nothing
            start_s = min(max(start_s, 0.0), duration_s)
            yield Segment(
                text=runtime.whisper_full_get_segment_text(self._model, number).decode(errors="replace"),
                start_s=start_s,
                end_s=max(start_s, min(end_s, duration_s)),
                words=tuple(self._words(number, duration_s)) if self.decode.timestamps == "word" else (),
            )

    def _words(self, segment: int, duration_s: float) -> Iterator[Word]:
        """Give the words of a segment: a token that begins with a space begins one."""
        spelt, start_s, end_s = b"", 0.0, 0.0
        for token, token_start_s, token_end_s in self._tokens(segment):
            if spelt and token.startswith(b" "):
                yield _word(spelt, start_s, end_s, duration_s)
                spelt = b""
            if not spelt:
                start_s = token_start_s
            spelt, end_s = spelt + token, token_end_s
        if spelt:
            yield _word(spelt, start_s, end_s, duration_s)

    def _tokens(self, segment: int) -> Iterator[tuple[bytes, float, float]]:
        """Give what each token of a segment spells, with its start and end in seconds; orders and times left out."""
        import _pywhispercpp as runtime

        first_order = runtime.whisper_token_eot(self._model)
        for place in range(runtime.whisper_full_n_tokens(self._model, segment)):
            token = runtime.whisper_full_get_token_data(self._model, segment, place)
            if token.id < first_order:
                yield runtime.whisper_token_to_bytes(self._model, token.id), TICK_S * token.t0, TICK_S * token.t1


def _asked(decode: DecodeOptions, threads: int, language: str) -> Any:  # noqa: ANN401 - whisper.cpp's parameters
    import _pywhispercpp as runtime

    strategies = runtime.whisper_sampling_strategy
    beam = decode.beam_size > 1
    how = runtime.whisper_full_default_params(
        strategies.WHISPER_SAMPLING_BEAM_SEARCH if beam else strategies.WHISPER_SAMPLING_GREEDY
    )
    if beam:
        how.beam_search = {"beam_size": decode.beam_size, "patience": -1.0}
    how.n_threads, how.language, how.translate = threads, language, decode.task == "translate"
    how.temperature, how.temperature_inc = decode.temperatures[0], _step(decode.temperatures) or 0.0
    how.no_timestamps, how.token_timestamps = decode.timestamps == "none", decode.timestamps == "word"
    how.no_context = True  # of the audio before
    how.n_max_text_ctx = _EVERYTHING_BEFORE if decode.condition_on_previous_text or decode.prompt else 0
    if decode.prompt:
        how.initial_prompt = f" {decode.prompt.strip()}"
    how.max_tokens = max(1, decode.max_new_tokens - 1)  # it stops after the one that follows
    how.suppress_nst, how.print_progress = True, False
    return how


def _step(temperatures: Sequence[float]) -> float | None:
    """Give by how much temperatures rise up to 1, 0 for a single one; None where not by equal steps."""
    if len(temperatures) == 1:
        return 0.0
    step = temperatures[1] - temperatures[0]
    even = temperatures[0] + step * np.arange(len(temperatures))
    whole = step > 0 and even[-1] <= _HOTTEST + TICK_S < even[-1] + step
    return step if whole and np.allclose(even, temperatures) else None


def _long_enough(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Give the samples, with silence after them where whisper.cpp would not listen."""
    missing = round(LEAST_S * SAMPLE_RATE_HZ) - samples.size
    return np.pad(samples, (0, missing)) if missing > 0 else samples


def _word(spelt: bytes, start_s: float, end_s: float, duration_s: float) -> Word:
    start_s = min(start_s, duration_s)
    return Word(text=spelt.decode(errors="replace"), start_s=start_s, end_s=max(start_s, min(end_s, duration_s)))


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what whisper.cpp logs as wrong; nothing that it logs goes to standard error, here or later."""
    import _pywhispercpp as runtime

    said: list[str] = []
    runtime.whisper_log_set(lambda level, text: said.append(text.strip()) if level == _ERROR else None)
    atexit.unregister(runtime.whisper_log_set)
    atexit.register(runtime.whisper_log_set, None)  # a function of Python must not outlive it
    yield said

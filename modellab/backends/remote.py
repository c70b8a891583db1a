"""Remote: a model on a server with OpenAI's transcription API: Speaches, vLLM, whisper.cpp, a vendor.

Source: https://platform.openai.com/docs/api-reference/audio
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import soundfile

from modellab.backends.base import NO_WEIGHTS, Backend
from modellab.checkpoints.weights import Weights
from modellab.corpora.tongue import stated_language
from modellab.errors import BadDefinition, BadTranscript
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.transcript import Segment, Transcript, Word

if TYPE_CHECKING:
    from modellab.sources.endpoint import Answer, Endpoint, Line

Upload = Literal["wav", "flac"]

SLACK_S = 1.0  # how far a model's times may lie beyond the end of the audio: Whisper's do, by rounding
_TOTAL = re.compile(r"(?:^|,)\s*total\s*(?:;[^,]*?)?;\s*dur\s*=\s*\"?([0-9.]+)", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?")


@dataclass(kw_only=True)
class Remote(Backend):
    """Asks a server. A batch is sent at once, by no more than `concurrency` requests at a time.

    What a record calls the seconds of an utterance holds the way there and back, and whatever waits there were.

    Attributes:
        base_url: the address that `/audio/transcriptions` is appended to; it usually ends with /v1.
        model: what the server calls the model.
        key_variable: the environment variable that holds the key; None where the server wants none.
        key_in_clear: whether the key may be sent to another machine without TLS.
        upload: how audio is sent, in 16 bits: flac is half as large, wav is known to every server.
        connect_timeout_s: how long a connection may take to be made, in seconds.
        timeout_s: how long the server may be silent, in seconds.
        retries: how often it is asked again when it is busy, fails or cannot be reached.
        concurrency: how many requests there are at a time.
    """

    layout: ClassVar[str] = NO_WEIGHTS
    package: ClassVar[str] = "requests"
    modules: ClassVar[tuple[str, ...]] = ("requests",)
    cannot_honour: ClassVar[frozenset[str]] = frozenset(
        {"beam_size", "condition_on_previous_text", "max_new_tokens", "vad"}
    )

    weights: Weights | None = None
    base_url: str
    model: str
    key_variable: str | None = None
    key_in_clear: bool = False
    upload: Upload = "wav"
    connect_timeout_s: float = 10.0
    timeout_s: float = 300.0
    retries: int = 3
    concurrency: int = 4
    _line: "Line | None" = field(default=None, init=False, repr=False)
    _pool: ThreadPoolExecutor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.upload not in get_args(Upload):
            raise BadDefinition(f"upload must be one of {', '.join(get_args(Upload))}, not {self.upload!r}")
        if not isinstance(self.model, str) or not self.model:
            raise BadDefinition(f"model must be what the server calls it, not {self.model!r}")
        self._endpoint()

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Say that this machine only sends; what the server computes on, and in which type, is not known here."""
        if (device, compute_type) == ("cpu", "float32"):
            return None
        return f"a remote model is written cpu and float32, whatever its server has, not {device} and {compute_type}"

    def load(self) -> None:
        """See that the server is there.

        Raises:
            BackendUnavailable: when its key is not in the environment.
            RemoteFailed: when it cannot be reached.
        """
        from modellab.sources.endpoint import Line

        self.close()
        self._line = Line(self._endpoint())
        self._line.reach("models")
        self._pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="remote")

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio, in order.

        Raises:
            RemoteFailed: when the server refuses, fails, hangs, cuts the connection or answers no JSON object.
            BadTranscript: when what it answers is no transcript of the audio.
        """
        assert self._pool is not None, "load() comes first"
        return list(self._pool.map(lambda audio: self._listen(audio, self.decode.language or language), audios))

    def close(self) -> None:
        """Close the connections, once what was sent is answered."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        if self._line is not None:
            self._line.close()
            self._line = None

    def not_honoured(self) -> tuple[str, ...]:
        """Give the options that the API has no word for; it has one temperature, and fewer words for translations."""
        asked, translates = self.decode, self.decode.task == "translate"
        more = {
            "temperatures": len(asked.temperatures) > 1,
            "language": translates and asked.language is not None,
            "timestamps": translates and asked.timestamps == "word",
        }
        return tuple(sorted({*super().not_honoured(), *(name for name, lost in more.items() if lost)}))

    def _endpoint(self) -> "Endpoint":
        from modellab.sources.endpoint import Endpoint

        return Endpoint(
            base_url=self.base_url,
            key_variable=self.key_variable,
            key_in_clear=self.key_in_clear,
            connect_timeout_s=self.connect_timeout_s,
            timeout_s=self.timeout_s,
            retries=self.retries,
            concurrency=self.concurrency,
        )

    def _listen(self, audio: Audio, language: str | None) -> Transcript:
        assert self._line is not None, "load() comes first"
        file = (f"audio.{self.upload}", _encoded(audio, self.upload), f"audio/{self.upload}")
        path = "audio/translations" if self.decode.task == "translate" else "audio/transcriptions"
        return _transcript(self._line.post(path, self._form(language), file), audio, language, self.base_url)

    def _form(self, language: str | None) -> list[tuple[str, str]]:
        decode = self.decode
        form = [("model", self.model), ("temperature", f"{decode.temperatures[0]:g}")]
        form.append(("response_format", "json" if decode.timestamps == "none" else "verbose_json"))
        if decode.prompt:
            form.append(("prompt", decode.prompt))
        if decode.task == "translate":
            return form
        wanted = {"none": (), "segment": ("segment",), "word": ("segment", "word")}[decode.timestamps]
        form += [("timestamp_granularities[]", each) for each in wanted]
        return [*form, ("language", language)] if language else form


def _encoded(audio: Audio, upload: Upload) -> bytes:
    into = BytesIO()
    soundfile.write(into, audio.samples, SAMPLE_RATE_HZ, format=upload.upper(), subtype="PCM_16")
    return into.getvalue()


def _transcript(answer: "Answer", audio: Audio, language: str | None, server: str) -> Transcript:
    """Give the transcript that a server answered; its times lie within the audio, in order.

    Raises:
        BadTranscript: when it is none, saying what the server answered.
    """
    said = answer.said
    text, detected = said.get("text"), said.get("language")
    if not isinstance(text, str):
        raise BadTranscript(f"{server} answered no text: {answer.quoted}")
    try:
        words = [_word(each) for each in said.get("words") or ()]
        segments = [_segment(each) for each in said.get("segments") or ()]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadTranscript(f"{server} answered words or segments that are none: {answer.quoted}") from None
    every: tuple[Sequence[Word | Segment], ...] = (words, segments, *(segment.words for segment in segments))
    for timed in every:
        _refuse_times(timed, audio.duration_s, f"{server} answered {answer.quoted}")
    return Transcript(
        text=text.strip(),
        segments=tuple(_joined(segments, words)),
        language=language or (stated_language(detected) if isinstance(detected, str) else "") or None,
        server_s=_server_s(answer.headers),
    )


def _word(said: Mapping[str, Any]) -> Word:
    return Word(text=str(said["word"]), start_s=float(said["start"]), end_s=float(said["end"]))


def _segment(said: Mapping[str, Any]) -> Segment:
    words = tuple(_word(each) for each in said.get("words") or ())
    return Segment(text=str(said["text"]), start_s=float(said["start"]), end_s=float(said["end"]), words=words)


def _refuse_times(timed: Sequence[Word | Segment], duration_s: float, answered: str) -> None:
    starts = [0.0, *(each.start_s for each in timed)]
    for each, (before_s, start_s) in zip(timed, pairwise(starts), strict=True):
        if not before_s <= start_s <= each.end_s <= duration_s + SLACK_S:
            times = f"from {each.start_s:g} s to {each.end_s:g} s, after one from {before_s:g} s on"
            raise BadTranscript(f"{answered} with a {type(each).__name__} {times}, in audio of {duration_s:g} s")


def _joined(segments: Sequence[Segment], words: Sequence[Word]) -> Iterator[Segment]:
    """Give the segments with their words, which the API lists beside them; of words alone, one segment."""
    if not words:
        yield from segments
        return
    if not segments:
        text = " ".join(word.text.strip() for word in words)
        yield Segment(text=text, start_s=words[0].start_s, end_s=words[-1].end_s, words=tuple(words))
        return
    starts = [*(segment.start_s for segment in segments[1:]), float("inf")]
    first = 0
    for segment, next_s in zip(segments, starts, strict=True):
        own = tuple(takewhile(lambda word: (word.start_s + word.end_s) / 2 < next_s, words[first:]))  # noqa: B023
        first += len(own)
        yield replace(segment, words=segment.words or own)


def _server_s(headers: Mapping[str, str]) -> float | None:
    """Give the seconds that a server says it worked, in either of two headers; None where in neither."""
    total = _TOTAL.search(headers.get("Server-Timing", ""))
    said = total[1] if total else headers.get("openai-processing-ms", "")
    return float(said) / 1000 if _NUMBER.fullmatch(said) else None

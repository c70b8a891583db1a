"""Formats: a transcript as OpenAI's clients read it: JSON, plain text, and subtitles."""

from collections.abc import Iterable
from html import escape
from math import ceil
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel

from modellab.backends.base import Task
from modellab.speech.transcript import Segment, Transcript, Word

Format: TypeAlias = Literal["json", "text", "srt", "verbose_json", "vtt"]
TIMED: frozenset[Format] = frozenset({"srt", "verbose_json", "vtt"})


class Usage(BaseModel):
    """What was heard: whole seconds of audio, a begun one as one."""

    type: Literal["duration"] = "duration"
    seconds: int


class TranscriptionBody(BaseModel):
    """The format json."""

    text: str
    usage: Usage


class WordBody(BaseModel):
    """A word, and when it was said, in seconds."""

    word: str
    start: float
    end: float


class SegmentBody(BaseModel):
    """A segment, and when it was said, in seconds. What our runtimes do not tell of a segment is null."""

    id: int
    start: float
    end: float
    text: str
    seek: int | None = None
    tokens: list[int] | None = None
    temperature: float | None = None
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None


class VerboseBody(BaseModel):
    """The format verbose_json. `language` is a code, such as en; `duration` is in seconds."""

    task: Task
    language: str | None
    duration: float
    text: str
    segments: list[SegmentBody] | None = None
    words: list[WordBody] | None = None
    usage: Usage


class DeltaEvent(BaseModel):
    """A piece of a transcript, as soon as it is written."""

    type: Literal["transcript.text.delta"] = "transcript.text.delta"
    delta: str


class DoneEvent(BaseModel):
    """The whole transcript."""

    type: Literal["transcript.text.done"] = "transcript.text.done"
    text: str
    usage: Usage


def usage(duration_s: float) -> Usage:
    """Give what so many seconds of audio count as."""
    return Usage(seconds=ceil(duration_s))


def verbose(
    transcript: Transcript, duration_s: float, task: Task, granularities: Iterable[Literal["segment", "word"]]
) -> VerboseBody:
    """Give a transcript with the times of what was asked for."""
    asked = set(granularities)
    return VerboseBody(
        task=task,
        language=transcript.language,
        duration=duration_s,
        text=transcript.text,
        segments=[_segment(*numbered) for numbered in enumerate(transcript.segments)] if "segment" in asked else None,
        words=[_word(word) for s in transcript.segments for word in s.words] if "word" in asked else None,
        usage=usage(duration_s),
    )


def srt(transcript: Transcript) -> str:
    """Give a transcript as SubRip subtitles."""
    cues = (
        f"{number}\n{_stamp(s.start_s, ',')} --> {_stamp(s.end_s, ',')}\n{_cue(s.text)}\n"
        for number, s in enumerate(transcript.segments, start=1)
    )
    return "\n".join(cues)


def vtt(transcript: Transcript) -> str:
    """Give a transcript as WebVTT subtitles."""
    cues = (f"{_stamp(s.start_s, '.')} --> {_stamp(s.end_s, '.')}\n{_vtt_cue(s.text)}\n" for s in transcript.segments)
    return "\n".join(["WEBVTT\n", *cues])


def delta(segment: Segment, *, first: bool) -> DeltaEvent:
    """Give a segment as the next piece of a text, which has no space before its first."""
    return DeltaEvent(delta=segment.text.lstrip() if first else segment.text)


def as_json(body: BaseModel) -> Any:  # noqa: ANN401 - any JSON value
    """Give a body without what was not asked for; what is not known of a segment stays, as null."""
    told = body.model_dump()
    return {name: value for name, value in told.items() if value is not None or name == "language"}


def _segment(number: int, segment: Segment) -> SegmentBody:
    return SegmentBody(id=number, start=segment.start_s, end=segment.end_s, text=segment.text)


def _word(word: Word) -> WordBody:
    return WordBody(word=word.text.strip(), start=word.start_s, end=word.end_s)


def _stamp(seconds: float, point: str) -> str:
    whole, milliseconds = divmod(round(max(0.0, seconds) * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}{point}{milliseconds:03}"


def _cue(text: str) -> str:
    """Give a text of one line, in which nothing reads as the end of a cue."""
    return " ".join(text.split()).replace("-->", "->")


def _vtt_cue(text: str) -> str:
    return escape(_cue(text), quote=False)

"""Transcript: what a model wrote, finished."""

from dataclasses import dataclass
from math import isfinite

from modellab.errors import BadTranscript


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word and when it was said, in seconds from the start of the audio."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of transcript and when it was said, in seconds from the start of the audio."""

    text: str
    start_s: float
    end_s: float
    words: tuple[Word, ...] = ()

    def __post_init__(self) -> None:
        if not (isfinite(self.start_s) and isfinite(self.end_s)):
            raise BadTranscript(f"segment {self.text!r} has times that are not finite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """The raw text a model wrote for one audio; `language` is what it was told or what it detected."""

    text: str
    segments: tuple[Segment, ...] = ()
    language: str | None = None

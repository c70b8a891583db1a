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

    def __post_init__(self) -> None:
        _refuse_endless("word", self.text, self.start_s, self.end_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of transcript and when it was said, in seconds from the start of the audio."""

    text: str
    start_s: float
    end_s: float
    words: tuple[Word, ...] = ()

    def __post_init__(self) -> None:
        _refuse_endless("segment", self.text, self.start_s, self.end_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """The raw text a model wrote for one audio.

    `language` is what it was told or what it detected. `server_s` is how long the server of a remote model says it
    worked, in seconds, which leaves what its clock and ours differ by to the network; None where nothing says.
    """

    text: str
    segments: tuple[Segment, ...] = ()
    language: str | None = None
    server_s: float | None = None


def _refuse_endless(what: str, text: str, start_s: float, end_s: float) -> None:
    if not (isfinite(start_s) and isfinite(end_s)):
        raise BadTranscript(f"{what} {text!r} has times that are not finite")

"""Nonspeech: what a model wrote where nobody spoke."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add

from modellab.records.record import Record
from modellab.reporting.accuracy import is_silence
from modellab.scoring.normalize import normalizer
from modellab.scoring.repetition import repetition

RULES = "basic"  # of any language, since nobody spoke one
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Nonspeech:
    """Counts over utterances in which nobody speaks: those heard, those with any word, words, loops, and seconds."""

    utterances: int
    written: int
    words: int
    loops: int
    duration_s: float

    @property
    def words_per_minute(self) -> float:
        """Words written in a minute without speech."""
        return self.words * _MINUTE_S / self.duration_s

    @property
    def written_share(self) -> float:
        """The share of utterances with any word, as a fraction."""
        return self.written / self.utterances

    def __add__(self, other: "Nonspeech") -> "Nonspeech":
        return Nonspeech(
            utterances=self.utterances + other.utterances,
            written=self.written + other.written,
            words=self.words + other.words,
            loops=self.loops + other.loops,
            duration_s=self.duration_s + other.duration_s,
        )


def nonspeech(records: Iterable[Record]) -> Nonspeech | None:
    """Give what was written where nobody spoke; None where no such utterance was heard."""
    return pool(found for record in records if (found := nonspeech_of(record)))


def nonspeech_of(record: Record) -> Nonspeech | None:
    """Give what was written in one utterance; None where somebody spoke, or it failed."""
    if not is_silence(record) or not record.transcript:
        return None
    found = repetition(record.transcript.text, normalizer(RULES))
    return Nonspeech(
        utterances=1,
        written=int(found.units > 0),
        words=found.units,
        loops=found.loops,
        duration_s=record.audio_duration_s,
    )


def pool(found: Iterable[Nonspeech]) -> Nonspeech | None:
    """Give the sum; None where there is nothing to add."""
    every = list(found)
    return reduce(add, every) if every else None

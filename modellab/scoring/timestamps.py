"""Timestamps: how far the times of words are from when they were said."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modellab.scoring.normalize import Normalizer
from modellab.scoring.pairing import equal_words
from modellab.speech.transcript import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeErrors:
    """How far the matched words begin and end from where they should, in seconds without sign. `a + b` pools.

    `starts_s` and `ends_s` hold one error a matched word, in the order of the reference; `unmatched` counts the words
    of the reference that have no equal in the hypothesis, about whose times nothing is known.
    """

    starts_s: tuple[float, ...] = ()
    ends_s: tuple[float, ...] = ()
    unmatched: int = 0

    @property
    def matched(self) -> int:
        """Words of the reference that the hypothesis has too."""
        return len(self.starts_s)

    @property
    def mean_start_s(self) -> float | None:
        """The mean error of where words begin; None where none matched."""
        return _mean(self.starts_s)

    @property
    def mean_end_s(self) -> float | None:
        """The mean error of where words end; None where none matched."""
        return _mean(self.ends_s)

    @property
    def p95_start_s(self) -> float | None:
        """The error of beginnings that 95 in 100 words do not exceed; None where none matched."""
        return _p95(self.starts_s)

    @property
    def p95_end_s(self) -> float | None:
        """The error of ends that 95 in 100 words do not exceed; None where none matched."""
        return _p95(self.ends_s)

    def __add__(self, other: "TimeErrors") -> "TimeErrors":
        return TimeErrors(
            starts_s=self.starts_s + other.starts_s,
            ends_s=self.ends_s + other.ends_s,
            unmatched=self.unmatched + other.unmatched,
        )


def time_errors(reference: Sequence[Word], hypothesis: Sequence[Word], rules: Normalizer) -> TimeErrors:
    """Give the errors of the times of the words that both sides have, in seconds.

    Words are paired by what they are, never by when: each is normalised alone, one that becomes nothing is no word,
    and one that becomes several (`won't`, `will not`) stays one. Both sides must therefore be cut into words alike.
    Of equal words next to each other where one is missing (`the the`), which one is missing is a guess.
    """
    said, heard = _spelled(reference, rules), _spelled(hypothesis, rules)
    matched = equal_words([spelling for spelling, _ in said], [spelling for spelling, _ in heard])
    pairs = [(said[theirs][1], heard[ours][1]) for theirs, ours in matched]
    return TimeErrors(
        starts_s=tuple(abs(ours.start_s - theirs.start_s) for theirs, ours in pairs),
        ends_s=tuple(abs(ours.end_s - theirs.end_s) for theirs, ours in pairs),
        unmatched=len(said) - len(pairs),
    )


def _spelled(words: Sequence[Word], rules: Normalizer) -> list[tuple[str, Word]]:
    """Give the words that are something, each with its normalised spelling, without spaces."""
    spelled = (("".join(rules(word.text).split()), word) for word in words)
    return [(spelling, word) for spelling, word in spelled if spelling]


def _mean(errors: Sequence[float]) -> float | None:
    return float(np.mean(errors)) if errors else None


def _p95(errors: Sequence[float]) -> float | None:
    return float(np.quantile(errors, 0.95)) if errors else None

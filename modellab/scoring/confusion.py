"""Confusion: which words are taken for which, left out and put in, and how often."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from modellab.scoring.wer import Edit


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """What was said, what was written for it, and how often. Nothing said or nothing written is an empty text."""

    said: str
    written: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusions:
    """All confusions of many alignments, the most frequent first, ties by the alphabet. `a + b` pools."""

    substitutions: tuple[Confusion, ...] = ()
    deletions: tuple[Confusion, ...] = ()
    insertions: tuple[Confusion, ...] = ()

    def most(self, n: int) -> "Confusions":
        """Give the `n` most frequent of each kind. What is cut off is missing from a sum: pool first."""
        return Confusions(
            substitutions=self.substitutions[:n], deletions=self.deletions[:n], insertions=self.insertions[:n]
        )

    def __add__(self, other: "Confusions") -> "Confusions":
        counts: Counter[tuple[str, str]] = Counter()
        for side in (self, other):
            for confusion in (*side.substitutions, *side.deletions, *side.insertions):
                counts[confusion.said, confusion.written] += confusion.count
        return _sorted_out(counts)


def confusions(alignments: Iterable[Iterable[Edit]]) -> Confusions:
    """Give the confusions of utterances, each as the edits between its reference and its hypothesis.

    A run of substituted units is paired position by position; what is left over on one side was left out or put in.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for edits in alignments:
        for edit in edits:
            if edit.operation != "equal":
                counts.update(zip_longest(edit.reference, edit.hypothesis, fillvalue=""))
    return _sorted_out(counts)


def _sorted_out(counts: Mapping[tuple[str, str], int]) -> Confusions:
    ordered = sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))
    every = [Confusion(said=said, written=written, count=count) for (said, written), count in ordered]
    return Confusions(
        substitutions=tuple(one for one in every if one.said and one.written),
        deletions=tuple(one for one in every if not one.written),
        insertions=tuple(one for one in every if not one.said),
    )

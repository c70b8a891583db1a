"""Missing: where in a long recording words were left out."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from modellab.scoring.wer import Edit

TENTHS = 10
_WORDS_BEFORE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Words of the reference in a row that were not written.

    `index` is that of the first in the reference, from 0; `position` the part of the reference before it, as a
    fraction; `before` the last words before it, as the reference has them.
    """

    index: int
    position: float
    words: tuple[str, ...]
    before: tuple[str, ...]


def gaps(edits: Iterable[Edit], at_least: int = 5) -> tuple[Gap, ...]:
    """Give the gaps of so many words or more, in order, from the alignment of one utterance.

    Words put in do not end a gap. A word that happens to be written too does, so that a long stretch may come as
    several gaps: a cheapest alignment holds on to every word it can.
    """
    reference = _reference(edits)
    found, index = [], 0
    for missing, stretch in groupby(reference, key=lambda unit: unit[1]):
        words = tuple(word for word, _ in stretch)
        if missing and len(words) >= at_least:
            before = tuple(word for word, _ in reference[max(0, index - _WORDS_BEFORE) : index])
            found.append(Gap(index=index, position=index / len(reference), words=words, before=before))
        index += len(words)
    return tuple(found)


def missing_by_tenth(edits: Iterable[Edit]) -> tuple[float | None, ...]:
    """Give the share of each tenth of the reference, counted in words, that was left out: ten fractions.

    None for a tenth without a word, as a reference of fewer than ten words has.
    """
    reference = _reference(edits)
    words, missing = [0] * TENTHS, [0] * TENTHS
    for index, (_, is_missing) in enumerate(reference):
        tenth = TENTHS * index // len(reference)
        words[tenth] += 1
        missing[tenth] += is_missing
    return tuple(lost / of if of else None for lost, of in zip(missing, words, strict=True))


def _reference(edits: Iterable[Edit]) -> list[tuple[str, bool]]:
    """Give the words of the reference, and whether each was left out."""
    return [(word, edit.operation == "delete") for edit in edits for word in edit.reference]

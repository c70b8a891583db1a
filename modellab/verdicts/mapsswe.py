"""MAPSSWE: matched pairs of segments of sentences, NIST's test of two recognisers on the same speech."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np
from scipy.special import ndtr

from modellab.errors import ScoreMismatch
from modellab.scoring.wer import Edit

_RIGHT_WORDS_BETWEEN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedPairs:
    """How errors differ from segment to segment, the second arm less the first.

    `z` and the two-sided `p` are None where they are not defined: fewer than two segments, or all differ alike.
    """

    segments: int
    mean: float
    sd: float
    z: float | None
    p: float | None


def segments(first: Sequence[Edit], second: Sequence[Edit]) -> tuple[tuple[int, int], ...]:
    """Give the errors of either arm in each segment of one utterance, from two alignments of the same reference.

    A segment holds errors that may hang together; two words in a row that both arms have right part it from the next.
    A segment in which neither erred is none.

    Raises:
        ScoreMismatch: when the alignments are of different references.

    Source: Gillick and Cox 1989, "Some Statistical Issues in the Comparison of Speech Recognition Algorithms"; the
    number of words from NIST SCTK, `sc_stats`.
    """
    said, also_said = _reference(first), _reference(second)
    if said != also_said:
        raise ScoreMismatch(f"two alignments of one reference are wanted, not of {said!r:.80} and {also_said!r:.80}")
    ours, theirs = _slots(first), _slots(second)
    wrong = np.flatnonzero(ours + theirs).tolist()
    if not wrong:
        return ()
    starts = [wrong[0], *(right for left, right in pairwise(wrong) if _words_between(left, right))]
    return tuple(zip(np.add.reduceat(ours, starts).tolist(), np.add.reduceat(theirs, starts).tolist(), strict=True))


def mapsswe(utterances: Iterable[tuple[Sequence[Edit], Sequence[Edit]]]) -> MatchedPairs:
    """Give the test over the alignments of utterances by two arms; a positive mean says that the second errs more.

    Segments are taken to be independent, which those of one speaker are not: it tells a reader what other papers
    would say, and no gate asks it.

    Source: as `segments`.
    """
    errors = [pair for first, second in utterances for pair in segments(first, second)]
    differences = np.array([theirs - ours for ours, theirs in errors], dtype=np.float64)
    count = len(differences)
    mean = float(differences.mean()) if count else 0.0
    sd = float(differences.std(ddof=1)) if count > 1 else 0.0
    z = mean / (sd / sqrt(count)) if sd else None
    return MatchedPairs(segments=count, mean=mean, sd=sd, z=z, p=None if z is None else float(2 * ndtr(-abs(z))))


def _reference(edits: Sequence[Edit]) -> str:
    return " ".join(word for edit in edits for word in edit.reference)


def _slots(edits: Sequence[Edit]) -> np.ndarray:
    """Give the errors at each place of the reference: before, at and after each word, words at odd indices."""
    errors = [0]
    for edit in edits:
        if edit.operation == "insert":
            errors[-1] += len(edit.hypothesis)
        else:
            errors += [int(edit.operation != "equal"), 0] * len(edit.reference)
    return np.array(errors)


def _words_between(left: int, right: int) -> bool:
    """Whether enough right words lie between two places that have errors, with none in between."""
    return right // 2 - (left + 1) // 2 >= _RIGHT_WORDS_BETWEEN

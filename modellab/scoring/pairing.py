"""Pairing: which words of two lists are the same word in the same place."""

from collections.abc import Iterator, Sequence

from modellab.scoring.normalize import normalizer
from modellab.scoring.wer import align


def equal_words(said: Sequence[str], heard: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Give the indices of each word of the one list and its equal in the other, in order, as the alignment has them.

    The words hold no space and none is empty.
    """
    left = right = 0
    for edit in align(" ".join(said), " ".join(heard), normalizer("none")):
        if edit.operation == "equal":
            yield from zip(
                range(left, left + len(edit.reference)), range(right, right + len(edit.hypothesis)), strict=True
            )
        left += len(edit.reference)
        right += len(edit.hypothesis)

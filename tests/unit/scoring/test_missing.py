"""Missing words: where they were left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.scoring.missing import TENTHS, Gap, gaps, missing_by_tenth
from modellab.scoring.normalize import normalizer
from modellab.scoring.wer import Edit, align, count

NONE = normalizer("none")
TWENTY = [f"w{number}" for number in range(20)]

numbers = st.lists(st.integers(0, 5).map(str), max_size=30).map(" ".join)


def without(start: int, end: int) -> tuple[Edit, ...]:
    """Give the alignment of twenty words with the same words less a stretch of them."""
    return align(" ".join(TWENTY), " ".join(TWENTY[:start] + TWENTY[end:]), NONE)


def test_a_gap_says_where_and_what() -> None:
    """A gap has its index, its place as a fraction, its words, and the five words before it."""
    assert gaps(without(8, 14)) == (
        Gap(index=8, position=0.4, words=tuple(TWENTY[8:14]), before=("w3", "w4", "w5", "w6", "w7")),
    )


def test_a_gap_at_the_start_has_nothing_before_it() -> None:
    """At the start no word comes before, and after two words two."""
    assert [(gap.position, gap.before) for gap in gaps(without(0, 5))] == [(0.0, ())]
    assert [gap.before for gap in gaps(without(2, 9))] == [("w0", "w1")]


@pytest.mark.parametrize(("at_least", "found"), [(1, 1), (4, 1), (5, 0)])
def test_few_words_are_no_gap(at_least: int, found: int) -> None:
    """A stretch shorter than asked for is not listed."""
    assert len(gaps(without(3, 7), at_least)) == found


def test_nothing_written_is_one_gap() -> None:
    """A failed utterance, of which nothing was written, is one gap from start to end."""
    (gap,) = gaps(align(" ".join(TWENTY), "", NONE))
    assert (gap.index, len(gap.words)) == (0, 20)


def test_words_put_in_do_not_end_a_gap() -> None:
    """Deleted words on both sides of inserted ones are one gap, and a word that is there parts two."""
    lost = Edit(operation="delete", reference=("a", "b", "c"), hypothesis=())
    extra = Edit(operation="insert", reference=(), hypothesis=("x",))
    there = Edit(operation="equal", reference=("y",), hypothesis=("y",))
    assert [len(gap.words) for gap in gaps([lost, extra, lost], 3)] == [6]
    assert [(gap.index, gap.before) for gap in gaps([lost, there, lost], 3)] == [(0, ()), (4, ("a", "b", "c", "y"))]


def test_nothing_is_missing_of_nothing() -> None:
    """Without a reference there is no gap, and no tenth has a share."""
    edits = align("", "thank you for watching", NONE)
    assert gaps(edits, 1) == ()
    assert missing_by_tenth(edits) == (None,) * 10


def test_shares_of_tenths() -> None:
    """Of twenty words two are in each tenth; eight to eleven and half of the ninth tenth's are missing."""
    edits = align(" ".join(TWENTY), " ".join(TWENTY[:8] + TWENTY[12:17] + TWENTY[18:]), NONE)
    assert missing_by_tenth(edits) == (0, 0, 0, 0, 1, 1, 0, 0, 0.5, 0)


def test_a_short_reference_leaves_tenths_open() -> None:
    """Of two words the first is in the first tenth and the second in the sixth; the others have none."""
    assert missing_by_tenth(align("a b", "a", NONE)) == (0, None, None, None, None, 1, None, None, None, None)


def test_an_exchanged_word_is_not_missing() -> None:
    """A substitution wrote something, so it is in no gap and no share."""
    edits = align("a b c", "x y z", NONE)
    assert gaps(edits, 1) == ()
    assert {share for share in missing_by_tenth(edits) if share is not None} == {0}


@given(numbers, numbers)
def test_gaps_of_one_word_are_all_deletions(reference: str, hypothesis: str) -> None:
    """Gaps of any length hold every deleted word once, where the reference has it."""
    edits, said = align(reference, hypothesis, NONE), tuple(reference.split())
    found = gaps(edits, 1)
    assert sum(len(gap.words) for gap in found) == count(edits, NONE).deletions
    assert all(said[gap.index : gap.index + len(gap.words)] == gap.words for gap in found)
    assert all(said[: gap.index][-5:] == gap.before for gap in found)


@given(st.integers(1, 8), numbers)
def test_tenths_of_one_size_average_to_the_whole(size: int, hypothesis: str) -> None:
    """Where all tenths have as many words, the mean of their shares is the share of the whole."""
    edits = align(" ".join("012345" * 2 * size)[: 2 * 10 * size], hypothesis, NONE)
    shares = missing_by_tenth(edits)
    assert sum(shares) / TENTHS == pytest.approx(count(edits, NONE).deletions / (10 * size))

"""NIST's matched pairs test."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modellab.errors import ScoreMismatch
from modellab.scoring.normalize import normalizer
from modellab.scoring.wer import Edit, align
from modellab.verdicts.mapsswe import mapsswe, segments

WORDS = st.lists(st.sampled_from("abcd"), max_size=14).map(" ".join)


def edits(reference, *hypotheses):
    """Give the alignments of hypotheses with a reference."""
    return tuple(align(reference, hypothesis, normalizer("none")) for hypothesis in hypotheses)


def right(count):
    """Give words that are right."""
    return Edit(operation="equal", reference=("w",) * count, hypothesis=("w",) * count)


def wrong(count):
    """Give words that are mistaken."""
    return Edit(operation="substitute", reference=("w",) * count, hypothesis=("x",) * count)


def test_the_example_of_nist():
    """The example in NIST's account of the test has four segments, with these errors of systems A and B."""
    said = "it was the best of times it was the worst of times it was"
    one = "its the best of times it is the worst of times or it was"
    other = "it was the best times it won the test of times it was"
    assert segments(*edits(said, one, other)) == ((2, 0), (0, 1), (1, 2), (1, 0))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([right(5)], [right(5)], ()),
        ([wrong(1), right(1), wrong(1)], [right(3)], ((2, 0),)),
        ([wrong(1), right(2), wrong(1)], [right(4)], ((1, 0), (1, 0))),
        ([wrong(1), right(3)], [right(2), wrong(1), right(1)], ((1, 1),)),
        ([wrong(1), right(3)], [right(3), wrong(1)], ((1, 0), (0, 1))),
    ],
)
def test_two_right_words_part_segments(first, second, expected):
    """Errors of either arm belong together unless two words in a row between them are right in both."""
    assert segments(first, second) == expected


def test_an_insertion_breaks_a_row_of_right_words():
    """Two right words with a word put in between them by one arm do not part anything."""
    more = Edit(operation="insert", reference=(), hypothesis=("x",))
    assert segments([wrong(1), right(1), more, right(1), wrong(1)], [right(4)]) == ((3, 0),)
    assert segments([more, right(2), more], [right(2)]) == ((1, 0), (1, 0))


def test_statistics_by_hand():
    """Differences of 2, 1 and 1 in three segments, the second arm less the first: mean 4/3, variance 1/3."""
    said = "a b c d e f g h i j k l"
    first, second = edits(said, "a X c d e f g h i j k l", "X Y Z d e X g h i X k l")
    assert segments(first, second) == ((1, 3), (0, 1), (0, 1))
    found = mapsswe([(first, second)])
    assert (found.segments, found.mean, found.sd) == (3, pytest.approx(4 / 3), pytest.approx(np.sqrt(1 / 3)))
    assert found.z == pytest.approx((4 / 3) / (np.sqrt(1 / 3) / np.sqrt(3)))
    assert found.p == pytest.approx(2 * stats.norm.sf(found.z))


def test_too_little_has_no_p():
    """Without two segments, or where all of them differ alike, nothing is tested."""
    one = ([wrong(1), right(3)], [right(4)])
    assert (mapsswe([]).segments, mapsswe([]).p) == (0, None)
    assert mapsswe([one]).p is None
    assert (mapsswe([one, one]).segments, mapsswe([one, one]).mean, mapsswe([one, one]).p) == (2, -1, None)


def test_other_references_are_refused():
    """Alignments of two references say nothing of two arms."""
    with pytest.raises(ScoreMismatch, match="one reference"):
        segments(*edits("a b", "a"), *edits("a c", "a"))


@settings(deadline=None, max_examples=100)
@given(WORDS, WORDS, WORDS)
def test_every_error_is_in_one_segment(said, one, other):
    """The errors of all segments are the errors of the alignments; exchanged arms exchange them."""
    first, second = edits(said, one, other)
    found = segments(first, second)
    for n, arm in enumerate((first, second)):
        errors = sum(max(len(e.reference), len(e.hypothesis)) for e in arm if e.operation != "equal")
        assert sum(pair[n] for pair in found) == errors
    assert segments(second, first) == tuple((b, a) for a, b in found)


def test_it_is_calibrated_where_segments_are_independent():
    """Arms that err by chance, word by word, alike: 5 % of corpora come out below 0.05, within what chance allows."""
    random, ps = np.random.default_rng(0), []
    for _ in range(300):
        arms = []
        for _arm in range(2):
            errs = random.random(1200) < 0.05
            starts = [0, *(np.flatnonzero(np.diff(errs)) + 1), 1200]
            arms.append([(wrong if errs[a] else right)(b - a) for a, b in pairwise(starts)])
        ps.append(mapsswe([tuple(arms)]).p)
    assert 0.02 < np.mean(np.array(ps) < 0.05) < 0.09
    assert stats.kstest(ps, "uniform").pvalue > 0.001

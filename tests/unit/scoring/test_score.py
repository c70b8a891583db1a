"""Scores: counts that add."""

from itertools import permutations

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.errors import ScoreMismatch
from modellab.scoring.normalize import normalizer
from modellab.scoring.score import Score
from modellab.scoring.wer import score

counts = st.integers(min_value=0, max_value=1000)
scores = st.builds(
    lambda h, s, d, i: Score(metric="wer", normalizer="none@1", hits=h, substitutions=s, deletions=d, insertions=i),
    counts,
    counts,
    counts,
    counts,
)
ZERO = Score(metric="wer", normalizer="none@1")


def test_rates_pool_and_are_not_averaged() -> None:
    """The rate of a sum is all errors over all references, whatever the rates of the parts."""
    short = Score(metric="wer", normalizer="none@1", substitutions=1)
    long = Score(metric="wer", normalizer="none@1", hits=9)
    assert short.rate == 1.0
    assert long.rate == 0.0
    assert (short + long).rate == 0.1


def test_rate_is_none_where_nothing_was_said() -> None:
    """Without a reference there is no rate, even where words were inserted, and the errors still count."""
    inserted = Score(metric="wer", normalizer="none@1", insertions=3)
    assert inserted.rate is None
    assert inserted.errors == 3
    assert ZERO.rate is None


def test_rate_may_exceed_one() -> None:
    """More insertions than references give a rate above one."""
    assert Score(metric="wer", normalizer="none@1", hits=1, insertions=5).rate == 5.0


words = st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat"]), max_size=10).map(" ".join)


@given(words, words)
def test_measures_are_those_of_jiwer(reference: str, hypothesis: str) -> None:
    """Match error rate and word information lost are what jiwer gives, and None where both sides are empty."""
    counted, expected = score(reference, hypothesis, normalizer("none")), jiwer.process_words(reference, hypothesis)
    if reference or hypothesis:
        assert counted.mer == pytest.approx(expected.mer)
        assert counted.wil == pytest.approx(expected.wil)
    else:
        assert (counted.mer, counted.wil) == (None, None)


@given(scores)
def test_matches_and_information_are_fractions(counted: Score) -> None:
    """However many words are inserted, neither the match error rate nor the information lost leaves 0 to 1."""
    assert all(0 <= measure <= 1 for measure in (counted.mer, counted.wil) if measure is not None)


@given(scores, scores)
def test_sums_keep_every_count(one: Score, other: Score) -> None:
    """Errors and references of a sum are the sums of errors and references."""
    total = one + other
    assert total.errors == one.errors + other.errors
    assert total.reference_length == one.reference_length + other.reference_length
    assert total.hits == one.hits + other.hits


@given(scores, scores, scores)
def test_the_order_of_adding_does_not_matter(one: Score, two: Score, three: Score) -> None:
    """Scores pool to the same in any order and grouping, and a score of nothing changes nothing."""
    assert len({a + b + c for a, b, c in permutations((one, two, three))} | {one + (two + three)}) == 1
    assert one + ZERO == one


@pytest.mark.parametrize("field", ["metric", "normalizer"])
def test_unlike_scores_do_not_add(field: str) -> None:
    """Scores of another metric or normaliser are refused, and the error names both."""
    kinds = {"metric": "wer", "normalizer": "none@1"}
    with pytest.raises(ScoreMismatch, match=f"cannot add (other|.* under other).* to .*{kinds[field]}"):
        Score(**kinds) + Score(**{**kinds, field: "other"})

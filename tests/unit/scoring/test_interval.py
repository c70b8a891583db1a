"""The interval of a pooled rate."""

from fractions import Fraction
from itertools import product
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modellab.scoring.interval import Interval, interval
from modellab.scoring.score import Score


def cluster(name: str, errors: int, length: int) -> tuple[str, Score]:
    """Give the score of a cluster in which so many of its words were mistaken."""
    return name, Score(metric="wer", normalizer="none@1", hits=length - errors, substitutions=errors)


THREE = [cluster("ann", 1, 10), cluster("bob", 3, 12), cluster("cy", 9, 30)]


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_bounds_are_the_quantiles_of_all_draws(level: float) -> None:
    """The bounds are those that the list of every possible draw has."""
    rates = sorted(
        Fraction(sum(s.errors for _, s in drawn), sum(s.reference_length for _, s in drawn))
        for drawn in product(THREE, repeat=3)
    )
    low, high = (rates[ceil(len(rates) * share) - 1] for share in ((1 - level) / 2, (1 + level) / 2))
    found = interval(THREE, level=level)
    assert (found.low, found.high) == (pytest.approx(float(low)), pytest.approx(float(high)))


def test_an_interval_says_what_it_rests_on() -> None:
    """The number and kind of clusters and the level are part of an interval."""
    found = interval(THREE, unit="speaker", level=0.9)
    assert (found.clusters, found.unit, found.level) == (3, "speaker", 0.9)


def test_utterances_of_one_speaker_are_drawn_together() -> None:
    """Utterances under one name are one cluster, in whatever order they come."""
    parts = [cluster("ann", 1, 4), cluster("bob", 3, 12), cluster("ann", 0, 6), cluster("cy", 9, 30)]
    assert interval(parts) == interval(THREE)


def test_the_same_seed_gives_the_same_interval() -> None:
    """A seed makes the draws, and so the interval, the same each time."""
    many = [cluster(str(number), number % 7, 10 + number % 3) for number in range(40)]
    assert interval(many, seed=3) == interval(many, seed=3)
    assert interval(many, seed=3) != interval(many, seed=4)


@pytest.mark.parametrize("few", [[], THREE[:1], [cluster("ann", 1, 10), cluster("bob", 0, 0)]])
def test_one_cluster_has_no_interval(few: list[tuple[str, Score]]) -> None:
    """Below two clusters in which something was said, nothing is known of how the rate would move."""
    assert interval(few) is None


def test_clusters_with_one_rate_leave_no_doubt() -> None:
    """Where all clusters have the same rate, the interval is that rate."""
    found = interval([cluster("a", 1, 10), cluster("b", 2, 20), cluster("c", 4, 40)])
    assert found == Interval(low=0.1, high=0.1, clusters=3, level=0.95)


counts = st.integers(0, 20).flatmap(lambda errors: st.tuples(st.just(errors), st.integers(errors, 30)))


@settings(max_examples=30, deadline=None)
@given(st.lists(counts, min_size=2, max_size=12))
def test_bounds_lie_between_the_best_and_the_worst_cluster(totals: list[tuple[int, int]]) -> None:
    """No bound lies beyond the rates that single clusters have."""
    found = interval([cluster(str(number), *total) for number, total in enumerate(totals)], draws=200)
    rates = [errors / length for errors, length in totals if length]
    if found:
        assert min(rates) - 1e-9 <= found.low <= found.high <= max(rates) + 1e-9
    else:
        assert len(rates) < 2

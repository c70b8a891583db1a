"""Arrivals: when requests are due."""

import pytest
from scipy.stats import kstest

from modellab.errors import MeasurementRefused
from modellab.scenarios.arrival import poisson


def test_gaps_are_exponential():
    """Gaps have the mean of the rate, and the shape of callers who know nothing of each other."""
    due = poisson(5.0, 4000, "seed")
    gaps = [late - early for early, late in zip((0.0, *due), due, strict=False)]
    assert list(due) == sorted(due)
    assert kstest(gaps, "expon", args=(0, 1 / 5.0)).pvalue > 0.001


def test_a_seed_draws_the_same_again():
    """The same seed gives the same schedule, another gives another."""
    assert poisson(5.0, 9, "a") == poisson(5.0, 9, "a") != poisson(5.0, 9, "b")


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate):
    """Zero, less and no number are refused by name."""
    with pytest.raises(MeasurementRefused, match="rate_per_s must be above 0"):
        poisson(rate, 9, "a")


def test_nothing_to_come_is_refused():
    """A schedule has a request."""
    with pytest.raises(MeasurementRefused, match="requests must be 1 or more, not 0"):
        poisson(1.0, 0, "a")

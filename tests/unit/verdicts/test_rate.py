"""Rates and their bounds."""

import pytest
from scipy.stats import binomtest

from modellab.verdicts.rate import Rate


@pytest.mark.parametrize(("hits", "of"), [(0, 300), (1, 300), (7, 20), (20, 20), (0, 1), (5, 10_000)])
def test_bounds_agree_with_scipy(hits, of):
    """The bounds are Clopper's and Pearson's, two-sided and one-sided."""
    both = binomtest(hits, of).proportion_ci(0.95, method="exact")
    assert Rate(hits=hits, of=of).interval(0.95) == pytest.approx((both.low, both.high))
    above = binomtest(hits, of, alternative="less").proportion_ci(0.95, method="exact")
    assert Rate(hits=hits, of=of).high(0.95) == pytest.approx(above.high)


def test_none_of_three_hundred_is_less_than_one_percent():
    """No false alarm in 300 leaves less than 1 % open, and in 299 it still does, but in 298 it does not."""
    assert Rate(hits=0, of=300).high() == pytest.approx(1 - 0.05 ** (1 / 300))
    assert Rate(hits=0, of=299).high() < 0.01 < Rate(hits=0, of=298).high()


def test_none_of_none_says_nothing():
    """Of no trials there is no share, and anything may be true."""
    assert Rate(hits=0, of=0).share is None
    assert Rate(hits=0, of=0).interval() == (0, 1)

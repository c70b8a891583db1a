"""Quantiles: refused below the samples that support them, and bounded by samples."""

import numpy as np
import pytest
from scipy.stats import binom
from scipy.stats import quantile_test as scipy_quantile

from modellab.scoring.quantile import SAMPLES_FOR, is_below, most_beyond, percentile, quantile


@pytest.mark.parametrize("q", [0.9, 0.95, 0.99])
def test_support_is_the_fewest_of_which_two_lie_beyond(q):
    """64, 130 and 662 are the fewest samples of which two are beyond the quantile with 99 % confidence."""
    n = SAMPLES_FOR[q]
    assert binom.cdf(1, n, 1 - q) <= 0.01 < binom.cdf(1, n - 1, 1 - q)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99])
def test_too_few_samples_are_refused_not_guessed(q):
    """One sample fewer than it takes gives nothing, whatever the samples are."""
    samples = list(np.linspace(1, 2, SAMPLES_FOR[q]))
    assert percentile(samples[:-1], q) is quantile(samples[:-1], q) is None
    assert percentile(samples, q) == quantile(samples, q).value == pytest.approx(np.quantile(samples, q))


@pytest.mark.parametrize(("n", "q"), [(64, 0.9), (130, 0.95), (300, 0.5), (662, 0.99), (2000, 0.95)])
def test_bounds_are_those_of_scipy(n, q):
    """The interval is that of scipy's quantile test, which is of order statistics, too."""
    samples = np.random.default_rng(n).exponential(size=n)
    found, known = quantile(list(samples), q), scipy_quantile(samples, q=0, p=q).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((known.low, known.high))
    assert found.low < found.value < found.high


def test_bounds_cover_the_truth():
    """Of intervals of a known distribution, at least 95 % hold its quantile, but for chance."""
    random, truth = np.random.default_rng(1), -np.log(0.05)
    intervals = [quantile(list(random.exponential(size=200)), 0.95) for _ in range(500)]
    held = sum(each.low <= truth <= each.high for each in intervals)
    assert held >= binom.ppf(0.001, 500, 0.95)


def test_a_bound_that_no_sample_gives_is_unknown():
    """Of three samples the greatest bounds no median from above."""
    found = quantile([1.0, 2.0, 3.0], 0.5)
    assert found.value == 2.0
    assert found.low is found.high is None


@pytest.mark.parametrize(("n", "allowed"), [(63, 0), (130, 1), (89, None), (2000, 77)])
def test_how_many_may_be_beyond(n, allowed):
    """So many may be slow of which it still follows, with 99 % confidence, that fewer than a share is."""
    q = 0.9 if n == 63 else 0.95
    assert most_beyond(n, q) == allowed
    if allowed is not None:
        assert binom.cdf(allowed, n, 1 - q) <= 0.01 < binom.cdf(allowed + 1, n, 1 - q)


def test_a_bound_is_kept_or_not_or_nobody_knows():
    """One request above the bound of 130 is allowed, two are not, and 89 requests never tell."""
    assert is_below([0.1] * 129 + [9.0], 0.95, 1.0) is True
    assert is_below([0.1] * 128 + [9.0, 9.0], 0.95, 1.0) is False
    assert is_below([0.1] * 89, 0.95, 1.0) is None

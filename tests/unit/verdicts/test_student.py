"""The t of means and of ratios."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modellab.verdicts.student import mean_of, ratio_of

VALUES = st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=2, max_size=12)


@settings(deadline=None, max_examples=60)
@given(VALUES)
def test_means_agree_with_scipy(values):
    """P and bounds are those of scipy's one-sample t test."""
    found = mean_of(np.array(values))
    if found.error < 1e-9:
        return
    theirs = stats.ttest_1samp(values, 0, alternative="greater")
    assert float(found.p()) == pytest.approx(theirs.pvalue)
    both = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert found.interval(0.9) == pytest.approx((both.low, both.high))
    below = stats.ttest_1samp(values, 0, alternative="less").confidence_interval(0.95)
    assert float(found.upper(0.95)) == pytest.approx(below.high)


def test_rows_are_judged_at_once():
    """An array of rows gives what each of them gives alone."""
    rows = np.random.default_rng(0).normal(size=(5, 4, 7))
    found = mean_of(rows)
    assert found.p().shape == (5, 4)
    assert float(found.p()[3, 2]) == pytest.approx(float(mean_of(rows[3, 2]).p()))
    assert float(found.upper(0.9)[1, 1]) == pytest.approx(float(mean_of(rows[1, 1]).upper(0.9)))


@pytest.mark.parametrize(("value", "p"), [(0.5, 0.0), (0.0, 1.0), (-0.5, 1.0)])
def test_values_that_do_not_scatter_leave_no_doubt(value, p):
    """Values that are all the same are above zero for sure or not at all."""
    found = mean_of(np.full(6, value))
    assert float(found.p()) == p
    assert found.interval(0.95) == (value, value)


def test_a_ratio_by_hand():
    """Three clusters: ratio 3/30, residuals 1, -1 and 0, error sqrt(3/2 * 2) / 30."""
    found = ratio_of(np.array([2.0, 0.0, 1.0]), np.array([10.0, 10.0, 10.0]))
    assert float(found.mean) == pytest.approx(0.1)
    assert float(found.error) == pytest.approx(np.sqrt(3.0) / 30)
    assert found.freedom == 2


def test_a_ratio_of_equal_clusters_is_a_mean():
    """Where all clusters have as many words, ratio and mean have the same t."""
    values = np.array([0.1, 0.4, -0.2, 0.3])
    ratio, mean = ratio_of(values * 25, np.full(4, 25.0)), mean_of(values)
    assert float(ratio.p()) == pytest.approx(float(mean.p()))
    assert ratio.interval(0.95) == pytest.approx(mean.interval(0.95))


def test_a_ratio_agrees_with_statsmodels():
    """The error of the ratio is that of a weighted regression on nothing with clusters for residuals (HC1)."""
    import statsmodels.api as sm

    random = np.random.default_rng(3)
    lengths = random.integers(20, 400, 15).astype(float)
    differences = np.round(lengths * random.normal(0.01, 0.02, 15))
    theirs = sm.WLS(differences / lengths, np.ones(15), weights=lengths).fit(cov_type="HC1")
    found = ratio_of(differences, lengths)
    assert float(found.mean) == pytest.approx(theirs.params[0])
    assert float(found.error) == pytest.approx(theirs.bse[0])

"""What can be seen, and what it takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import TTestPower

from modellab.verdicts.power import detectable, planned
from modellab.verdicts.student import mean_of


@pytest.mark.parametrize("count", [6, 10, 24, 40])
@pytest.mark.parametrize("alpha", [0.0005, 0.01])
def test_it_agrees_with_statsmodels(count, alpha):
    """The smallest detectable difference is that of statsmodels' power of a one-sided t test."""
    theirs = TTestPower().solve_power(nobs=count, alpha=alpha, power=0.9, alternative="larger")
    assert detectable(0.03, count, alpha=alpha, power=0.9) == pytest.approx(0.03 * theirs, rel=1e-4)


def test_it_is_detected_so_often():
    """A difference of that size is significant and above the floor in as many draws as the power says."""
    size = detectable(1.0, 8, alpha=0.01, power=0.9, floor=0.5)
    found = mean_of(np.random.default_rng(0).normal(size, 1, (4000, 8)))
    assert np.mean((found.p() < 0.01) & (found.mean > 0.5)) == pytest.approx(0.9, abs=0.02)


def test_a_floor_is_part_of_what_can_be_seen():
    """With very little noise the floor is what has to be passed."""
    assert detectable(1e-9, 10, alpha=0.01, power=0.9, floor=0.02) == pytest.approx(0.02)


@pytest.mark.parametrize(("sd", "blocks"), [(0.01, 6), (0.025, 7), (0.034, 11), (0.054, 24)])
def test_a_plan_is_near_the_rule_of_thumb(sd, blocks):
    """At alpha 0.005, power 0.95 and 5 % a plan is that of the normal distribution and two, or two more at most."""
    assert 0 <= planned(sd, np.log1p(0.05), alpha=0.005, power=0.95, least=6) - blocks <= 2


@settings(deadline=None, max_examples=40)
@given(st.floats(0.005, 0.1), st.floats(0.025, 0.1), st.sampled_from([0.0005, 0.002, 0.05]), st.sampled_from([0, 0.02]))
def test_a_plan_suffices(sd, difference, alpha, floor):
    """As many as were planned see the difference; a tenth fewer, where that is more than a rule of thumb, do not."""
    rules = {"alpha": alpha, "power": 0.9, "floor": floor}
    count = planned(sd, difference, least=6, **rules)
    assert detectable(sd, count, **rules) <= difference
    if count > 30:
        assert detectable(sd, count * 9 // 10, **rules) > difference


def test_no_scatter_takes_the_least():
    """Where values do not scatter the least will do."""
    assert planned(0.0, 0.05, alpha=0.01, power=0.9, least=6) == 6

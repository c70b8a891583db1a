"""The sign-flip test."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from modellab.verdicts.sign_flip import sign_flip

INTEGERS = st.lists(st.integers(-4, 4), min_size=1, max_size=9)


@settings(deadline=None, max_examples=80)
@given(INTEGERS)
def test_all_signs_are_counted(values):
    """The p is the share of all signs whose sum is as great, ties included."""
    sums = [sum(sign * value for sign, value in zip(signs, values, strict=True))
            for signs in product((-1, 1), repeat=len(values))]  # fmt: skip
    assert sign_flip(np.array(values)) == pytest.approx(np.mean([total >= sum(values) for total in sums]))


def test_it_agrees_with_scipy():
    """The p is that of scipy's permutation test of paired samples, all of them."""
    values = np.random.default_rng(0).normal(0.2, 1, 11)
    theirs = permutation_test(
        (values,), np.sum, permutation_type="samples", alternative="greater", n_resamples=np.inf, vectorized=True
    )
    assert sign_flip(values) == pytest.approx(theirs.pvalue)


@settings(deadline=None, max_examples=40)
@given(INTEGERS, st.floats(1e-6, 1e6))
def test_scale_changes_nothing(values, scale):
    """A unit of measure has no say: neither does rounding break a tie."""
    assert sign_flip(np.array(values) * scale) == pytest.approx(sign_flip(np.array(values)))


@settings(deadline=None, max_examples=40)
@given(INTEGERS)
def test_nothing_changed_says_nothing(values):
    """Clusters in which nothing changed leave the p as it is."""
    assert sign_flip(np.array([*values, 0, 0, 0])) == sign_flip(np.array(values))


def test_the_smallest_p_is_that_of_one_sign():
    """Where all values point one way, only their own signs do as well; the other way all signs do."""
    assert sign_flip(np.ones(24)) == 2.0**-24
    assert sign_flip(-np.ones(24)) == 1
    assert sign_flip(np.zeros(5)) == 1


def test_many_values_are_drawn():
    """Beyond what can be counted, draws come near the normal p, are repeatable, and never give 0."""
    values = np.random.default_rng(1).normal(0.25, 1, 60)
    p = sign_flip(values, seed=4)
    z = values.sum() / np.sqrt((values**2).sum())
    from scipy.stats import norm

    assert p == pytest.approx(norm.sf(z), abs=0.01)
    assert sign_flip(values, seed=4) == p
    assert sign_flip(np.ones(60), draws=999) == pytest.approx(1 / 1000)


def test_counting_and_drawing_agree():
    """Thirty values are counted and as many with a mite more are drawn: both say the same."""
    values = np.random.default_rng(2).normal(0.3, 1, 30)
    assert sign_flip(np.append(values, 1e-9)) == pytest.approx(sign_flip(values), abs=0.01)

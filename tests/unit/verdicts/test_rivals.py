"""What other tools would have said."""

import numpy as np
import pytest

from modellab.verdicts.rivals import asv, pytest_benchmark, stored_baseline

RANDOM = np.random.default_rng(0)
CALLS = np.exp(RANDOM.normal(0, 0.03, (8, 20)))


def test_pytest_benchmark_compares_means():
    """The mean of all calls has to be more than five percent greater; exactly five is not."""
    stored = np.full((2, 3), 2.0)
    assert not pytest_benchmark(stored, stored * 1.04)
    assert pytest_benchmark(stored, stored * 1.06)
    assert not pytest_benchmark(np.full((1, 4), 100.0), np.full((1, 4), 105.0))
    assert pytest_benchmark(stored, np.array([[2.0, 2.0, 2.9]]))


def test_a_stored_baseline_meets_later_blocks():
    """Each block of the base is held against each later block of the candidate: of three there are three pairs."""
    base, candidate = np.array([[1.0], [1.2], [1.0]]), np.array([[1.0], [1.2], [1.1]])
    found = stored_baseline(base, candidate)
    assert (found.hits, found.of) == (2, 3)
    assert stored_baseline(base[:1], candidate[:1]).share is None


def test_drift_between_blocks_fools_a_stored_baseline():
    """Identical code that drifts by a few percent between blocks raises false alarms by the dozen."""
    drift = np.exp(np.random.default_rng(1).normal(0, 0.06, (16, 1)))
    assert stored_baseline(CALLS.mean() * drift, CALLS.mean() * drift).share > 0.1


@pytest.mark.parametrize(
    ("slower", "factor", "worse"), [(1.0, 1.03, False), (1.05, 1.1, False), (1.05, 1.03, True), (1.15, 1.1, True)]
)
def test_asv_wants_a_factor_and_a_difference(slower, factor, worse):
    """A difference of all calls counts only where medians differ by the factor."""
    assert asv(CALLS, slower * CALLS[::-1], factor=factor) is worse


def test_asv_wants_calls_that_differ():
    """Medians that differ by the factor do not count where the calls do not."""
    before, after = np.array([[1.0, 1.0, 1.0, 5.0, 5.0, 5.0, 1.1]]), np.array([[1.0, 1.0, 1.0, 5.0, 5.0, 5.0, 1.4]])
    assert not asv(before, after)


def test_asv_wants_enough_calls():
    """Two calls on either side cannot differ at 0.002, however far apart."""
    assert not asv(np.array([[1.0, 1.1]]), np.array([[5.0, 5.1]]))
    assert asv(np.arange(1, 9).reshape(2, 4) / 100 + 1, np.arange(1, 9).reshape(2, 4) / 100 + 5)
    assert asv(CALLS.repeat(30, axis=0), 2 * CALLS.repeat(30, axis=0))

"""Rivals: what the rules of other tools would have said of the same seconds.

Seconds are of shape (blocks, calls): the same calls in each block, blocks in the order in which they were measured.
"""

from math import comb

import numpy as np
from scipy.stats import mannwhitneyu

from modellab.verdicts.rate import Rate


def pytest_benchmark(stored: np.ndarray, current: np.ndarray, *, percent: float = 5.0) -> bool:
    """Give whether `--benchmark-compare-fail=mean:5%` would fail: the mean of all calls is so much greater.

    Source: pytest-benchmark 5.3.1, `PercentageRegressionCheck`.
    """
    return bool(current.mean() / stored.mean() * 100 - 100 > percent)


def stored_baseline(base: np.ndarray, candidate: np.ndarray, *, percent: float = 5.0) -> Rate:
    """Give how often it fails when a block of the base is stored and a later block of the candidate meets it."""
    pairs = [(i, j) for i in range(len(base)) for j in range(i + 1, len(candidate))]
    return Rate(hits=sum(pytest_benchmark(base[i], candidate[j], percent=percent) for i, j in pairs), of=len(pairs))


def asv(base: np.ndarray, candidate: np.ndarray, *, factor: float = 1.1, threshold: float = 0.002) -> bool:
    """Give whether `asv continuous` would call the candidate worse: all calls differ, and medians by the factor.

    Calls are pooled, whichever process they are of. Too few of them for the test to be able to say so are no
    difference; asv then compares intervals, which is stricter.

    Source: asv, `statistics.is_different` and `compare._is_result_better`.
    """
    before, after = base.ravel(), candidate.ravel()
    if comb(len(before) + len(after), len(before)) <= 1 / threshold:
        return False
    differs = float(mannwhitneyu(before, after).pvalue) < threshold
    return differs and bool(np.median(before) < np.median(after) / factor)

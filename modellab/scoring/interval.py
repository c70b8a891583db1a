"""Interval: how far a pooled rate would move if other speakers had been recorded."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from modellab.scoring.bootstrap import DRAWS, LEVEL, bounds, resample
from modellab.scoring.score import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a rate lies at a level of confidence, as fractions; how many clusters were drawn from, and of what."""

    low: float
    high: float
    clusters: int
    level: float
    unit: str = "utterance"


def interval(
    scores: Iterable[tuple[str, Score]],
    *,
    unit: str = "utterance",
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval | None:
    """Give the bootstrap interval of the pooled rate of scores, each with its cluster; None with fewer than two.

    Words of one speaker stand or fall together, so whole clusters are drawn, with replacement; percentiles of the
    rates of the draws bound the interval. A draw in which nothing was said has no rate and is left out. With few
    clusters the interval is too narrow, which is why their number is part of it.

    Source: Bisani and Ney 2004.
    """
    totals = _totals(scores)
    if sum(length > 0 for _, length in totals.values()) < 2:  # noqa: PLR2004
        return None
    sums = resample(np.array(list(totals.values()), dtype=np.float64), draws, np.random.default_rng(seed))
    spoken = sums[sums[:, 1] > 0]
    low, high = bounds(spoken[:, 0] / spoken[:, 1], level)
    return Interval(low=low, high=high, clusters=len(totals), level=level, unit=unit)


def _totals(scores: Iterable[tuple[str, Score]]) -> Mapping[str, tuple[int, int]]:
    """Give errors and reference units of each cluster."""
    totals: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for cluster, score in scores:
        errors, length = totals[cluster]
        totals[cluster] = (errors + score.errors, length + score.reference_length)
    return totals

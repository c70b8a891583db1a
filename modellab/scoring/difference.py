"""Difference: how far two pooled error rates on the same utterances are apart, and how sure that is."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from modellab.scoring.bootstrap import DRAWS, LEVEL, bounds, resample
from modellab.scoring.score import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One utterance scored twice, and the cluster that it belongs to: its speaker, where known."""

    cluster: str
    before: Score
    after: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The rate after less the rate before, as a fraction: positive is worse.

    `low` and `high` bound it at the level of confidence; None with fewer than two clusters.
    """

    before: float
    after: float
    low: float | None
    high: float | None
    clusters: int
    unit: str
    level: float = LEVEL

    @property
    def change(self) -> float:
        """The rate after less the rate before."""
        return self.after - self.before

    @property
    def settled(self) -> bool:
        """Whether the interval leaves out no change at all."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def difference(
    pairs: Iterable[Pair], *, unit: str = "utterance", draws: int = DRAWS, seed: int = 0
) -> Difference | None:
    """Give the paired difference of two pooled rates with its bootstrap interval; None where nothing is said.

    Whole clusters are drawn with replacement, both scores of an utterance together, so that what makes a speaker hard
    for both cancels out.

    Source: Bisani and Ney 2004; drawing whole speakers: Liu and Peng, arXiv 1912.09508.
    """
    totals = _totals(pairs)
    before, after, length = totals.sum(axis=0)
    if length == 0:
        return None
    low = high = None
    if len(totals) > 1:
        sums = resample(totals, draws, np.random.default_rng(seed))
        low, high = bounds((sums[:, 1] - sums[:, 0]) / sums[:, 2])
    return Difference(
        before=float(before / length),
        after=float(after / length),
        low=low,
        high=high,
        clusters=len(totals),
        unit=unit,
    )


def _totals(pairs: Iterable[Pair]) -> np.ndarray:
    """Give errors before, errors after and reference units of each cluster, of shape (clusters, 3)."""
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for pair in pairs:
        if pair.before.reference_length:
            own = totals[pair.cluster]
            own[0] += pair.before.errors
            own[1] += pair.after.errors
            own[2] += pair.before.reference_length
    return np.array(list(totals.values()), dtype=np.float64).reshape(-1, 3)

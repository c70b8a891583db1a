"""Quantile: how slow the slowest are, refused where too few samples support it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

LEVEL = 0.95
CONFIDENCE = 0.99

# The fewest samples of which two lie beyond the quantile with 99 % confidence: n q^(n-1) (1-q) + q^n <= 0.01.
# Below, the figure would be the luck of one or two calls. The median is taken from three on.
SAMPLES_FOR: Mapping[float, int] = MappingProxyType({0.5: 3, 0.9: 64, 0.95: 130, 0.99: 662})


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """A quantile of so many samples, in their unit, and where that of all that could have come lies.

    `high` or `low` is None where not even the greatest, or the least, of so few samples bounds it.
    """

    value: float
    low: float | None
    high: float | None
    samples: int
    level: float = LEVEL


def quantile(samples: Sequence[float], q: float) -> Quantile | None:
    """Give a quantile with its binomial interval, or None where there are too few samples to support it.

    How many of n samples are below the true quantile is binomial, whatever the samples' distribution: the interval is
    between two of them. They are taken for independent; rounds of few utterances are less than that.

    Source: MLPerf LoadGen's early stopping for how many it takes; Conover 1999, section 3.2, for the interval.
    """
    from scipy.stats import binom

    value = percentile(samples, q)
    if value is None:
        return None
    ordered, n, beyond = np.sort(np.asarray(samples, dtype=np.float64)), len(samples), (1 - LEVEL) / 2
    low, high = int(binom.ppf(beyond, n, q)), int(binom.ppf(1 - beyond, n, q)) + 1
    return Quantile(
        value=value,
        low=float(ordered[low - 1]) if low >= 1 else None,
        high=float(ordered[high - 1]) if high <= n else None,
        samples=n,
    )


def percentile(samples: Sequence[float], q: float) -> float | None:
    """Give a quantile, or None where there are too few samples to support it at 99 % confidence."""
    if len(samples) < SAMPLES_FOR[q]:
        return None
    return float(np.quantile(samples, q))


def most_beyond(samples: int, q: float) -> int | None:
    """Give how many of so many samples may be above a bound, for their quantile to be below it with 99 % confidence.

    None where so few samples never show it.
    """
    from scipy.stats import binom

    allowed = -1
    while binom.cdf(allowed + 1, samples, 1 - q) <= 1 - CONFIDENCE:
        allowed += 1
    return allowed if allowed >= 0 else None


def is_below(samples: Sequence[float], q: float, bound: float) -> bool | None:
    """Say whether a quantile is below a bound with 99 % confidence; None where so few samples cannot tell."""
    allowed = most_beyond(len(samples), q)
    return None if allowed is None else sum(sample > bound for sample in samples) <= allowed

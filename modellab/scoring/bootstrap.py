"""Bootstrap: what sums might have been if other clusters had been drawn."""

import numpy as np

DRAWS = 10_000
LEVEL = 0.95
_CELLS_AT_ONCE = 4_000_000


def resample(totals: np.ndarray, draws: int, random: np.random.Generator) -> np.ndarray:
    """Give the sums, of shape (draws, columns), over as many clusters as there are, drawn with replacement.

    `totals` holds one row a cluster. Clusters with the same totals are interchangeable, so they are drawn together.

    Source: Efron and Tibshirani 1993, chapter 13.
    """
    kinds, sizes = np.unique(totals, axis=0, return_counts=True)
    share, at_once = sizes / len(totals), max(1, _CELLS_AT_ONCE // len(kinds))
    parts = [
        random.multinomial(len(totals), share, size=min(at_once, draws - start)) @ kinds
        for start in range(0, draws, at_once)
    ]
    return np.concatenate(parts)


def bounds(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Give the percentiles that hold a share `level` of the values between them."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

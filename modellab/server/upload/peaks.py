"""Peaks: the shape of a sound, small enough to draw."""

import numpy as np

from modellab.speech.audio import Samples

DIGITS = 3


def peaks(samples: Samples, count: int) -> list[tuple[float, float]]:
    """Give the least and the greatest of each of `count` equal stretches of (samples,), within [-1, 1].

    There are as many as samples where those are fewer; none of no samples.
    """
    count = min(count, samples.size)
    if count == 0:
        return []
    starts = np.arange(count, dtype=np.int64) * samples.size // count
    ends = np.stack([np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)], axis=1)
    rounded = np.clip(ends.astype(np.float64), -1.0, 1.0).round(DIGITS)
    return [(low, high) for low, high in rounded.tolist()]

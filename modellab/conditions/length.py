"""Length: so many samples as there have to be."""

import numpy as np

from modellab.conditions.level import Signal


def fitted(samples: Signal, count: int) -> Signal:
    """Give the first `count` samples, followed by silence where there are fewer."""
    return np.pad(samples[:count], (0, max(0, count - samples.size)))

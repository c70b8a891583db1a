"""Growth: whether a process holds more and more memory, told from its resident size after each of many equal turns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

LEVEL = 0.99
SMALLEST_BYTES = 100_000.0
FEWEST_TURNS = 15
WARM_UP = 1 / 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """By how much more is held with each turn.

    Attributes:
        bytes_per_turn: the slope.
        low_bytes: its lower bound.
        high_bytes: its upper bound.
        late_low_bytes: the lower bound over the later half of the turns.
        turns: how many it was drawn through.
        level: of confidence, that both bounds hold together.
    """

    bytes_per_turn: float
    low_bytes: float
    high_bytes: float
    late_low_bytes: float
    turns: int
    level: float

    @classmethod
    def of(cls, resident_bytes: Sequence[int], level: float = LEVEL) -> Self | None:
        """Draw a line through sizes, of shape (turns,); None through fewer than 15.

        The first fifth is left out: allocators and caches fill. The slope is the median of those between any two
        turns, so that no single turn bends it, and a single step, however high, is no slope.

        Source: Theil 1950, and Sen 1968 for the bounds.
        """
        from scipy.stats import theilslopes

        if len(resident_bytes) < FEWEST_TURNS:
            return None
        kept = np.asarray(resident_bytes, np.float64)[int(len(resident_bytes) * WARM_UP) :]
        middle, _, low, high = theilslopes(kept, alpha=level)
        _, _, late_low, _ = theilslopes(kept[len(kept) // 2 :], alpha=level)
        return cls(
            bytes_per_turn=float(middle),
            low_bytes=float(low),
            high_bytes=float(high),
            late_low_bytes=float(late_low),
            turns=len(kept),
            level=level,
        )

    @property
    def kept_bytes(self) -> float:
        """What is kept for good with each turn, with confidence.

        It is kept over all turns and over the later half alone: what fills up grows at first, and then no more.
        """
        return min(self.low_bytes, self.late_low_bytes)

    def leaks(self, smallest_bytes: float = SMALLEST_BYTES) -> bool:
        """Say whether more than `smallest_bytes` a turn are kept for good."""
        return self.kept_bytes > smallest_bytes


def leaks(resident_bytes: Sequence[int], smallest_bytes: float = SMALLEST_BYTES, level: float = LEVEL) -> bool | None:
    """Say whether sizes after each turn grow by more than `smallest_bytes` a turn; None of too few turns to say."""
    slope = Slope.of(resident_bytes, level)
    return slope.leaks(smallest_bytes) if slope else None

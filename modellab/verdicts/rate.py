"""Rate: how often something happened, and how often it might."""

from dataclasses import dataclass

from scipy.special import betaincinv


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many hits of so many."""

    hits: int
    of: int

    @property
    def share(self) -> float | None:
        """Hits of all, a fraction; None of none."""
        return self.hits / self.of if self.of else None

    def low(self, level: float = 0.95) -> float:
        """Give what the true share is above, with one-sided confidence `level`."""
        return float(betaincinv(self.hits, self.of - self.hits + 1, 1 - level)) if self.hits else 0.0

    def high(self, level: float = 0.95) -> float:
        """Give what the true share is below, with one-sided confidence `level`: none of 300 leaves 1 % open.

        Source: Clopper and Pearson 1934.
        """
        return float(betaincinv(self.hits + 1, self.of - self.hits, level)) if self.hits < self.of else 1.0

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Give the two-sided bounds of the true share."""
        each = (1 + level) / 2
        return self.low(each), self.high(each)

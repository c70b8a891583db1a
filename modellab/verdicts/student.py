"""Student: a mean of few values and how sure it is. Arrays of means are judged all at once."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """Estimates with their standard errors, of the same shape, and the degrees of freedom that all of them share."""

    mean: np.ndarray
    error: np.ndarray
    freedom: int

    def p(self) -> np.ndarray:
        """Give how likely estimates so great or greater would be if nothing were above 0.

        Values that do not scatter leave no doubt: 0 above zero, else 1.
        """
        certain = np.where(self.mean > 0, np.inf, -np.inf)
        t = np.divide(self.mean, self.error, out=certain, where=self.error > 0)
        return np.asarray(stdtr(self.freedom, -t))

    def upper(self, level: float) -> np.ndarray:
        """Give the bounds that the truth is below, with one-sided confidence `level`."""
        return np.asarray(self.mean + stdtrit(self.freedom, level) * self.error)

    def interval(self, level: float) -> tuple[float, float]:
        """Give the two-sided bounds of a single estimate."""
        reach = float(stdtrit(self.freedom, (1 + level) / 2) * self.error)
        return float(self.mean) - reach, float(self.mean) + reach


def mean_of(values: np.ndarray, *, least_sd: float = 0.0) -> Student:
    """Give the mean along the last axis, of two values or more, which scatter by `least_sd` if they seem to by less.

    Source: Student 1908, as `scipy.stats.ttest_1samp` has it.
    """
    count = values.shape[-1]
    return Student(
        mean=np.asarray(values.mean(axis=-1)),
        error=np.asarray(np.maximum(values.std(axis=-1, ddof=1), least_sd) / np.sqrt(count)),
        freedom=count - 1,
    )


def ratio_of(differences: np.ndarray, lengths: np.ndarray) -> Student:
    """Give the sum of differences over the sum of lengths, one of each a cluster, two clusters or more.

    The error is that of the residuals of the clusters once the ratio is taken for a straight line.

    Source: Cochran 1977, "Sampling Techniques", section 6.4.
    """
    count, total = len(lengths), lengths.sum()
    ratio = differences.sum() / total
    residuals = differences - ratio * lengths
    error = np.sqrt(count / (count - 1) * (residuals**2).sum()) / total
    return Student(mean=np.asarray(ratio), error=np.asarray(error), freedom=count - 1)

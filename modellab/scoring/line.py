"""Line: a fixed cost and a marginal one, fitted to how long utterances of different lengths took."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`seconds = fixed_s + rtf * audio seconds`, with the bounds of both, and how far calls are from it.

    Attributes:
        fixed_s: what a call costs whatever its length.
        rtf: what a further second of audio costs, in seconds.
        fixed_bounds_s: between which `fixed_s` lies at the level of confidence.
        rtf_bounds: between which `rtf` lies.
        residual_s: the standard deviation of calls around the line.
        samples: how many calls.
    """

    fixed_s: float
    rtf: float
    fixed_bounds_s: tuple[float, float]
    rtf_bounds: tuple[float, float]
    residual_s: float
    samples: int
    level: float = LEVEL


def fit(durations_s: Sequence[float], seconds: Sequence[float]) -> Line | None:
    """Give the line by least squares; None with fewer than three calls, or where all audio is of one length."""
    from scipy.stats import linregress, t

    n = len(durations_s)
    if n < 3 or np.ptp(durations_s) == 0:  # noqa: PLR2004 - two points are on a line, whatever they say
        return None
    found = linregress(durations_s, seconds)
    reach = float(t.ppf((1 + LEVEL) / 2, n - 2))
    residuals = np.asarray(seconds) - (found.intercept + found.slope * np.asarray(durations_s))
    fixed, slope = float(found.intercept), float(found.slope)
    fixed_reach, slope_reach = reach * float(found.intercept_stderr), reach * float(found.stderr)
    return Line(
        fixed_s=fixed,
        rtf=slope,
        fixed_bounds_s=(fixed - fixed_reach, fixed + fixed_reach),
        rtf_bounds=(slope - slope_reach, slope + slope_reach),
        residual_s=float(np.sqrt(np.sum(residuals**2) / (n - 2))),
        samples=n,
    )

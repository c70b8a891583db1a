"""Arrival: when requests are due, in seconds from the start of a scenario."""

from math import isfinite
from random import Random

from modellab.errors import MeasurementRefused


def poisson(rate_per_s: float, count: int, seed: str) -> tuple[float, ...]:
    """Give when requests come that know nothing of each other: gaps are exponential, drawn by seed.

    Raises:
        MeasurementRefused: when the rate is no number above zero, or nothing is to come.
    """
    if not (isfinite(rate_per_s) and rate_per_s > 0):
        raise MeasurementRefused(f"rate_per_s must be above 0, not {rate_per_s}: how many requests a second?")
    if count < 1:
        raise MeasurementRefused(f"requests must be 1 or more, not {count}")
    random, due, times = Random(f"{seed}/arrivals"), 0.0, []  # noqa: S311
    for _ in range(count):
        due += random.expovariate(rate_per_s)
        times.append(due)
    return tuple(times)

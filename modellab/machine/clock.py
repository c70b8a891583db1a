"""Clock: the only door to the time that work takes, and to that of the day."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import TypeAlias, TypeVar

Clock: TypeAlias = Callable[[], float]
Result = TypeVar("Result")

MONOTONIC: Clock = perf_counter


def now_utc() -> datetime:
    """Give the time of day, in UTC."""
    return datetime.now(UTC)


def timed(work: Callable[[], Result], clock: Clock = MONOTONIC) -> tuple[Result, float]:
    """Do the work and give its result and the seconds it took."""
    start = clock()
    result = work()
    return result, clock() - start

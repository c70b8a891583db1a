"""Aside: a few threads beside those of the routes, so that who waits for a model keeps nobody from being let in."""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

THREADS = 8

Result = TypeVar("Result")

_threads = CapacityLimiter(THREADS)


async def aside(work: Callable[[], Result]) -> Result:
    """Do in a thread what waits for a disk or a database, but never for a model, and give its result."""
    return await to_thread.run_sync(work, limiter=_threads)

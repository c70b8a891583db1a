"""Events: what becomes of a job, told to whoever listens, as it happens."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from threading import Event

import anyio

from modellab.errors import DatabaseUnavailable
from modellab.server.aside import aside
from modellab.server.jobs.job import JobEvent
from modellab.server.jobs.queue import JobQueue

POLL_S = 0.5


async def follow(
    queue: JobQueue,
    id: str,  # noqa: A002
    after: int,
    stopping: Event,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> AsyncIterator[JobEvent]:
    """Give the events of a job beyond a number, until the last, or until the server stops.

    No thread waits for them: the table is asked now and then. While the database cannot be reached nothing is lost.
    """
    while not stopping.is_set():
        try:
            events, whole = await aside(partial(queue.events, id, after))
        except DatabaseUnavailable:
            await sleep(POLL_S)
            continue
        for event in events:
            yield event
            after = event.number
        if whole:
            return
        await sleep(POLL_S)

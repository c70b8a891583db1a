"""Attendance: a client that waits for a transcript, or reads it as it is written, and may hang up at any moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, ExitStack, suppress

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from modellab.errors import ModelLabError
from modellab.server.hearing.formats import DoneEvent, delta, usage
from modellab.server.hearing.hearing import Hearing
from modellab.server.hearing.listeners import Tell
from modellab.server.http.problem import problem_of
from modellab.speech.transcript import Segment, Transcript


async def heard(request: Request, hearing: Hearing, threads: CapacityLimiter, tell: Tell | None = None) -> Transcript:
    """Give what was heard; once the client hangs up, the work is given up. It is waited for in one of `threads`.

    Raises:
        WorkForgone: when the client hung up.
        ModelLabError: what `Hearing.listen` raises.
    """
    watch = asyncio.create_task(_forgo_when_gone(request, hearing))
    try:
        return await to_thread.run_sync(hearing.listen, tell, limiter=threads)
    finally:
        watch.cancel()


async def _forgo_when_gone(request: Request, hearing: Hearing) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    await to_thread.run_sync(hearing.forgo)


class Narration:
    """A transcript as events: each segment as it is written, then the whole. It begins when it is made.

    `place` is entered at once, and left by `end`.
    """

    def __init__(self, request: Request, place: AbstractContextManager[Hearing], threads: CapacityLimiter) -> None:
        self._stack = ExitStack()
        self._hearing = self._stack.enter_context(place)
        self._told: asyncio.Queue[Segment | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        self._work = asyncio.create_task(heard(request, self._hearing, threads, lambda s: _call(loop, self._told, s)))
        self._work.add_done_callback(lambda _: self._told.put_nowait(None))

    async def first(self) -> Segment | None:
        """Wait for the first segment; None where there is none.

        Raises:
            ModelLabError: when it came to nothing before.
        """
        try:
            segment = await self._told.get()
            if segment is None:
                await self._work
        except BaseException:
            await self.end()
            raise
        return segment

    async def events(self, segment: Segment | None) -> AsyncIterator[bytes]:
        """Give the events from the first segment on; what goes wrong on the way is the last of them."""
        first = True
        try:
            while segment is not None:
                yield _event(delta(segment, first=first))
                first, segment = False, await self._told.get()
            transcript = await self._work
            yield _event(DoneEvent(text=transcript.text, usage=usage(self._hearing.order.audio.duration_s)))
        except ModelLabError as error:
            body = problem_of(error).answer("/v1/").body
            yield format_sse_event(event="error", data_str=bytes(body).decode())

    async def end(self) -> None:
        """Give up what is not done, wait until it is, and leave the place."""
        with self._stack:
            self._hearing.forgo()
            with suppress(ModelLabError):
                await self._work


class EventStream(StreamingResponse):
    """The answer that sends a narration, and ends it however it ends: a client may be gone before it begins."""

    def __init__(self, narration: Narration, first: Segment | None) -> None:
        super().__init__(narration.events(first), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._narration = narration

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.shield(self._narration.end())


def _call(loop: asyncio.AbstractEventLoop, told: "asyncio.Queue[Segment | None]", segment: Segment) -> None:
    loop.call_soon_threadsafe(told.put_nowait, segment)


def _event(body: BaseModel) -> bytes:
    return format_sse_event(data_str=body.model_dump_json())

"""Attendance: a narration leaves its place however it ends."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from anyio import CapacityLimiter

from modellab.server.hearing.attendance import Narration


class Broken:
    """A hearing, and its request, that breaks in a way that nobody foresaw."""

    left = False

    def listen(self, tell: Any) -> None:
        """Break."""
        raise RuntimeError("unforeseen")

    def forgo(self) -> None:
        """Do nothing."""

    async def receive(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()

    @contextmanager
    def place(self) -> Iterator[Any]:
        """Give its place, and see that it is left."""
        try:
            yield self
        finally:
            self.left = True


def test_a_place_is_left_when_the_work_breaks() -> None:
    """What nobody foresaw is raised, and another may have the place."""
    broken = Broken()

    async def narrate() -> None:
        await Narration(cast("Any", broken), broken.place(), CapacityLimiter(1)).first()

    with pytest.raises(RuntimeError, match="unforeseen"):
        asyncio.run(narrate())
    assert broken.left

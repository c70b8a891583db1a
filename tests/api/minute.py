"""Minute: the time by which requests are counted, so that none begins in the middle of a test."""

from types import SimpleNamespace

import limits.aio.storage.memory
import limits.aio.strategies
import pytest


class Minute:
    """One that has just begun; its time stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def time(self) -> float:
        """Give it, in seconds since 1970."""
        return self.now_s

    @classmethod
    def counted_by(cls, patch: pytest.MonkeyPatch) -> "Minute":
        """Give the time of the library that counts, as long as it is patched."""
        minute = cls()
        for module in (limits.aio.storage.memory, limits.aio.strategies):
            patch.setattr(module, "time", SimpleNamespace(time=minute.time))
        return minute

"""Rates: how often each client asked within the last minute, and whether it may ask again."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import floor
from typing import Self

from limits import RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import ConfigurationError
from limits.storage import storage_from_string

from modellab.errors import CannotServe
from modellab.machine.clock import MONOTONIC, Clock
from modellab.server.settings import RateSettings

STORAGE_S = 0.25
REST_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a client stands once it has asked.

    Attributes:
        allowed: whether it may.
        limit: how often it may ask within a minute.
        remaining: how often it still may.
        reset_s: after how many seconds it may ask once more than that.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: int


class Rates:
    """Counts requests in a window that slides.

    Args:
        storage: where counts are kept.
        per_minute: how often each client may ask within a minute.
        now: gives the time by which the storage counts, in seconds since 1970.
        clock: for the rest that a storage is given which does not answer.
    """

    def __init__(
        self, storage: Storage, per_minute: int, now: Callable[[], float] = time.time, clock: Clock = MONOTONIC
    ) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._item = RateLimitItemPerMinute(per_minute)
        self._now, self._clock = now, clock
        self._rests_until_s: float | None = None

    @classmethod
    def of(cls, settings: RateSettings) -> Self:
        """Give the rates of a server.

        Raises:
            CannotServe: when there is no such storage, or the package that speaks to it is not installed.
        """
        url = settings.storage_url.get_secret_value()
        try:
            storage = storage_from_string(url, implementation="redispy")  # of a Redis; others know of none
            if isinstance(storage, Storage):
                return cls(storage, settings.per_minute)
            reason = "it begins with async+, as async+redis://HOST:6379"
        except (ConfigurationError, NotImplementedError) as error:
            reason = str(error).replace(url, url.partition("://")[0])  # it may hold a password
        raise CannotServe(f"the storage of rates (rate.storage_url) cannot be used: {reason}")

    async def ask(self, client: str) -> Standing | None:
        """Count a request and say how its client stands; None where counts cannot be kept within STORAGE_S.

        A storage that failed is not asked again for REST_S: it shall not slow every request.
        """
        if self._rests_until_s is not None and self._clock() < self._rests_until_s:
            return None
        try:
            async with asyncio.timeout(STORAGE_S):
                allowed = await self._limiter.hit(self._item, client)
                window = await self._limiter.get_window_stats(self._item, client)
        except Exception:  # noqa: BLE001 - whatever is the matter with the counts, requests go on
            self._rests_until_s = self._clock() + REST_S
            return None
        left_s = max(0.0, window.reset_time - self._now()) or self._item.get_expiry()  # 0 where a minute just began
        return Standing(
            allowed=allowed,
            limit=self._item.amount,
            remaining=window.remaining,
            reset_s=floor(left_s) + 1,
        )

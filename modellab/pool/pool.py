"""Pool: loaded models that many use, as many as there is room for, the least recently used given up first."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Generic, Self, TypeAlias

from modellab.errors import ModelTooLarge, PoolBusy, PoolClosed, WorkForgone
from modellab.machine.clock import MONOTONIC, Clock
from modellab.pool.capacity import Capacity
from modellab.pool.holding import Holding
from modellab.pool.recipe import HostedT, Recipe
from modellab.pool.setback import Setback
from modellab.pool.size import Size
from modellab.pool.size_book import SizeBook
from modellab.pool.slot import Slot
from modellab.pool.ticket import Ticket

MAX_WAITING = 64
TIMEOUT_S = 60.0
DRAIN_S = 30.0
_AGAIN_S = 1.0
SHORTEST_RETRY_S = 1.0

Job: TypeAlias = Callable[[], None]


def in_thread(job: Job) -> None:
    """Do a job in a thread that ends with it."""
    threading.Thread(target=job, name="modellab-pool", daemon=True).start()


class Pool(Generic[HostedT]):
    """Models by their id, loaded when they are first wanted, and shared by all who want them at once.

    A model that is lent is never given up, and there are never two of one. Whoever asks gets a place in one line. Who
    is first there and waits for room is passed by nobody; a model whose load has begun has its room already. So a
    caller who holds a lease and asks for another model may wait for itself, until its time is up.

    All methods may be called from any thread. Models are loaded and closed in threads of their own, without the lock.

    Args:
        recipe_of: gives the recipe of a model by its id, or raises what the caller shall see; it must not call back.
        capacity: how much may be held at once.
        sizes: where measured sizes are remembered; a fresh book where none is given.
        max_waiting: how many may wait, those included that wait for a load.
        clock: for setbacks, idle times and guesses; timeouts are in real seconds.
        start: begins a job that loads or closes a model, and returns at once.
    """

    def __init__(
        self,
        recipe_of: Callable[[str], Recipe[HostedT]],
        capacity: Capacity,
        *,
        sizes: SizeBook | None = None,
        max_waiting: int = MAX_WAITING,
        clock: Clock = MONOTONIC,
        start: Callable[[Job], None] = in_thread,
    ) -> None:
        self._recipe_of = recipe_of
        self._capacity = capacity
        self._sizes = sizes or SizeBook()
        self._max_waiting = max_waiting
        self._clock = clock
        self._start = start
        self._changed = threading.Condition()
        self._slots: dict[str, Slot[HostedT]] = {}  # least recently used first
        self._line: list[Ticket[HostedT]] = []
        self._setbacks: dict[str, Setback] = {}
        self._jobs: list[Job] = []
        self._open = True

    @contextmanager
    def lease(self, key: str, timeout_s: float = TIMEOUT_S) -> Iterator[HostedT]:
        """Lend a loaded model for as long as the context lasts; others may use it at the same time.

        Whoever borrows it neither loads nor closes it. One whose process has died is loaded anew for the next.

        Raises:
            ModelTooLarge: at once, when there would be no room if nothing else were held.
            PoolBusy: at once when too many wait, and when the time is up; it says when to try again.
            LoadFailed: when it cannot be loaded, and at once for some time after that.
            PoolClosed: when the pool is drained.
            Exception: whatever `recipe_of` raised.
        """
        ticket = self.ask(key)
        try:
            yield self.wait(ticket, timeout_s)
        finally:
            self.release(ticket)

    def ask(self, key: str) -> Ticket[HostedT]:
        """Give a place in the line, at once; it is to be released. Raises what `lease` raises at once."""
        recipe = self._recipe_of(key)
        size = self._sizes.recall(key) or recipe.estimate
        with self._changing():
            ticket = Ticket(key=key, recipe=recipe, size=size, asked_s=self._clock())
            if refusal := self._refusal(ticket):
                raise refusal
            self._line.append(ticket)
        return ticket

    def wait(self, ticket: Ticket[HostedT], timeout_s: float = TIMEOUT_S) -> HostedT:
        """Wait until the model is lent, and give it. Raises what `lease` raises."""
        with self._changing():
            if not self._changed.wait_for(lambda: ticket not in self._line, timeout_s):
                self._refuse(ticket, self._busy(f"{ticket.key} was not free within {timeout_s:g} s"))
            if ticket.error:
                raise ticket.error
            assert ticket.slot is not None, "a ticket is waited for once"
            assert ticket.slot.hosted is not None
            return ticket.slot.hosted

    def forgo(self, ticket: Ticket[HostedT]) -> None:
        """Give up the place in the line while another thread waits there: it gets a WorkForgone. Else do nothing."""
        with self._changing():
            if ticket in self._line:
                self._refuse(ticket, WorkForgone(f"nobody waits for {ticket.key} any more"))

    def release(self, ticket: Ticket[HostedT]) -> None:
        """Give a model back, or the place in the line; harmless when called again."""
        with self._changing():
            if ticket in self._line:
                self._line.remove(ticket)
            slot, ticket.slot = ticket.slot, None
            if slot is None:
                return
            slot.leases -= 1
            if slot.stage == "ready":
                self._touch(slot)
                if not slot.fit:
                    self._retire(slot)

    def sweep(self) -> tuple[str, ...]:
        """Begin to close models that were idle for longer than they may, or have died; give their ids."""
        with self._changing():
            now_s, wanted = self._clock(), {ticket.key for ticket in self._line}
            stale = [
                slot
                for slot in self._slots.values()
                if slot.idle
                and (not slot.fit or (now_s - slot.used_s > slot.recipe.keep_alive_s and slot.key not in wanted))
            ]
            for slot in stale:
                self._retire(slot)
            return tuple(slot.key for slot in stale)

    def drain(self, timeout_s: float = DRAIN_S) -> bool:
        """Lend nothing more, wait for what is lent, and close everything; say whether all came back in time.

        What was not given back within `timeout_s` is closed while it is used or loaded, with 30 s to end.
        """
        with self._changing():
            self._open = False
            for ticket in tuple(self._line):
                self._refuse(ticket, _closed())
        with self._changing():
            in_time = self._changed.wait_for(lambda: not self._slots, timeout_s)
        for _ in range(round(DRAIN_S / _AGAIN_S)):
            if self._forced(_AGAIN_S):  # a load that had not begun could not be closed, and goes on
                break
        return in_time

    def holding(self) -> Holding:
        """Give what is held now, who waits, and how much may be held."""
        with self._changed:
            now_s = self._clock()
            return Holding(
                models=tuple(slot.held(now_s) for slot in self._slots.values()),
                capacity=self._capacity,
                waiting=len(self._line),
                open=self._open,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.drain()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock; then do what can be done now, tell who waits, and begin the jobs without the lock."""
        jobs: list[Job] = []
        try:
            with self._changed:
                try:
                    yield
                finally:
                    self._advance()
                    self._changed.notify_all()
                    jobs, self._jobs = self._jobs, []
        finally:
            for job in jobs:
                self._begin(job)

    def _begin(self, job: Job) -> None:
        try:
            self._start(job)
        except RuntimeError:  # this process may have no more threads; nobody shall wait in vain
            job()

    def _advance(self) -> None:
        """Serve the line as far as can be."""
        for slot in tuple(self._slots.values()):
            if slot.stage == "settling":
                self._settle(slot)
            if slot.idle and not self._open:
                self._retire(slot)
        for ticket in tuple(self._line):
            if not self._serve(ticket):
                break

    def _serve(self, ticket: Ticket[HostedT]) -> bool:
        """Bring a ticket on as far as can be; say whether those behind it may be served too."""
        slot = self._slots.get(ticket.key)
        if slot is None:
            return self._load_if_room(ticket)
        if slot.fit:
            self._line.remove(ticket)
            ticket.slot = slot
            slot.leases += 1
            self._touch(slot)
            return True
        if slot.stage == "ready":
            self._retire(slot)
        return slot.coming

    def _load_if_room(self, ticket: Ticket[HostedT]) -> bool:
        """Begin to load a model where there is room, and to make room where there is none; say whether it loads."""
        leaving = self._leaving(ticket.size)
        for slot in leaving or ():
            self._retire(slot)
        if leaving is None or leaving:
            return False
        slot = Slot(key=ticket.key, recipe=ticket.recipe, size=ticket.size, used_s=self._clock())
        self._slots[ticket.key] = slot
        self._jobs.append(partial(self._load, slot))
        return True

    def _settle(self, slot: Slot[HostedT]) -> None:
        """Make a loaded model ready once it fits by its true size; close it where it will not."""
        leaving = self._leaving(slot.size, slot)
        if leaving is None:
            for ticket in self._waiting_for(slot):
                self._refuse(ticket, self._too_large(slot.key, slot.size) or self._crowded_out(slot))
            self._retire(slot)
            return
        for other in leaving:
            self._retire(other)
        if not leaving:
            slot.stage = "ready"

    def _leaving(self, size: Size, own: Slot[HostedT] | None = None) -> list[Slot[HostedT]] | None:
        """Give whose leaving makes room for so much besides `own`; None where even that of all idle ones would not."""
        others = [slot for slot in self._slots.values() if slot is not own]
        if self._fits(size, others):
            return []
        leaving = [slot for slot in others if slot.stage == "closing"]
        kept = [slot for slot in others if slot.stage != "closing"]
        idle = [slot for slot in kept if slot.idle]
        gone: list[Slot[HostedT]] = []
        while not self._fits(size, [slot for slot in kept if slot not in gone]):
            if len(gone) == len(idle):
                return None
            gone.append(idle[len(gone)])
        for slot in reversed(gone):  # what helps nothing stays: a GPU is not freed by a model beside it
            spared = [other for other in gone if other is not slot]
            if self._fits(size, [other for other in kept if other not in spared]):
                gone = spared
        return [*leaving, *gone]

    def _fits(self, size: Size, others: list[Slot[HostedT]]) -> bool:
        return self._capacity.holds([size, *(slot.size for slot in others)])

    def _load(self, slot: Slot[HostedT]) -> None:
        """Load a model; a job."""
        try:
            slot.hosted = slot.recipe.make()
            slot.hosted.load()
            size = slot.recipe.measured(slot.hosted)
        except BaseException as error:  # noqa: BLE001 - it is raised to those who wait
            self._fail(slot, error)
            return
        self._sizes.remember(slot.key, size)
        with self._changing():
            self._setbacks.pop(slot.key, None)
            slot.size, slot.stage = size, "settling"
            self._touch(slot)

    def _fail(self, slot: Slot[HostedT], error: BaseException) -> None:
        """Give up a model that could not be loaded, and tell those who wait for it."""
        try:
            if slot.hosted is not None:
                slot.hosted.close()
        finally:
            with self._changing():
                now_s = self._clock()
                setback = Setback.after(self._setbacks.get(slot.key), error, now_s)
                self._setbacks[slot.key] = setback
                for ticket in self._waiting_for(slot):
                    self._refuse(ticket, setback.refusal(slot.key, now_s))
                del self._slots[slot.key]

    def _close(self, slot: Slot[HostedT]) -> None:
        """Close a model, and let its room go; a job."""
        try:
            if slot.hosted is not None:
                slot.hosted.close()
        finally:
            with self._changing():
                del self._slots[slot.key]

    def _retire(self, slot: Slot[HostedT]) -> None:
        """Have a model closed; its room is taken until it is."""
        if slot.stage != "closing":
            slot.stage = "closing"
            self._jobs.append(partial(self._close, slot))

    def _forced(self, timeout_s: float) -> bool:
        """Have all models closed; say whether that is done in time."""
        with self._changing():
            for slot in self._slots.values():
                self._force(slot)
        with self._changed:
            return self._changed.wait_for(lambda: not self._slots, timeout_s)

    def _force(self, slot: Slot[HostedT]) -> None:
        """Have a model closed though it is used, or is being loaded: then its load fails."""
        if not slot.coming:
            self._retire(slot)
        elif slot.hosted is not None:
            self._jobs.append(slot.hosted.close)

    def _touch(self, slot: Slot[HostedT]) -> None:
        slot.used_s = self._clock()
        self._slots[slot.key] = self._slots.pop(slot.key)

    def _waiting_for(self, slot: Slot[HostedT]) -> list[Ticket[HostedT]]:
        return [ticket for ticket in self._line if ticket.key == slot.key]

    def _refuse(self, ticket: Ticket[HostedT], error: Exception) -> None:
        self._line.remove(ticket)
        ticket.error = error

    def _refusal(self, ticket: Ticket[HostedT]) -> Exception | None:
        """Give what speaks against a place in the line; None where nothing does."""
        if not self._open:
            return _closed()
        now_s = self._clock()
        setback = self._setbacks.get(ticket.key)
        if setback and now_s < setback.until_s:
            return setback.refusal(ticket.key, now_s)
        if too_large := self._too_large(ticket.key, ticket.size):
            return too_large
        if len(self._line) >= self._max_waiting and not self._free(ticket.key):
            return self._busy(f"{ticket.key} is not free, and {len(self._line)} wait already")
        return None

    def _free(self, key: str) -> bool:
        """Whether a model would be lent at once."""
        places = (self._slots.get(ticket.key) for ticket in self._line)
        slot = self._slots.get(key)
        return slot is not None and slot.fit and all(place is not None and place.coming for place in places)

    def _too_large(self, key: str, size: Size) -> ModelTooLarge | None:
        if self._capacity.holds([size]):
            return None
        return ModelTooLarge(
            f"{key} needs {size}, and the pool may hold {self._capacity} in all: raise the pool's memory, or take a "
            "smaller model or compute type"
        )

    def _crowded_out(self, slot: Slot[HostedT]) -> PoolBusy:
        others = sum((other.size for other in self._slots.values() if other is not slot), Size(ram_bytes=0))
        return self._busy(
            f"{slot.key} turned out to take {slot.size}, beside {others} of models in use, and the pool may hold "
            f"{self._capacity}; it was closed, and waits for enough room the next time. If that is often so, raise the "
            "pool's memory"
        )

    def _busy(self, words: str) -> PoolBusy:
        """Give what to raise to who cannot wait; who is first in line has waited for as long as one may guess."""
        waited_s = self._clock() - self._line[0].asked_s if self._line else 0.0
        retry_after_s = max(SHORTEST_RETRY_S, waited_s)
        return PoolBusy(f"{words}: try again in {retry_after_s:.0f} s", retry_after_s=retry_after_s)


def _closed() -> PoolClosed:
    return PoolClosed("the pool is closing and lends nothing more: ask another, or one that is started anew")

"""Readings: what the records of runs come to, worked out when it is asked for and remembered while they stay."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import BoundedSemaphore, Event, Lock
from typing import Any

from modellab.errors import BadRecord, PoolClosed, Refused, UnknownName
from modellab.records.run import Run
from modellab.records.store import Store
from modellab.reporting.summary import summarize
from modellab.server.library.result import Summary
from modellab.server.library.sheet import Sheet, SheetWriter

MOST_ROWS = 2_000_000
MOST_WAITING = 8
_RETRY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a run's records came to when its files had this signature."""

    signature: str
    run: Run
    summary: Summary
    sheet: Sheet


class Readings:
    """Reads runs in a thread of its own, one at a time, since a large one may take a minute and a gigabyte.

    The last are remembered, of all together no more than MOST_ROWS utterances but for the newest. Who asks waits for
    `wait_s`; what is not ready by then is worked out all the same, for whoever asks again.
    """

    def __init__(self, *, wait_s: float = 20.0, read: Callable[[Store, str, Event], Reading] | None = None) -> None:
        self._wait_s, self._read = wait_s, read or read_run
        self._ready: OrderedDict[str, Reading] = OrderedDict()
        self._begun: dict[str, Future[Reading]] = {}
        self._thread: ThreadPoolExecutor | None = None
        self._lock, self._ended = Lock(), Event()
        self._waiting = BoundedSemaphore(MOST_WAITING)

    def of(self, run: str, signature: str, store: Store) -> Reading:
        """Give the reading of a run.

        Of one whose records grow while they are read it may be that of an instant ago.

        Raises:
            Refused: 503 while it is worked out.
            BadRecord: when a record cannot be read.
            BadDefinition: when its budgets cannot be understood.
        """
        with self._lock:
            ready = self._ready.get(run)
            if ready:
                self._ready.move_to_end(run)
                if ready.signature == signature:
                    return ready
            begun = self._begun.get(run) or self._begin(run, signature, store)
        return self._wait(begun, ready)

    def close(self) -> None:
        """Give up what is under way; what is asked for afterwards is begun anew."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._begun.clear()
        self._ended.set()
        if thread:
            thread.shutdown(cancel_futures=True)
        self._ended = Event()

    def _begin(self, run: str, signature: str, store: Store) -> "Future[Reading]":
        self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="readings")
        self._begun[run] = begun = self._thread.submit(self._work, run, signature, store, self._ended)
        return begun

    def _work(self, run: str, signature: str, store: Store, ended: Event) -> Reading:
        try:
            reading = self._read(store, signature, ended)
            with self._lock:
                self._ready[run] = reading
                self._ready.move_to_end(run)
                while len(self._ready) > 1 and sum(len(each.sheet) for each in self._ready.values()) > MOST_ROWS:
                    self._ready.popitem(last=False)
        finally:
            with self._lock:
                self._begun.pop(run, None)
        return reading

    def _wait(self, begun: "Future[Reading]", stale: Reading | None) -> Reading:
        if self._waiting.acquire(blocking=False):
            try:
                return begun.result(self._wait_s)
            except TimeoutError:
                pass
            except CancelledError as error:
                raise PoolClosed("the server stops: the records of this run were not read") from error
            finally:
                self._waiting.release()
        if stale:
            return stale
        raise Refused(
            "the records of this run are being read: ask again",
            status=503,
            code="being_read",
            retry_after_s=_RETRY_S,
        )


def read_run(store: Store, signature: str, ended: Event) -> Reading:
    """Read all records of a run.

    Raises:
        BadRecord: when one cannot be read; the message names no folder but the run's.
        BadDefinition: when the budgets stored with the run cannot be understood.
        PoolClosed: when it was told to end.
    """
    try:
        run, writer = store.run(), SheetWriter()
        report = summarize(run, _until(ended, writer.watch(store.placed())))
    except (BadRecord, UnknownName) as error:
        raise BadRecord(str(error).replace(f"{store.folder.parent}/", "")) from error
    return Reading(signature=signature, run=run, summary=Summary.of(report), sheet=writer.sheet())


def _until(ended: Event, lines: Iterable[Any]) -> Iterator[Any]:
    for line in lines:
        if ended.is_set():
            raise PoolClosed("the server stops: the records of this run were not read to their end")
        yield line

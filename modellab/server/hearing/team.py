"""Team: replicas of one model, each in a process of its own, lent one at a time."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from modellab.errors import PoolBusy, WorkForgone
from modellab.machine.clock import MONOTONIC
from modellab.machine.memory import Memory
from modellab.measuring.worker import Worker


class Team:
    """Workers of one model, held by a pool as one. A worker that died, or was killed, is loaded anew beside the others.

    All methods may be called from any thread.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = tuple(workers)
        self._idle: list[Worker] = []
        self._changed = threading.Condition()
        self._away = 0  # lent, or being loaded anew
        self._open = False

    @property
    def alive(self) -> bool:
        """Whether one of its processes runs, or is started anew; one that dies while it is lent will be."""
        with self._changed:
            return self._open and (self._away > 0 or any(worker.alive for worker in self._idle))

    @property
    def pid(self) -> int | None:
        """The process of its first worker; None where there is none."""
        return self._workers[0].pid

    def load(self) -> None:
        """Start all processes at once, and load the model in each; raises what `Worker.load` raises."""
        try:
            with ThreadPoolExecutor(len(self._workers)) as threads:
                list(threads.map(lambda worker: worker.load(), self._workers))
        except BaseException:
            self.close()
            raise
        with self._changed:
            self._open = True
            self._idle = list(self._workers)

    def close(self) -> None:
        """End all processes; harmless when called again."""
        with self._changed:
            self._open = False
            self._idle = []
            self._changed.notify_all()
        for worker in self._workers:
            worker.close()

    def memory(self) -> Memory:
        """Give what its processes hold together, and the sum of their peaks; raises what `Worker.memory` raises."""
        told = [worker.memory() for worker in self._workers]
        return Memory(
            resident_bytes=_sum([each.resident_bytes for each in told]),
            peak_bytes=_sum([each.peak_bytes for each in told]),
        )

    @contextmanager
    def borrow(self, timeout_s: float, gone: Callable[[], bool] = lambda: False) -> Iterator[Worker]:
        """Lend an idle worker.

        Raises:
            PoolBusy: when none is idle within `timeout_s`, or the team is closed.
            WorkForgone: when the borrower is `gone`, which is asked at each `stir`, and none is idle.
        """
        end_s = MONOTONIC() + timeout_s
        while not (worker := self._take(end_s, gone)).alive:
            self._give_back(worker)  # it died while nobody used it
        try:
            yield worker
        finally:
            self._give_back(worker)

    def stir(self) -> None:
        """Have all who wait for a worker see whether they still want one."""
        with self._changed:
            self._changed.notify_all()

    def _take(self, end_s: float, gone: Callable[[], bool]) -> Worker:
        with self._changed:
            self._changed.wait_for(lambda: self._idle or not self._open or gone(), max(0.0, end_s - MONOTONIC()))
            if not self._idle and gone():
                raise WorkForgone("nobody waits for the model any more")
            if not self._idle:
                raise PoolBusy("no process of the model was free in time", retry_after_s=1.0)
            self._away += 1
            return self._idle.pop()

    def _give_back(self, worker: Worker) -> None:
        if worker.alive:
            self._rest(worker)
            return
        try:
            threading.Thread(target=self._revive, args=(worker,), name="modellab-team", daemon=True).start()
        except RuntimeError:  # this process may have no more threads; nobody shall wait in vain
            self._revive(worker)

    def _revive(self, worker: Worker) -> None:
        """Load a worker that died; one that cannot be loaded is left out until the whole team is loaded anew."""
        try:
            worker.load()
        except Exception:  # noqa: BLE001 - whatever it was, nobody shall wait for it
            with self._changed:
                self._away -= 1
                self._open = self._open and (self._away > 0 or any(each.alive for each in self._idle))
                self._changed.notify_all()
        else:
            self._rest(worker)

    def _rest(self, worker: Worker) -> None:
        with self._changed:
            self._away -= 1
            if self._open:
                self._idle.append(worker)
                self._changed.notify()
                return
        worker.close()


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None

"""Runner: has the jobs of a queue run, as many at once as it may, and goes on with those that others left."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Event, Thread
from typing import Self

import structlog

from modellab.errors import DatabaseUnavailable
from modellab.machine.clock import MONOTONIC, Clock
from modellab.server.jobs.attempt import Attempt, Place
from modellab.server.jobs.leases import Lease, Leases, Watch

POLL_S = 1.0
STOP_SHARE = 0.6  # of the time in which a server has to end; what is left is for forcing, and for writing it down

_log = structlog.get_logger("modellab.server.jobs")


class Runner:
    """Runs jobs in threads of its own: one that looks for them, and one for each that runs."""

    def __init__(
        self, leases: Leases, place: Place, *, max_running: int, clock: Clock = MONOTONIC, poll_s: float = POLL_S
    ) -> None:
        self._leases = leases
        self._place = place
        self._max_running = max_running
        self._clock = clock
        self._poll_s = poll_s
        self._watch = Watch(place.lease_s, clock)
        self._changed = Condition()
        self._woken = self._stopping = False
        self._running: dict[Attempt, Thread] = {}

    @contextmanager
    def running(self, drain_s: float, stopping: Event) -> Iterator[Self]:
        """Look for jobs until the body ends, or `stopping` is set; then have those that run end, in so many seconds."""
        finder = Thread(target=self._find, args=(drain_s, stopping), name="modellab-jobs", daemon=True)
        finder.start()
        try:
            yield self
        finally:
            until_s = MONOTONIC() + drain_s
            for thread in (*self._stop(drain_s), finder):
                thread.join(max(0.0, until_s - MONOTONIC()))

    def wake(self) -> None:
        """Have it look at once: there is something new."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def look(self) -> None:
        """Begin what can be begun now.

        Raises:
            DatabaseUnavailable: when the jobs cannot be read.
        """
        while self._free and (lease := self._left() or self._leases.next()):
            self._begin(lease)

    @property
    def _free(self) -> bool:
        with self._changed:
            return not self._stopping and len(self._running) < self._max_running

    def _left(self) -> Lease | None:
        """Take a job whose runner gives no sign of life; None where there is none."""
        with self._changed:
            own = {attempt.token for attempt in self._running}
        others = [held for held in self._leases.held() if held.token not in own]
        taken = (self._leases.take(held) for held in self._watch.expired(others))
        return next((lease for lease in taken if lease), None)

    def _begin(self, lease: Lease) -> None:
        attempt = Attempt(lease, self._leases, self._place, self._clock)
        thread = Thread(target=self._run, args=(attempt,), name=f"modellab-job-{lease.job.id}", daemon=True)
        with self._changed:
            if self._stopping:  # the lease of a server that is gone is taken at once
                return
            self._running[attempt] = thread
            thread.start()

    def _run(self, attempt: Attempt) -> None:
        try:
            attempt.run()
        except Exception:  # noqa: BLE001 - whose thread this is has nobody to raise to
            _log.exception("attempt_failed")
        finally:
            with self._changed:
                del self._running[attempt]
                self._woken = True
                self._changed.notify_all()

    def _find(self, drain_s: float, stopping: Event) -> None:
        while not (self._stopping or stopping.is_set()):
            try:
                self.look()
            except DatabaseUnavailable as error:
                _log.warning("database_unavailable", error=str(error))
            except Exception:  # noqa: BLE001 - the next look may find better
                _log.exception("jobs_not_found")
            with self._changed:
                self._changed.wait_for(lambda: self._woken or self._stopping, self._poll_s)
                self._woken = False
        self._stop(drain_s)

    def _stop(self, drain_s: float) -> tuple[Thread, ...]:
        """Begin no more jobs, and have those that run end; give their threads."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            left = dict(self._running)
        for attempt in left:
            attempt.stop(STOP_SHARE * drain_s)
        return tuple(left.values())

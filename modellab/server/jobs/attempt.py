"""Attempt: one try at a job, by whoever holds its lease, from the start of its process to what became of it."""

import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Literal

import psutil
import structlog

from modellab.errors import DatabaseUnavailable, Refused
from modellab.machine.clock import Clock
from modellab.machine.oom import OomWatch
from modellab.server.jobs.child import Child
from modellab.server.jobs.job import Verdict
from modellab.server.jobs.leases import Lease, Leases
from modellab.server.jobs.log import Log
from modellab.server.jobs.order import Order
from modellab.server.jobs.progress import Progress
from modellab.server.jobs.whereabouts import Whereabouts
from modellab.server.library.labels import FILE as LABELS
from modellab.server.library.labels import Labels

TELL_S = 1.0
BEATS_A_LEASE = 3
STEPS = 1000
LAST_LINES = 20
PATIENCE_S = 2.0

Command = Callable[[Order, Path], Sequence[str]]
Ending = Literal["cancelled", "stopped", "lost"]

_VERDICTS: Mapping[int, Verdict] = {0: "passed", 1: "failed"}  # pytest's words for how it went
_FAULTS = {
    2: "it was interrupted, or a claim could not be read",
    3: "pytest failed itself",
    4: "pytest did not understand its call, or the run cannot be gone on with",
    5: "no claim is about what was asked for",
}
_LOST = "not all that was measured could be recorded: see that the disk has room, and start it anew"
_log = structlog.get_logger("modellab.server.jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How and where jobs run.

    Attributes:
        command: gives the call that runs an order into a folder.
        cwd: the folder it is started in.
        env: its variables.
        runs: the folder of the runs.
        logs: the folder of the logs.
        lease_s: how long a lease lives without a sign of life, in seconds.
        attempts: how often a job is begun.
        stop_s: how long one may take to end once it is cancelled, in seconds.
        tick_s: how often it is looked after, in seconds.
    """

    command: Command
    cwd: Path
    env: Mapping[str, str]
    runs: Path
    logs: Path
    lease_s: float
    attempts: int
    stop_s: float
    tick_s: float = 0.5

    def log(self, id: str) -> Log:  # noqa: A002
        """Give the log of a job."""
        return Log(path=self.logs / f"{id}.log")


class Attempt:
    """One try at a job.

    A beat before its lease has run out unrenewed it ends its process: soon others may begin one.
    """

    def __init__(self, lease: Lease, leases: Leases, place: Place, clock: Clock) -> None:
        self._lease = lease
        self._leases = leases
        self._place = place
        self._clock = clock
        self._log = place.log(lease.job.id)
        self._progress = Progress(folder=place.runs / lease.job.id)
        self._told: tuple[int | None, int | None] = (None, None)
        self._told_s = self._renewed_s = clock()
        self._ending: Ending | None = None
        self._kill_s = 0.0
        self._stop = Event()
        self._stop_s = 0.0

    @property
    def token(self) -> str:
        """That of its lease."""
        return self._lease.token

    def stop(self, patience_s: float) -> None:
        """Have it end soon and leave the job to who comes next."""
        self._stop_s = patience_s
        self._stop.set()

    def run(self) -> None:
        """Run the job to its end, or to that of the lease."""
        job, place = self._lease.job, self._place
        if self._lease.before:
            self._lease.before.end(PATIENCE_S)
        if job.cancel_asked:
            self._say(lambda: self._leases.end(self._lease, "cancelled"))
        elif job.attempts >= place.attempts:
            reason = f"it was begun {job.attempts} times, and whoever ran it died each time"
            self._say(lambda: self._leases.end(self._lease, "interrupted", reason=reason))
        elif self._leases.begin(self._lease):
            watch = OomWatch.over()
            try:
                child = self._start()
            except OSError as error:
                reason = f"it could not be started: {Path(error.filename or '').name}: {error.strerror}"
                self._say(lambda: self._leases.end(self._lease, "failed", reason=reason))
                return
            try:
                self._look_after(child)
            finally:
                child.kill()
            self._settle(child, watch)

    def _start(self) -> Child:
        folder = self._progress.folder
        self._place.runs.stat()  # one that is gone is not made anew: a disk may belong there
        command = self._place.command(self._lease.job.order, folder)
        child = Child.start(command, cwd=self._place.cwd, env=self._place.env, log=self._log)
        with suppress(DatabaseUnavailable, psutil.NoSuchProcess):
            self._leases.started(self._lease, Whereabouts.of(child.pid))
        return child

    def _look_after(self, child: Child) -> None:
        while not child.ended.wait(self._place.tick_s):
            try:
                self._tick(child)
            except DatabaseUnavailable as error:
                _log.warning("database_unavailable", job=self._lease.job.id, error=str(error))
            if self._clock() - self._renewed_s >= self._place.lease_s * (BEATS_A_LEASE - 1) / BEATS_A_LEASE:
                self._end(child, "lost", 0.0)
            if self._ending and self._clock() >= self._kill_s:
                child.kill()
        child.close()

    def _tick(self, child: Child) -> None:
        """Do what is due."""
        now_s = self._clock()
        if self._stop.is_set():
            self._end(child, "stopped", self._stop_s)
        if now_s - self._renewed_s >= self._place.lease_s / BEATS_A_LEASE:
            if not self._leases.renew(self._lease):
                self._end(child, "lost", 0.0)
            self._renewed_s = now_s
        if self._leases.cancel_asked(self._lease):
            self._end(child, "cancelled", self._place.stop_s)
        if now_s - self._told_s >= TELL_S:
            self._tell()

    def _tell(self) -> None:
        """Say how far it has come, where that is worth saying."""
        progress = self._progress
        self._look()
        planned, heard = self._told
        step = max(1, (progress.planned or 0) // STEPS, (heard or 0) // STEPS)
        far = (progress.heard or 0) - (heard or 0) >= step
        if far or progress.planned != planned:
            self._leases.progress(self._lease, progress)
            self._told, self._told_s = (progress.planned, progress.heard), self._clock()

    def _look(self) -> None:
        """See how far it has come, and label its run as was ordered, unless it has labels."""
        self._progress.look()
        labels, folder = self._lease.job.order.labels, self._progress.folder
        if self._progress.run and labels != Labels() and not (folder / LABELS).exists():
            with suppress(OSError, Refused):  # a full disk takes no labels; the evaluation may go on
                labels.write(folder)

    def _end(self, child: Child, why: Ending, patience_s: float) -> None:
        """Have the process end: the first reason counts, the least patience too."""
        kill_s = self._clock() + patience_s
        if self._ending is None:
            child.interrupt()
            self._ending, self._kill_s = why, kill_s
        self._ending = "lost" if why == "lost" else self._ending
        self._kill_s = min(self._kill_s, kill_s)

    def _settle(self, child: Child, watch: OomWatch) -> None:
        """Say what became of the job."""
        code = child.code
        assert code is not None
        if self._ending == "lost":
            return
        self._look()
        if self._told != (self._progress.planned, self._progress.heard):
            self._say(lambda: self._leases.progress(self._lease, self._progress))
        self._say(lambda: self._conclude(code, struck=code == -signal.SIGKILL and watch.struck))

    def _conclude(self, code: int, *, struck: bool) -> None:
        lease, leases, last = self._lease, self._leases, self._log.tail(LAST_LINES)
        attempt, most = lease.job.attempts + 1, self._place.attempts
        whole = self._progress.outcome in {None, "complete"}
        if code in _VERDICTS and self._progress.heard and whole:
            leases.end(lease, "complete", verdict=_VERDICTS[code])
        elif self._ending == "cancelled":
            leases.end(lease, "cancelled")
        elif self._ending == "stopped":
            leases.give_back(lease, reason="the server was stopped", counts=False)
        elif code in _VERDICTS:
            reason = "nothing was measured" if whole else _LOST
            leases.end(lease, "failed", reason=reason, last_lines=last)
        elif code > 0:
            reason = f"pytest ended with {code}: {_FAULTS.get(code, 'it says no more')}"
            leases.end(lease, "failed", reason=reason, last_lines=last)
        else:
            killed = "the memory was full, and its process killed" if struck else f"{_name(-code)} ended its process"
            if attempt < most:
                leases.give_back(lease, reason=f"{killed}; it goes on", counts=True)
            else:
                reason = f"{killed}, the last of {attempt} times"
                leases.end(lease, "interrupted", reason=reason, last_lines=last)

    def _say(self, word: Callable[[], None]) -> None:
        """Write to the database, and again until it takes it; a server that stops leaves it to who comes next."""
        while True:
            try:
                return word()
            except DatabaseUnavailable as error:
                _log.warning("database_unavailable", job=self._lease.job.id, error=str(error))
                if self._stop.wait(self._place.tick_s):
                    return None


def _name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"

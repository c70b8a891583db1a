"""Readiness: whether a server could do now what it is for, and what keeps it from it."""

import re
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeAlias

import psutil
import structlog
from sqlalchemy import text

from modellab.errors import DatabaseUnavailable
from modellab.machine.clock import MONOTONIC, Clock
from modellab.machine.control_group import ROOT, ControlGroup
from modellab.pool.holding import Holding
from modellab.pool.size import mebibytes
from modellab.server.database import Database
from modellab.server.disk import disk_free_bytes
from modellab.server.settings import ServerSettings

TIMEOUT_S = 1.0
CACHED_S = 2.0
LEAST_FREE_MEMORY = 0.05  # of what there is; below it the next load ends a process

_log = structlog.get_logger("modellab.server")
_PATH = re.compile(r"(?:/+[^\s/'\":]+)*/+([^\s/'\":]+)")

Check: TypeAlias = Callable[[], str | None]
"""Gives what is wrong, in words for whoever looks after the server; None where nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the checks found: for each one what is wrong, None where nothing is."""

    reasons: Mapping[str, str | None]

    @property
    def ready(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.reasons.values())


class Readiness:
    """Checks by their names. All methods may be called from any thread.

    Args:
        timeout_s: how long all checks together may take, in seconds; one that takes longer has failed.
        cached_s: how long a finding holds, in seconds.
        clock: for that.
    """

    def __init__(self, *, timeout_s: float = TIMEOUT_S, cached_s: float = CACHED_S, clock: Clock = MONOTONIC) -> None:
        self._timeout_s, self._cached_s, self._clock = timeout_s, cached_s, clock
        self._lock = threading.Lock()
        self._checks: dict[str, _Runner] = {}
        self._found: Finding | None = None
        self._found_s = 0.0

    @classmethod
    def of(cls, settings: ServerSettings, database: Database, holding: Callable[[], Holding]) -> Self:
        """Give the checks of a server; parts of it may add theirs."""
        readiness = cls()
        readiness.add("database", database_answers(database))
        readiness.add("runs", folder_writable(settings.runs))
        readiness.add("data", folder_writable(settings.data))
        readiness.add("disk", disk_free(settings.runs, settings.min_free_bytes))
        readiness.add("memory", memory_free())
        readiness.add("models", pool_open(holding))
        return readiness

    def add(self, name: str, check: Check) -> None:
        """Have one thing more checked, or another under a name that is there already."""
        with self._lock:
            self._checks[name] = _Runner(name, check)
            self._found = None

    def find(self) -> Finding:
        """Run the checks side by side and give what they found, or what they found a moment ago."""
        with self._lock:
            if self._found is None or self._clock() - self._found_s >= self._cached_s:
                runs = {name: runner.begin() for name, runner in self._checks.items()}
                end_s = MONOTONIC() + self._timeout_s
                reasons = {name: run.wait(max(0.0, end_s - MONOTONIC())) for name, run in runs.items()}
                self._found, self._found_s = Finding(reasons=reasons), self._clock()
            return self._found


@dataclass(slots=True)
class _Run:
    """One run of a check: over once `done` is set."""

    done: threading.Event = field(default_factory=threading.Event)
    reason: str | None = None

    def wait(self, timeout_s: float) -> str | None:
        return self.reason if self.done.wait(timeout_s) else "no answer in time"


class _Runner:
    """Runs a check in a thread that nobody waits for; one that hangs is not begun a second time."""

    def __init__(self, name: str, check: Check) -> None:
        self._name, self._check = name, check
        self._last: _Run | None = None

    def begin(self) -> _Run:
        if self._last is None or self._last.done.is_set():
            self._last = _Run()
            threading.Thread(target=self._do, args=(self._last,), name=f"check-{self._name}", daemon=True).start()
        return self._last

    def _do(self, run: _Run) -> None:
        try:
            run.reason = _without_paths(self._check())
        except Exception as error:  # noqa: BLE001 - a check that breaks has failed
            run.reason = _without_paths(f"{type(error).__name__}: {error}")
        finally:
            run.done.set()


def _without_paths(reason: str | None) -> str | None:
    """Leave of each path its last name: whoever asks needs no key, and shall not learn where things are."""
    return None if reason is None else _PATH.sub(r"\1", reason)


def database_answers(database: Database) -> Check:
    """Check that the database gives an answer, and that its file was not taken away under it."""

    def check() -> str | None:
        if database.path is not None and not database.path.exists():
            return f"{database.path.name} is gone"
        try:
            with database.reading() as connection:
                connection.execute(text("SELECT version FROM schema_version")).one()
        except DatabaseUnavailable as error:
            _log.warning("database", reason=str(error))  # which says where it is
            return "the database cannot be used"
        return None

    return check


def folder_writable(folder: Path) -> Check:
    """Check that a file can be written into a folder. One that is gone is not made anew: a disk may belong there."""

    def check() -> str | None:
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"?")
                file.flush()
        except OSError as error:
            return f"the folder {folder.name} cannot be written to: {error.strerror}"
        return None

    return check


def disk_free(folder: Path, least_bytes: int) -> Check:
    """Check that so much of the disk of a folder is free."""

    def check() -> str | None:
        free_bytes = disk_free_bytes(folder)
        if free_bytes >= least_bytes:
            return None
        return f"{mebibytes(free_bytes)} of the disk are free, and {mebibytes(least_bytes)} are wanted"

    return check


def memory_free(root: Path = ROOT, least: float = LEAST_FREE_MEMORY) -> Check:
    """Check that a share of the memory is free: of the machine's, and of the control group's where that has a limit."""

    def check() -> str | None:
        machine = psutil.virtual_memory()
        told = [("the machine's", machine.available, machine.total)]
        group = ControlGroup.of(root=root)
        if group and group.limit_bytes is not None and group.free_bytes is not None:
            told.append(("the control group's", group.free_bytes, group.limit_bytes))
        for whose, free_bytes, whole_bytes in told:
            if free_bytes < least * whole_bytes:
                return f"{mebibytes(free_bytes)} of {whose} {mebibytes(whole_bytes)} of memory are free"
        return None

    return check


def pool_open(holding: Callable[[], Holding]) -> Check:
    """Check that a pool still lends models."""
    return lambda: None if holding().open else "the pool is closing and lends no model any more"

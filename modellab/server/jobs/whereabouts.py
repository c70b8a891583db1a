"""Whereabouts: where a process is found, and how it is told from a later one of the same number."""

import os
import platform
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import psutil

from modellab.machine.clock import MONOTONIC

_LOOK_S = 0.02
_ALIKE_S = 1.5  # what the kernel rounds, and what a clock that is set right meanwhile adds


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """A process.

    Attributes:
        place: where its number means something: a machine since it was started, and what it numbers on its own.
        pid: its number there.
        after_s: how long after that machine it was started, in seconds: no matter what the clock says.
    """

    place: str
    pid: int
    after_s: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Give those of a process that was just started, or has ended and is not waited for yet."""
        return cls(place=_place(), pid=pid, after_s=_after_s(psutil.Process(pid)))

    @property
    def gone(self) -> bool:
        """Whether it can be seen from here that it has ended."""
        return self.place == _place() and self._process is None

    def end(self, patience_s: float) -> None:
        """End it and its group, where it can be reached from here: ask, and force it where that takes too long."""
        if self.place != _place() or self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            self._wait(patience_s)

    def _wait(self, patience_s: float) -> None:
        """Wait for its end, not for whoever started it to take note of that: nobody may."""
        until_s = MONOTONIC() + patience_s
        while self._process and MONOTONIC() < until_s:
            time.sleep(_LOOK_S)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    @property
    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            alike = abs(_after_s(process) - self.after_s) < _ALIKE_S
            return process if alike and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def _after_s(process: psutil.Process) -> float:
    return process.create_time() - psutil.boot_time()


@cache
def _place() -> str:
    """Give the machine, since when it runs, and the numbering of processes: two containers share only the first."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return platform.node()

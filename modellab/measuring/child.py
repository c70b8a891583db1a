"""Child: a process that we start, watch and end, and that does not outlive us."""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, Self, TypeAlias

from modellab.machine.clock import MONOTONIC
from modellab.measuring.channel import Channel

PIPE_BYTES = 1 << 20  # 16 s of audio at once
PATIENCE_S = 5.0
DUMP_SIGNAL = signal.SIGUSR1
DUMP_S = 2.0  # the longest: a busy machine may take its time to write a few lines
_QUIET_S = 0.1  # a log that did not grow for so long is written
TAIL_LINES = 40
TAIL_BYTES = 16 << 10

_PR_SET_PDEATHSIG = 1  # Linux: include/uapi/linux/prctl.h

Process: TypeAlias = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A running process, the channel to its standard streams, and the log that it writes its errors to."""

    process: Process
    channel: Channel
    log: BinaryIO
    log_start: int

    @classmethod
    def start(cls, command: Sequence[str], env: Mapping[str, str], cwd: Path | None, log: Path | None) -> Self:
        """Start a process in a session of its own, so that a Ctrl-C meant for us does not reach it.

        Its log is added to the file `log`, or kept until it is disposed of where there is none.

        Raises:
            OSError: when there is no such program or folder, or the log cannot be written.
        """
        kept: BinaryIO = log.open("a+b") if log else tempfile.TemporaryFile()  # noqa: SIM115 - open while it runs
        start = kept.seek(0, os.SEEK_END)
        try:
            process = _NURSERY.start(
                lambda: subprocess.Popen(  # noqa: S603
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=kept,
                    bufsize=0,
                    env=env,
                    cwd=cwd,
                    start_new_session=True,
                )
            )
        except BaseException:
            kept.close()
            raise
        assert process.stdin is not None
        assert process.stdout is not None
        if sys.platform == "linux":
            with suppress(OSError):  # a user may have no room for larger pipes left
                fcntl.fcntl(process.stdin, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        channel = Channel(source=process.stdout.fileno(), sink=process.stdin.fileno())
        return cls(process=process, channel=channel, log=kept, log_start=start)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    @property
    def outcome(self) -> str:
        """How it ended: `SIGKILL` or another signal, or `exit 3`."""
        code = self.process.returncode
        if code is not None and code < 0:
            with suppress(ValueError):
                return signal.Signals(-code).name
        return f"exit {code}"

    def last_words(self) -> tuple[str, ...]:
        """Give the last lines of what it has logged, oldest first."""
        end = self.log.seek(0, os.SEEK_END)
        self.log.seek(max(self.log_start, end - TAIL_BYTES))
        return tuple(self.log.read().decode(errors="replace").splitlines()[-TAIL_LINES:])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to what it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def dump(self) -> None:
        """Have it write to its log what its threads are at."""
        if not self.alive:
            return
        before = written = self._logged_bytes()
        self.signal(DUMP_SIGNAL)
        deadline = MONOTONIC() + DUMP_S
        while MONOTONIC() < deadline and not self._ends_within(_QUIET_S):
            now = self._logged_bytes()
            if before < now == written:
                return
            written = now

    def end(self, patience_s: float = PATIENCE_S) -> None:
        """Wait for its end, then ask for it, then force it, with so much patience each; nothing is left of it."""
        if not self._ends_within(patience_s):
            self.signal(signal.SIGTERM)
            self._ends_within(patience_s)
        self.signal(signal.SIGKILL)
        self.process.wait()

    def dispose(self) -> None:
        """Close the pipes and the log of a process that ended."""
        for stream in (self.process.stdin, self.process.stdout, self.log):
            if stream:
                stream.close()

    def _logged_bytes(self) -> int:
        return os.fstat(self.log.fileno()).st_size

    def _ends_within(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, where it can: on Linux.

    To the kernel the parent is the thread that started us. Ours, that of a `Child`, lives as long as its process.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(slots=True)
class _Nursery:
    """A thread that starts processes and never ends: the end of a thread would end the processes it started."""

    _wanted: SimpleQueue[tuple[Callable[[], Process], Future[Process]]] = field(default_factory=SimpleQueue)
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, make: Callable[[], Process]) -> Process:
        """Give the process that `make` starts, or raise what it raises."""
        future: Future[Process] = Future()
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._wanted = SimpleQueue()
                self._thread = threading.Thread(
                    target=self._run, args=(self._wanted,), name="modellab-nursery", daemon=True
                )
                self._thread.start()
            self._wanted.put((make, future))
        return future.result()

    @staticmethod
    def _run(wanted: SimpleQueue[tuple[Callable[[], Process], Future[Process]]]) -> None:
        while True:
            make, future = wanted.get()
            try:
                future.set_result(make())
            except BaseException as error:  # noqa: BLE001 - it is raised to whoever waits
                future.set_exception(error)
            del make, future


_NURSERY = _Nursery()

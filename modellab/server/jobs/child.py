"""Child: a pytest that runs beside the server, in a session of its own, and whose output goes to a log."""

import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Self

from modellab.server.jobs.log import Log

_CHUNK_BYTES = 1 << 16
_LOOK_S = 0.1
_READ_S = 10.0


class Child:
    """A running process; `ended` is set when it is gone, and what it left behind is told to go as well.

    One thread reads what it prints, one waits for its end: a child of its own may keep its output open, and is not read
    any more then. It may outlive the server only until it prints: the pipe has no reader then.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", log: Log) -> None:
        self.ended = Event()
        self._process = process
        self._log = log
        self._reader = Thread(target=self._read, name=f"modellab-job-{process.pid}", daemon=True)
        self._waiter = Thread(target=self._wait, name=f"modellab-job-{process.pid}-end", daemon=True)

    @classmethod
    def start(cls, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Log) -> Self:
        """Start a process.

        Raises:
            OSError: when there is no such program or folder.
        """
        process = subprocess.Popen(  # noqa: S603 - our own words, and names that were looked up
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        child = cls(process, log)
        child._reader.start()
        child._waiter.start()
        return child

    @property
    def pid(self) -> int:
        """Its number, which is its group's as well."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """How it ended: as it says, or the signal that ended it as a negative number; None while it runs."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Ask it to write what it has, and to end."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End it, and what it started."""
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        """Wait until all that it printed is written; for a disk that stands still no longer than _READ_S."""
        self._reader.join(_READ_S)

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended.is_set():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as printed:
            while chunk := self._next(printed.fileno()):
                with suppress(OSError):  # a full disk takes no log; the evaluation may go on
                    self._log.write(chunk)

    def _next(self, printed: int) -> bytes:
        """Give what is printed next; nothing at the end of the output, or where it is gone and all of it is read."""
        poll, gone = select.poll(), False
        poll.register(printed, select.POLLIN)
        while not poll.poll(1000 * _LOOK_S):
            if gone:
                return b""
            gone = self.ended.is_set()
        return os.read(printed, _CHUNK_BYTES)

    def _wait(self) -> None:
        self._process.wait()
        self.kill()
        self.ended.set()

"""Step: one command in the making of an environment, with its log, its time and its end."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modellab.errors import EnvironmentUnavailable

_TAIL_LINES = 20

# Becomes the command, after having asked the kernel to end it when this process is killed: nobody else would.
_LAUNCH = (
    "import os, sys; from modellab.measuring.child import die_with_parent; die_with_parent(); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command that adds what it prints to a log, and has so many seconds.

    Attributes:
        purpose: what it is for, as "install the base's packages", for messages.
        command: the program by its path, and its arguments.
        folder: where it runs.
        log: the file that what it prints is added to.
        limit_s: how long it may take, in seconds.
        remedy: what to do where it fails.
    """

    purpose: str
    command: Sequence[str]
    folder: Path
    log: Path
    limit_s: float
    remedy: str = ""

    def take(self) -> None:
        """Run it to its end. What it started ends with it, also where this process is interrupted.

        Raises:
            EnvironmentUnavailable: when it fails or takes too long, with its last lines.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            log.write(f"$ {' '.join(self.command)}\n".encode())
            log.flush()
            process = subprocess.Popen(  # noqa: S603
                (sys.executable, "-P", "-c", _LAUNCH, *self.command),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                code = process.wait(self.limit_s)
            except subprocess.TimeoutExpired:
                raise self._failure(f"took more than {self.limit_s:g} s") from None
            finally:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if code:
            raise self._failure(f"exit {code}")

    def _failure(self, why: str) -> EnvironmentUnavailable:
        lines = self.log.read_text(errors="replace").splitlines()
        said = "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:])
        remedy = f" {self.remedy}" if self.remedy else ""
        return EnvironmentUnavailable(
            f"cannot {self.purpose}: {why}.{remedy} All of it is in {self.log}:\n{said}", self.log
        )

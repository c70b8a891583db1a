"""Process: a server in a process of its own, for measurements and tests, and for programs that bring one along."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from modellab.errors import CannotServe
from modellab.machine.clock import MONOTONIC
from modellab.server.settings import PREFIX

GREETING = "Model Lab at "
START_S = 60.0
STOP_S = 30.0
_POLL_S = 0.05


@dataclass(kw_only=True, eq=False)
class ServerProcess:
    """A `modellab serve` on a free port of this machine. `with` starts it and waits until it listens, and stops it.

    Attributes:
        folder: where its data, its runs and its log are, unless the variables say otherwise.
        settings: by the names of the variables without their prefix, such as POOL__REPLICAS.
    """

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _url: str = field(default="", init=False)

    @property
    def url(self) -> str:
        """Where it listens, as http://127.0.0.1:8000."""
        return self._url

    @property
    def log(self) -> Path:
        """Everything that it printed."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int:
        """The process of the server; its models and decoders are children of it."""
        assert self._process is not None, "start comes first"
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it listens.

        Raises:
            CannotServe: with its log, when it ends or takes longer than START_S.
        """
        (self.folder / "runs").mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "modellab.cli", "serve", "--port", "0"],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline_s = MONOTONIC() + START_S
        while not (found := self._greeting(begin)):
            if self._process.poll() is not None or MONOTONIC() > deadline_s:
                self.kill()
                raise CannotServe(f"the server did not start: {self.log.read_text(errors='replace')[begin:]}")
            time.sleep(_POLL_S)
        self._url = found

    def stop(self) -> int:
        """Ask it to stop, and give its exit status; one that takes longer than STOP_S is killed."""
        assert self._process is not None, "start comes first"
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def kill(self) -> None:
        """End it at once; its children end with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def resident_bytes(self) -> int:
        """Give what it and all its children hold of memory, together."""
        server = psutil.Process(self.pid)
        total = 0
        for process in (server, *server.children(recursive=True)):
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total

    def _environment(self) -> dict[str, str]:
        places = {"DATA": str(self.folder / "data"), "RUNS": str(self.folder / "runs")}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        return inherited | {PREFIX + name: value for name, value in {**places, **self.settings}.items()}

    def _greeting(self, begin: int) -> str:
        """Give the address that it printed, once it did."""
        printed = self.log.read_bytes()[begin:].decode(errors="replace")
        url, ended, _ = printed.partition(GREETING)[2].partition("\n")
        return url.strip() if ended else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

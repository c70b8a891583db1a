"""One command in the making of an environment: what it says, how long it may take, what it leaves behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from modellab.environments.step import Step
from modellab.errors import EnvironmentUnavailable


@pytest.fixture
def step(tmp_path: Path) -> Callable[..., Step]:
    """A maker of steps that run a shell's words."""

    def make(words: str, limit_s: float = 30.0, remedy: str = "") -> Step:
        return Step(
            purpose="paint the house",
            command=("/bin/sh", "-c", words),
            folder=tmp_path,
            log=tmp_path / "logs" / "step.log",
            limit_s=limit_s,
            remedy=remedy,
        )

    return make


def gone(pid: int, within_s: float = 30.0) -> bool:
    """Say whether a process ends in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:  # its new parent may be slow to bury it
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def written(path: Path, within_s: float = 30.0) -> int:
    """Give the number that a process writes to a file, once it is there."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if path.exists() and (said := path.read_text()).endswith("\n"):
            return int(said)
        time.sleep(0.02)
    raise AssertionError(f"nobody wrote {path}")


def test_what_it_prints_is_kept(step: Callable[..., Step], tmp_path: Path) -> None:
    """Both streams of every step are added to the log, below the command; it runs in its folder, with no input."""
    step("pwd; echo aloud; echo aside >&2").take()
    step("cat; echo again").take()
    said = (tmp_path / "logs" / "step.log").read_text().splitlines()
    assert said[1:4] == [str(tmp_path), "aloud", "aside"]
    assert (said[0], said[-1]) == ("$ /bin/sh -c pwd; echo aloud; echo aside >&2", "again")


def test_a_failure_shows_its_last_lines(step: Callable[..., Step], tmp_path: Path) -> None:
    """The error says what failed, how, what to do, where all of it is, and the last 20 lines."""
    with pytest.raises(EnvironmentUnavailable) as caught:
        step("for i in $(seq 100 200); do echo line $i; done; exit 7", remedy="Buy paint.").take()
    words = str(caught.value)
    assert words.startswith(f"cannot paint the house: exit 7. Buy paint. All of it is in {tmp_path}/logs/step.log:")
    assert words.splitlines()[1:] == [f"  line {number}" for number in range(181, 201)]
    assert caught.value.log == tmp_path / "logs" / "step.log"


def test_a_program_that_is_not_there(step: Callable[..., Step], tmp_path: Path) -> None:
    """A program that cannot be started fails as a step does, by its name."""
    missing = Step(purpose="knock", command=("/no/such/program",), folder=tmp_path, log=tmp_path / "l", limit_s=9)
    with pytest.raises(EnvironmentUnavailable, match=r"(?s)cannot knock: exit 1.*FileNotFoundError"):
        missing.take()


def test_too_long(step: Callable[..., Step], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that outlasts its time ends with all that it started."""

    class Begun(subprocess.Popen):
        def wait(self, timeout: float | None = None) -> int:
            written(tmp_path / "own")
            return super().wait(timeout)

    monkeypatch.setattr(subprocess, "Popen", Begun)
    with pytest.raises(EnvironmentUnavailable, match=r"cannot paint the house: took more than 0\.1 s\."):
        step("sleep 60 & echo $! > child; echo $$ > own; wait", limit_s=0.1).take()
    assert all(gone(written(tmp_path / name)) for name in ("child", "own"))


@pytest.mark.skipif(sys.platform != "linux", reason="relies on the kernel's care for orphans")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_whoever_took_it(tmp_path: Path, number: signal.Signals) -> None:
    """A gate that is killed, or interrupted by Ctrl-C, leaves no installation running."""
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # a shell may have us ignore it
        "from pathlib import Path; from modellab.environments.step import Step; folder = Path.cwd(); "
        "Step(purpose='x', command=('/bin/sh', '-c', 'echo $$ > pid; exec sleep 60'), folder=folder, "
        "log=folder / 'log', limit_s=60).take()"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        pid = written(tmp_path / "pid")
        os.kill(process.pid, number)
    assert gone(pid)

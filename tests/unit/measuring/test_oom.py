"""Killed for memory: by a kernel on paper, and by the one of this machine where a group may be limited here."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from modellab.errors import WorkerFailed
from modellab.machine.clock import MONOTONIC
from modellab.machine.control_group import ControlGroup
from modellab.machine.oom import OomWatch
from modellab.measuring import cold_start, worker
from modellab.measuring.accuracy import Place, hear
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.cold_start import start_cold
from modellab.measuring.worker import Worker
from modellab.speech.audio import Audio
from modellab.testing import FakeBackend

AUDIO = Audio(samples=np.zeros(1600, np.float32))
LIMIT_BYTES = 400 << 20
LIMITED = {1: "memory.limit_in_bytes", 2: "memory.max"}


class Kernel:
    """A tree in which a kernel counts whom it killed."""

    def __init__(self, root: Path) -> None:
        self.root, self.group = root, root / "sys/fs/cgroup/app"
        for process in ("self", str(os.getpid())):
            (root / "proc" / process).mkdir(parents=True)
            (root / "proc" / process / "cgroup").write_text("0::/app\n")
            (root / "proc" / process / "mountinfo").write_text("30 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        self.group.mkdir(parents=True)
        (self.group / "memory.max").write_text(f"{LIMIT_BYTES}\n")
        self.says(in_group=3, on_machine=8)

    def says(self, *, in_group: int | None, on_machine: int | None) -> None:
        """Count; None takes a count away."""
        for file, count in ((self.group / "memory.events", in_group), (self.root / "proc/vmstat", on_machine)):
            file.unlink(missing_ok=True)
            if count is not None:
                file.write_text(f"oom_kill {count}\n")


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """A kernel that has killed 3 in the group, and 8 on the machine."""
    return Kernel(tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "struck"),
    [
        ((3, 8), (3, 8), False),
        ((3, 8), (4, 9), True),
        ((3, 8), (3, 9), False),
        ((None, 8), (None, 9), True),
        ((None, 8), (None, 8), False),
        ((3, 8), (None, 9), True),
        ((3, None), (4, None), True),
        ((None, None), (None, None), False),
        ((None, None), (None, 9), False),
        ((None, 8), (None, None), False),
    ],
    ids=[
        "nobody", "in the group", "elsewhere", "no group", "no group, nobody", "the group is gone",
        "no machine", "nobody tells", "told too late", "told no more",
    ],
)  # fmt: skip
def test_a_count_that_rose_is_a_kill(kernel: Kernel, before: Any, after: Any, struck: bool) -> None:
    """The group's count decides, the machine's where there is none; what is not told is never a kill."""
    kernel.says(in_group=before[0], on_machine=before[1])
    watch = OomWatch.over(root=kernel.root)
    kernel.says(in_group=after[0], on_machine=after[1])
    assert watch.struck is struck


def test_the_words_name_the_limit(kernel: Kernel, tmp_path: Path) -> None:
    """What is said names the limit of the group, or what the machine has where there is none."""
    assert OomWatch.over(root=kernel.root).words.endswith("ran out of memory (its control group may use 400 MiB)")
    total = psutil.virtual_memory().total / (1 << 20)
    assert f"(this machine has {total:,.0f} MiB)" in OomWatch.over(root=tmp_path / "nothing").words


@pytest.fixture
def watched(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A kernel on paper that workers and cold starts ask in place of the real one; all processes are in its group."""
    over = OomWatch.over
    for module in (worker, cold_start):
        monkeypatch.setattr(module.OomWatch, "over", lambda process="self": over("self", kernel.root))
    return kernel


@pytest.mark.parametrize("counted", [True, False], ids=["by the kernel", "by somebody"])
def test_a_worker_that_was_killed_says_for_what(watched: Kernel, counted: bool) -> None:
    """A SIGKILL with a kill for memory is OutOfMemory with the limit and what helps; one without is as it was."""
    with Worker(blueprint=Blueprint.of("fake", FakeBackend())) as made:
        watched.says(in_group=3 + counted, on_machine=8)
        psutil.Process(made.pid).kill()
        with pytest.raises(WorkerFailed) as caught:
            made.transcribe([AUDIO])
    assert (caught.value.kind, caught.value.stage) == ("OutOfMemory" if counted else "SIGKILL", "transcribe")
    expected = r"killed by the kernel.*400 MiB.*when asked to transcribe.*smaller batch, fewer replicas"
    assert bool(caught.match(expected if counted else "SIGKILL"))


def test_who_was_killed_here_was_not_killed_by_the_kernel(watched: Kernel) -> None:
    """A worker that this process killed is SIGKILL, though the kernel has killed another meanwhile."""
    with Worker(blueprint=Blueprint.of("fake", FakeBackend())) as made:
        watched.says(in_group=4, on_machine=9)
        made.kill()
        with pytest.raises(WorkerFailed) as caught:
            made.transcribe([AUDIO])
    assert caught.value.kind == "SIGKILL"


def test_a_crash_is_no_kill(watched: Kernel) -> None:
    """A worker that crashed by itself has its own kind, whomever the kernel has killed."""
    with Worker(blueprint=Blueprint.of("fake", FakeBackend(mishap="exits"))) as made:
        watched.says(in_group=4, on_machine=9)
        with pytest.raises(WorkerFailed) as caught:
            made.transcribe([AUDIO])
    assert caught.value.kind == "exit 3"


def test_a_cold_start_that_was_killed_says_for_what(
    watched: Kernel, utterance: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cold start whose process the kernel killed for memory is a failure that says so."""

    def killed(*_: Any, **__: Any) -> Any:
        watched.says(in_group=4, on_machine=9)
        return run([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"], **captured)

    run, captured = cold_start.subprocess.run, {"capture_output": True, "text": True, "check": False}
    monkeypatch.setattr(cold_start.subprocess, "run", killed)
    fact = start_cold("fake", FakeBackend(), utterance(), model="m", session=1)
    assert fact.failure is not None
    assert (fact.failure.stage, fact.failure.kind) == ("load", "OutOfMemory")
    assert "may use 400 MiB" in fact.failure.message
    assert fact.failure.message.endswith("need less.")


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group below our own that may use 400 MiB; skips where none may be made."""
    ours = ControlGroup.of()
    if ours is None:
        pytest.skip("this machine has no control groups of memory")
    folder = ours.folder / f"modellab-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group may be made here: {error}")
    try:
        (folder / LIMITED[ours.version]).write_text(str(LIMIT_BYTES))
    except OSError as error:
        folder.rmdir()
        pytest.skip(f"no control group may be limited here: {error}")
    yield folder
    deadline = MONOTONIC() + 30
    while folder.exists() and MONOTONIC() < deadline:  # what was killed in it may not be buried yet
        with suppress(OSError):
            folder.rmdir()
        time.sleep(0.02)


def test_a_hungry_worker_is_killed_by_this_kernel(
    small_group: Path, tmp_path: Path, utterance: Callable[..., Any], place: Place
) -> None:
    """A worker that takes more than its group may is killed, and its utterance's record says why and by what limit."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho $$ > '{small_group}/cgroup.procs'\nexec '{sys.executable}' \"$@\"\n")
    python.chmod(0o755)
    hungry = Blueprint.of("fake", FakeBackend(leaks_bytes=LIMIT_BYTES * 2))

    class Loaded:
        backend = Worker(blueprint=hungry, python=python)

    with Loaded.backend:
        (record,) = hear(Loaded(), [utterance()], place, 1)
        assert not Loaded.backend.alive
    assert record.failure is not None
    assert (record.failure.stage, record.failure.kind) == ("crash", "OutOfMemory")
    assert "its control group may use 400 MiB" in record.failure.message

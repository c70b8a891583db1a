"""The canary: what a machine says of itself, and what it does not say."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.machine import canary
from modellab.machine.canary import (
    Glance,
    Throttling,
    between,
    fixed_work,
    glance,
    processor_ticks,
    throttling,
    typical_work_s,
)
from modellab.machine.clock import timed

V2 = "usage_usec 5\nnr_periods 9\nnr_throttled {periods}\nthrottled_usec {micros}\n"
V1 = "nr_periods 9\nnr_throttled {periods}\nthrottled_time {nanos}\n"


@pytest.fixture
def proc(tmp_path: Path) -> Callable[..., Path]:
    """A maker of a /proc with these files."""

    def make(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / "proc" / (name if name == "stat" else f"self/{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "proc"

    return make


def put(folder: Path, text: str) -> None:
    """Write a group's cpu.stat."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.stat").write_text(text)


def test_this_machine_tells_plausible_things() -> None:
    """Two glances at this machine give times, a load and shares that can be."""
    machine = between(glance(), glance(), {0})
    assert len(machine.fixed_work_before_s) == len(machine.fixed_work_after_s) == 5
    assert all(1e-3 < seconds < 5 for seconds in machine.fixed_work_before_s)
    assert 1 <= machine.cores <= os.cpu_count()
    assert machine.pinned == (0,)
    assert machine.steal is None or 0 <= machine.steal <= 1
    assert machine.throttled_s is None or 0 <= machine.throttled_s < 60
    assert machine.load_before >= 0
    turns = (*machine.fixed_work_before_s, *machine.fixed_work_after_s)
    assert min(turns) <= typical_work_s(machine) <= max(turns)


def test_fixed_work_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the work takes longer, of the processor's own time, which nobody else makes longer."""
    monkeypatch.setattr(canary, "timed", lambda work: timed(work, time.thread_time))
    once = sorted(fixed_work())[0]
    monkeypatch.setattr(canary, "_PRODUCTS", 4 * canary._PRODUCTS)
    monkeypatch.setattr(canary, "_PASSES", 4 * canary._PASSES)
    assert sorted(fixed_work())[0] > 2 * once


def test_steal_is_a_share_of_all_ticks(proc: Callable[..., Path]) -> None:
    """Ticks are summed without those of guests, which are among those of users; steal is the eighth number."""
    folder = proc(stat="cpu  10 1 2 70 3 4 5 6 7 8\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    assert processor_ticks(folder) == (101, 6)
    facts = between(Glance(ticks=101, stolen=6), Glance(ticks=201, stolen=11))
    assert facts.steal == pytest.approx(0.05)


@pytest.mark.parametrize("stat", [None, "", "cpu 1 2 3 4\n", "intr 1 2 3 4 5 6 7 8 9\n", "cpu a b c d e f g h\n"])
def test_no_steal_is_told_where_there_is_none(proc: Callable[..., Path], stat: str | None) -> None:
    """A kernel without the file, or without the number, says nothing, which is not zero."""
    assert processor_ticks(proc(**{"stat": stat} if stat is not None else {})) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [(Glance(), Glance(ticks=9, stolen=1)), (Glance(ticks=9, stolen=1), Glance()), (Glance(ticks=9, stolen=1),) * 2],
)
def test_no_share_without_two_moments(before: Glance, after: Glance) -> None:
    """Where one of two moments is missing, or no time passed, there is no share."""
    assert between(before, after).steal is None


def test_throttling_of_version_2(proc: Callable[..., Path], tmp_path: Path) -> None:
    """The group's own limit and those around it count together; a root that has no limit says nothing."""
    mount = tmp_path / "cgroup"
    put(mount, "usage_usec 5\n")
    put(mount / "outer", V2.format(periods=2, micros=500_000))
    put(mount / "outer" / "inner", V2.format(periods=3, micros=1_000_000))
    folder = proc(cgroup="0::/outer/inner\n", mountinfo=f"31 23 0:28 / {mount} rw,relatime - cgroup2 cgroup2 rw\n")
    assert throttling(folder) == Throttling(periods=5, seconds=1.5)


def test_throttling_of_version_1(proc: Callable[..., Path], tmp_path: Path) -> None:
    """In version 1 the group for processor time is asked; one that is mounted as the root is the root."""
    mount = tmp_path / "cgroup" / "cpu,cpuacct"
    put(mount, V1.format(periods=4, nanos=250_000_000))
    put(tmp_path / "cgroup" / "memory", V1.format(periods=99, nanos=99))
    folder = proc(
        cgroup="4:memory:/x\n1:cpu,cpuacct:/docker/abc\n0::/\n",
        mountinfo=f"40 31 0:37 /docker/abc {mount} rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        f"41 31 0:38 / {mount.parent}/memory rw - cgroup cgroup rw,memory\n",
    )
    assert throttling(folder) == Throttling(periods=4, seconds=0.25)


def test_no_throttling_is_told_where_nobody_tells(proc: Callable[..., Path], tmp_path: Path) -> None:
    """Without groups, mounts or counts there is nothing, which is not zero."""
    assert throttling(tmp_path / "nowhere") is None
    mount = tmp_path / "cgroup"
    put(mount, "usage_usec 5\n")
    folder = proc(cgroup="0::/\n", mountinfo=f"31 23 0:28 / {mount} rw - cgroup2 cgroup2 rw\n")
    assert throttling(folder) is None
    assert between(Glance(), Glance()).throttled_periods is None
    put(mount, "nr_throttled many\n")
    assert throttling(folder) is None


def test_throttling_between_two_moments() -> None:
    """What was waited between two moments is told, not what was waited before."""
    early, late = Throttling(periods=5, seconds=1.5), Throttling(periods=7, seconds=2.0)
    facts = between(Glance(throttling=early), Glance(throttling=late))
    assert (facts.throttled_periods, facts.throttled_s) == (2, 0.5)
    assert typical_work_s(facts) is None

"""Canary: what tells that a machine was not itself while something was measured on it."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from statistics import median

import numpy as np

from modellab.machine.clock import timed
from modellab.records.duel import MachineFacts
from modellab.records.environment import usable_cores

PROC = Path("/proc")
_TURNS = 5
_PRODUCTS = 2000  # of 64 x 64, too small for a second thread
_PASSES = 30  # over 8 MiB, more than a core has for itself
_STOLEN = 7  # place in a line of /proc/stat, of user nice system idle iowait irq softirq steal guest guest_nice


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttling:
    """How often processes of ours reached a limit on processor time since it was set, and the seconds they waited."""

    periods: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The machine at one moment; None, or nothing, where it does not tell.

    Attributes:
        ticks: of the processor, used in any way or idle, since the machine started.
        stolen: those of them that the hypervisor gave to others.
        throttling: what a limit on processor time has cost so far.
        load: how many processes worked or wanted to, on average of a minute.
        fixed_work_s: how long the same arithmetic took, over and over, in seconds.
    """

    ticks: int | None = None
    stolen: int | None = None
    throttling: Throttling | None = None
    load: float | None = None
    fixed_work_s: tuple[float, ...] = ()


def glance() -> Glance:
    """Look at the machine, for about 0.1 s; whoever is measured should be at rest."""
    work = fixed_work()
    ticks, stolen = processor_ticks() or (None, None)
    return Glance(ticks=ticks, stolen=stolen, throttling=throttling(), load=_load(), fixed_work_s=work)


def between(before: Glance, after: Glance, pinned: Collection[int] | None = None) -> MachineFacts:
    """Give how the machine was between two moments."""
    throttled = None
    if before.throttling and after.throttling:
        throttled = Throttling(
            periods=after.throttling.periods - before.throttling.periods,
            seconds=after.throttling.seconds - before.throttling.seconds,
        )
    return MachineFacts(
        cores=usable_cores(),
        pinned=tuple(sorted(pinned)) if pinned else None,
        fixed_work_before_s=before.fixed_work_s,
        fixed_work_after_s=after.fixed_work_s,
        steal=_steal(before, after),
        throttled_periods=throttled.periods if throttled else None,
        throttled_s=throttled.seconds if throttled else None,
        load_before=before.load,
        load_after=after.load,
    )


def fixed_work() -> tuple[float, ...]:
    """Multiply the same small matrices, and go over the same large array, five times; give the seconds of each time.

    The first time, which touches fresh memory, is not among them.
    """
    tile, spare = np.full((64, 64), 1 / 64, np.float32), np.empty((64, 64), np.float32)
    source = np.linspace(0, 1, 1 << 20, dtype=np.float32)
    sink = np.empty_like(source)

    def work() -> None:
        for _ in range(_PRODUCTS):
            np.matmul(tile, tile, out=spare)
        for _ in range(_PASSES):
            np.multiply(source, source, out=sink)

    work()
    return tuple(timed(work)[1] for _ in range(_TURNS))


def typical_work_s(machine: MachineFacts) -> float | None:
    """Give the median of the fixed work before and after, in seconds; None where none was done."""
    turns = (*machine.fixed_work_before_s, *machine.fixed_work_after_s)
    return median(turns) if turns else None


def processor_ticks(proc: Path = PROC) -> tuple[int, int] | None:
    """Give ticks in all and those stolen, summed over cores; None where the kernel does not tell.

    Source: Linux, Documentation/filesystems/proc.rst, /proc/stat. Ticks of guests are among those of users.
    """
    with suppress(OSError, ValueError, IndexError):
        first = (proc / "stat").read_text().splitlines()[0].split()
        ticks = [int(count) for count in first[1 : _STOLEN + 2]]
        if first[0] == "cpu":
            return sum(ticks), ticks[_STOLEN]
    return None


def throttling(proc: Path = PROC) -> Throttling | None:
    """Give what limits on processor time have cost this process's control group and those around it.

    None where no group tells, which is where there are no control groups, or no limit can be seen from here.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst, cpu.stat; Documentation/scheduler/sched-bwc.rst for v1.
    """
    told = [found for folder in _groups(proc) if (found := _throttling_in(folder / "cpu.stat"))]
    if not told:
        return None
    return Throttling(periods=sum(each.periods for each in told), seconds=sum(each.seconds for each in told))


def _throttling_in(path: Path) -> Throttling | None:
    with suppress(OSError, ValueError):
        told = {name: int(count) for name, count in map(str.split, path.read_text().splitlines())}
        if "nr_throttled" in told:
            waited_s = told["throttled_usec"] / 1e6 if "throttled_usec" in told else told["throttled_time"] / 1e9
            return Throttling(periods=told["nr_throttled"], seconds=waited_s)
    return None


def _groups(proc: Path) -> Iterator[Path]:
    """Give the folders of the control groups for processor time that this process is in, the innermost first."""
    own = _own_groups(proc)
    for mount, root, kind in _mounts(proc):
        if kind not in own:
            continue
        group = PurePosixPath(own[kind])
        inside = group.relative_to(root) if group.is_relative_to(root) else PurePosixPath()
        yield from (mount / part for part in (inside, *inside.parents))


def _own_groups(proc: Path) -> Mapping[str, str]:
    """Give the path of this process's group by version: v1 for its processor time, v2 for everything."""
    own = {}
    with suppress(OSError, ValueError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0":
                own["v2"] = path
            elif "cpu" in controllers.split(","):
                own["v1"] = path
    return own


def _mounts(proc: Path) -> Iterator[tuple[Path, str, str]]:
    """Give where groups are mounted, which group is the root there, and the version."""
    with suppress(OSError, ValueError):
        for line in (proc / "self" / "mountinfo").read_text().splitlines():
            place, _, source = line.partition(" - ")
            (root, mount), (kind, _, options) = place.split()[3:5], source.split()[:3]
            if kind == "cgroup2":
                yield Path(mount), root, "v2"
            elif kind == "cgroup" and "cpu" in options.split(","):
                yield Path(mount), root, "v1"


def _steal(before: Glance, after: Glance) -> float | None:
    if before.ticks is None or after.ticks is None or before.stolen is None or after.stolen is None:
        return None
    passed = after.ticks - before.ticks
    return (after.stolen - before.stolen) / passed if passed > 0 else None


def _load() -> float | None:
    with suppress(OSError):
        return os.getloadavg()[0]
    return None

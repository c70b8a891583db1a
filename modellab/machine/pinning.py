"""Pinning: holding a process to some of the machine's cores."""

import os
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from modellab.errors import MeasurementRefused


def refuse_unpinnable(cores: Collection[int]) -> None:
    """Refuse cores to which nothing can be pinned here.

    Raises:
        MeasurementRefused: when there is none, this process may not use them, or the system pins no processes.
    """
    if sys.platform != "linux":
        raise MeasurementRefused("only Linux pins the processes of others to cores; leave the cores out")
    allowed = os.sched_getaffinity(0)
    if not cores or not set(cores) <= allowed:
        raise MeasurementRefused(f"cannot pin to the cores {sorted(cores)}; allowed: one or more of {sorted(allowed)}")


def pin(pid: int, cores: Collection[int]) -> None:
    """Hold all threads of a process, and those they will start, to these cores.

    Raises:
        OSError: when there is no such process, or it is somebody else's.
    """
    pinned: set[int] = set()
    while new := {int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()} - pinned:
        for thread in new:
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cores)
        pinned |= new

"""Memory: what this process holds, and the most it ever held."""

import resource
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The resident size of a process now, and the largest it ever had, in bytes."""

    resident_bytes: int
    peak_bytes: int


def memory() -> Memory:
    """Give the memory of this process.

    On Linux the peak is the high-water mark of this program image alone: `ru_maxrss` would also count what the parent
    held before it started us.
    """
    told = _told_by_kernel()
    if "VmHWM" in told:
        return Memory(resident_bytes=told["VmRSS"], peak_bytes=told["VmHWM"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Memory(resident_bytes=psutil.Process().memory_info().rss, peak_bytes=peak)


def peak_memory_bytes() -> int:
    """Give the largest resident size of this process in bytes."""
    return memory().peak_bytes


def _told_by_kernel() -> dict[str, int]:
    """Give the sizes in this process's status, in bytes; none where there is no such file."""
    if not _STATUS.is_file():
        return {}
    fields = (line.split() for line in _STATUS.read_text().splitlines() if line.endswith(" kB"))
    return {name.rstrip(":"): int(size) * 1024 for name, size, _ in fields}

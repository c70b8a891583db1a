"""Memory: what this process holds, and the most it ever held."""

import ctypes
import resource
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The resident size of a process now, and the largest it ever had, in bytes; None where nobody tells."""

    resident_bytes: int | None
    peak_bytes: int | None


def memory() -> Memory:
    """Give the memory of this process.

    On Linux the peak is the high-water mark of this program image alone: `ru_maxrss` would also count what the parent
    held before it started us.
    """
    told = _told_by_kernel()
    return Memory(
        resident_bytes=told.get("VmRSS") or _resident_by_psutil(), peak_bytes=told.get("VmHWM") or _peak_by_getrusage()
    )


def peak_memory_bytes() -> int | None:
    """Give the largest resident size of this process in bytes; None where nobody tells."""
    return memory().peak_bytes


def trim() -> None:
    """Hand what was freed back to the system, where the allocator can (glibc); elsewhere nothing happens.

    A runtime that starts threads at each load leaves freed memory in an arena for each of them, which the resident size
    counts though nobody holds it.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _resident_by_psutil() -> int | None:
    with suppress(OSError, psutil.Error):
        return psutil.Process().memory_info().rss or None
    return None


def _peak_by_getrusage() -> int | None:
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes or None


def _told_by_kernel() -> dict[str, int]:
    """Give the sizes in this process's status, in bytes; none where there is no such file, or it cannot be read."""
    try:
        lines = _STATUS.read_text().splitlines()
    except (OSError, ValueError):
        return {}
    fields = [line.split() for line in lines if line.endswith(" kB")]
    return {name.rstrip(":"): int(size) * 1024 for name, size, *_ in fields if size.isdecimal()}

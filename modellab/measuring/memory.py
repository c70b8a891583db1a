"""Memory: the most this process ever held."""

import resource
import sys
from pathlib import Path


def peak_memory_bytes() -> int:
    """Give the largest resident size of this process in bytes.

    On Linux this is the high-water mark of this program image alone: `ru_maxrss` would also count what the parent
    held before it started us.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

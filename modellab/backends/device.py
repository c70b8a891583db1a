"""Device: how devices are written, and which of torch's this machine has."""

import platform
import re
from functools import cache
from pathlib import Path

_WRITTEN = re.compile(r"cpu|mps|cuda(:[0-9]+)?")


def device_refusal(device: str) -> str | None:
    """Say that a device is written as none is; None where it is "cpu", "cuda", "cuda:1" or "mps"."""
    return None if _WRITTEN.fullmatch(device) else f"unknown device {device!r}; known: cpu, cuda, cuda:N, mps"


def torch_refusal(device: str) -> str | None:
    """Say why torch cannot use a device ("cpu", "cuda", "cuda:1", "mps") here; None where it can."""
    kind, _, index = device.partition(":")
    unknown = device_refusal(device)
    if unknown or kind == "cpu":
        return unknown
    import torch

    if kind == "cuda":
        count = torch.cuda.device_count()
        return None if count > int(index or 0) else f"torch sees {count} CUDA devices, so there is no {device}"
    return None if torch.backends.mps.is_available() else "torch sees no Apple GPU (mps)"


def device_class(device: str) -> str:
    """Give the kind of hardware behind a device: devices of one class compute the same."""
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return f"{kind} {processor()}"
    import torch

    return f"cuda {torch.cuda.get_device_name(int(index or 0))}"


@cache
def processor() -> str:
    """Give the name of this machine's processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"

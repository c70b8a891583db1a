"""Device: what a model runs on, how it is written, and which of torch's this machine has."""

import platform
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import psutil

from modellab.errors import UnknownName

Kind = Literal["cpu", "cuda", "mps"]

AUTO = "auto"
DEVICES = ("cpu", "cuda", "cuda:N", "mps")
_WRITTEN = re.compile(r"cpu|mps|cuda(:[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A processor or a GPU. None means that it could not be told.

    Attributes:
        name: as it is written: "cpu", "cuda", "cuda:1" or "mps".
        kind: the name without a number.
        hardware: what its maker calls it.
        memory_bytes: all that it has; of the cpu, and of an Apple GPU that shares it, that of the machine.
        capability: of a CUDA device, the version of what it can compute, such as "8.0".
        uuid: of a CUDA device, the name that no other has.
    """

    name: str
    kind: Kind
    hardware: str | None = None
    memory_bytes: int | None = None
    capability: str | None = None
    uuid: str | None = None

    @property
    def number(self) -> int:
        """Which of its kind, from 0."""
        return int(self.name.partition(":")[2] or 0)


def describe(device: str) -> Device:
    """Give the device that is written so; of a CUDA device that torch does not see, only how it is written.

    Raises:
        UnknownName: when no device is written so.
    """
    if device_refusal(device):
        raise UnknownName("device", device, DEVICES)
    if device.startswith("cuda"):
        return _cuda(device)
    kind: Kind = "mps" if device == "mps" else "cpu"
    return Device(name=device, kind=kind, hardware=processor(), memory_bytes=psutil.virtual_memory().total)


def device_refusal(device: str) -> str | None:
    """Say that a device is written as none is; None where it is "cpu", "cuda", "cuda:1" or "mps"."""
    if device == AUTO:
        return f"device {AUTO!r} is for the bench, which finds out what is there; here name one of {', '.join(DEVICES)}"
    return None if _WRITTEN.fullmatch(device) else f"unknown device {device!r}; known: {', '.join(DEVICES)}"


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


def settle(device: str) -> None:
    """Wait until torch has done all that it was asked for on a GPU; the cpu has always done it."""
    kind = device.partition(":")[0]
    if kind == "cpu":
        return
    import torch

    if kind == "cuda":
        torch.cuda.synchronize(device)
    else:
        torch.mps.synchronize()


def release(device: str) -> None:
    """Give back what torch keeps to itself of a CUDA device's memory; others keep nothing."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()


def device_class(device: str) -> str:
    """Give the kind of hardware behind a device: devices of one class compute the same."""
    found = describe(device)
    return f"{found.kind} {found.hardware or f'{device} of {platform.node()}'}"


@cache
def processor() -> str:
    """Give the name of this machine's processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _cuda(device: str) -> Device:
    """Give what torch tells of a CUDA device; CTranslate2 may use one that torch, or no torch, knows nothing of."""
    written = Device(name=device, kind="cuda")
    try:
        import torch

        told = torch.cuda.get_device_properties(written.number)
    except (ImportError, AssertionError, RuntimeError):
        return written
    uuid = getattr(told, "uuid", None)
    return Device(
        name=device,
        kind="cuda",
        hardware=told.name,
        memory_bytes=told.total_memory,
        capability=f"{told.major}.{told.minor}",
        uuid=None if uuid is None else str(uuid),
    )

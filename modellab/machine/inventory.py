"""Inventory: the devices of a session, how they are set, and which of the machine's sensors cannot be read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from modellab.backends.device import Device
from modellab.errors import SensorUnreadable
from modellab.machine.accelerator import accelerator
from modellab.machine.energy import POWERCAP, read_counters
from modellab.records.device import DeviceFacts

CPUFREQ = Path("/sys/devices/system/cpu/cpu0/cpufreq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What was found. `unreadable` says of each sensor that could not be read why; what it would say is absent."""

    devices: tuple[DeviceFacts, ...]
    unreadable: Mapping[str, str]


def take_inventory(devices: Iterable[Device], cpufreq: Path = CPUFREQ, powercap: Path = POWERCAP) -> Inventory:
    """Look at devices as they are set now; the cores of a processor are taken to be set as the first of them is.

    Source: Linux, Documentation/admin-guide/pm/cpufreq.rst.
    """
    wanted = tuple(devices)
    found = []
    unreadable = {f"energy of {what}": why for what, why in read_counters(wanted, powercap).unreadable.items()}
    for device in wanted:
        facts = DeviceFacts(device=device)
        try:
            if device.kind == "cuda":
                facts = accelerator(device).facts()
            elif device.kind == "cpu":
                facts = _processor(device, cpufreq)
        except SensorUnreadable as error:
            unreadable[f"clock of {device.name}"] = str(error)
        found.append(facts)
    return Inventory(devices=tuple(found), unreadable=unreadable)


def _processor(device: Device, cpufreq: Path) -> DeviceFacts:
    """Give a processor's governor and the most that this lets its cores run at.

    Raises:
        SensorUnreadable: when the kernel tells neither.
    """
    governor, limit_khz = _line(cpufreq / "scaling_governor"), _line(cpufreq / "scaling_max_freq")
    limit_mhz = int(limit_khz) // 1000 if limit_khz and limit_khz.isdecimal() else None
    if governor is None and limit_mhz is None:
        raise SensorUnreadable(f"{cpufreq} tells neither a governor nor a frequency")
    return DeviceFacts(device=device, governor=governor, clock_limit_mhz=limit_mhz)


def _line(path: Path) -> str | None:
    """Give the one line of a file; None where it cannot be read, or is empty."""
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None

"""Hardware: how a device is written for people, with how it was set. What was not told is left out."""

from collections.abc import Iterator

from modellab.records.device import DeviceFacts
from modellab.reporting import figure


def hardware(facts: DeviceFacts) -> str:
    """Write a device: "NVIDIA H100, 81559 MiB, capability 9.0, driver 580.1, clock 1980 of 1980 MHz, …"."""
    return ", ".join(_parts(facts)) or figure.NOT_MEASURED


def _parts(facts: DeviceFacts) -> Iterator[str]:
    device = facts.device
    if device.hardware:
        yield device.hardware
    if device.memory_bytes:
        yield figure.mebibytes(device.memory_bytes)
    if device.capability:
        yield f"capability {device.capability}"
    if facts.driver:
        yield f"driver {facts.driver}"
    yield from _clock("clock", facts.clock_mhz, facts.clock_limit_mhz)
    yield from _clock("memory clock", facts.memory_clock_mhz, facts.memory_clock_limit_mhz)
    if facts.power_limit_w is not None:
        yield f"power limit {facts.power_limit_w:.0f} W"
    if facts.persistence is not None:
        yield f"persistence {'on' if facts.persistence else 'off'}"
    if facts.governor:
        yield f"governor {facts.governor}"


def _clock(name: str, now_mhz: int | None, limit_mhz: int | None) -> Iterator[str]:
    """Write a clock when the session began, and its limit."""
    match now_mhz, limit_mhz:
        case None, None:
            return
        case None, _:
            yield f"{name} at most {limit_mhz} MHz"
        case _, None:
            yield f"{name} {now_mhz} MHz"
        case _:
            yield f"{name} {now_mhz} of {limit_mhz} MHz"

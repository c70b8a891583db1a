"""DeviceFacts: a device that models ran on, and how it was set."""

from dataclasses import dataclass

from modellab.backends.device import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """A device as it was when a session began. None means that it has no such thing, or does not tell.

    Attributes:
        device: which.
        driver: of a GPU, the version of its driver.
        clock_mhz: of a GPU, at what its multiprocessors ran.
        clock_limit_mhz: the most that they, or the cores of a processor, may run at.
        memory_clock_mhz: of a GPU, at what its memory ran.
        memory_clock_limit_mhz: the most that it may run at.
        power_limit_w: of a GPU, the most power it may draw.
        persistence: of a GPU, whether its driver stays loaded while nobody uses it.
        governor: of a processor, what chooses its frequency: "performance", "powersave" ...
    """

    device: Device
    driver: str | None = None
    clock_mhz: int | None = None
    clock_limit_mhz: int | None = None
    memory_clock_mhz: int | None = None
    memory_clock_limit_mhz: int | None = None
    power_limit_w: float | None = None
    persistence: bool | None = None
    governor: str | None = None

"""Energy: the joules that the machine's own counters counted between two moments."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from modellab.backends.device import Device
from modellab.errors import SensorUnreadable
from modellab.machine.accelerator import accelerator

POWERCAP = Path("/sys/class/powercap")
_MICRO = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What a counter stood at; at `range_j` it starts again from 0, None where it never does or nobody knows when."""

    joules: float
    range_j: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All counters at one moment, by the name of what they are of; `unreadable` says why others are not among them."""

    counts: Mapping[str, Count] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What was counted between two readings, in joules, by the name of what drew it; of the others, why it was not."""

    counted_j: Mapping[str, float]
    unreadable: Mapping[str, str]

    @property
    def joules(self) -> float | None:
        """The sum; None where nothing was counted, never 0."""
        return sum(self.counted_j.values()) if self.counted_j else None

    @property
    def of(self) -> str:
        """What the sum is of: "package-0, NVIDIA H100 (cuda:0)"; empty where nothing was counted."""
        return ", ".join(self.counted_j)


def read_counters(devices: Iterable[Device] = (), powercap: Path = POWERCAP) -> Reading:
    """Read the counters of all processor packages, and of those of the devices that are CUDA's.

    A package's own counter holds its cores and whatever else is below it, so that only that is read; memory modules
    and the rest of the machine are not in it.

    Source: Linux, Documentation/power/powercap/powercap.rst (RAPL); NVML for GPUs.
    """
    counts: dict[str, Count] = {}
    unreadable: dict[str, str] = {}
    packages = dict(_packages(powercap))
    if not packages:
        unreadable["processor"] = f"no package has a counter of energy under {powercap}"
    for name, zone in packages.items():
        try:
            counts[name] = _package(zone)
        except SensorUnreadable as error:
            unreadable[name] = str(error)
    for device in devices:
        if device.kind == "cuda":
            try:
                gpu = accelerator(device)
                counts[f"{gpu.device.hardware} ({device.name})"] = Count(joules=gpu.energy_j())
            except SensorUnreadable as error:
                unreadable[device.name] = str(error)
    return Reading(counts=counts, unreadable=unreadable)


def between(before: Reading, after: Reading) -> Energy:
    """Give what was drawn between two readings.

    A counter that went round is followed once; one that starts again after so many joules must be read before it has
    done so twice (a package of 100 W: within some 40 minutes). One that stands still or runs backwards counts nothing.
    """
    counted: dict[str, float] = {}
    unreadable = {**before.unreadable, **after.unreadable}
    for name in before.counts.keys() & after.counts.keys():
        try:
            counted[name] = _passed_j(before.counts[name], after.counts[name])
        except SensorUnreadable as error:
            unreadable[name] = str(error)
    return Energy(counted_j=dict(sorted(counted.items())), unreadable=unreadable)


def _passed_j(before: Count, after: Count) -> float:
    passed = after.joules - before.joules
    if passed < 0 and after.range_j is not None:
        passed += after.range_j
    if passed == 0:
        raise SensorUnreadable("its counter stood still")
    if passed < 0:
        raise SensorUnreadable("its counter ran backwards, and nobody knows where it starts again")
    return passed


def _packages(powercap: Path) -> Iterator[tuple[str, Path]]:
    """Give the zones that are whole packages, each once: that of the processor's registers before its copy in memory.

    The copy's folder, `intel-rapl-mmio:0`, sorts first; the later of equal names stays in a dict.
    """
    for zone in sorted(powercap.glob("*")):
        with suppress(OSError, UnicodeDecodeError):
            name = (zone / "name").read_text().strip()
            if name.startswith("package"):
                yield name, zone


def _package(zone: Path) -> Count:
    range_j = None
    with suppress(SensorUnreadable):
        range_j = _joules(zone / "max_energy_range_uj") or None
    return Count(joules=_joules(zone / "energy_uj"), range_j=range_j)


def _joules(path: Path) -> float:
    """Read microjoules.

    Raises:
        SensorUnreadable: when the file is not there, is somebody else's, or holds no count.
    """
    try:
        written = path.read_text().strip()
    except PermissionError as error:
        raise SensorUnreadable(f"{path} may not be read: run as root, or let this user read it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SensorUnreadable(f"{path} cannot be read: {error}") from error
    if not (written.isascii() and written.isdigit()):
        raise SensorUnreadable(f"{path} holds no count but {written!r:.40}")
    return int(written) * _MICRO

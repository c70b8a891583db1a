"""Energy: what counters counted, and that what cannot be read is absent and has a reason, never 0."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.backends.device import Device
from modellab.errors import SensorUnreadable
from modellab.machine import energy
from modellab.machine.energy import POWERCAP, Count, Energy, Reading, between, read_counters

CUDA = Device(name="cuda:0", kind="cuda", hardware="NVIDIA H100")
CPU = Device(name="cpu", kind="cpu")


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    """Two packages with what is below them, a copy of one, and the whole machine, as Linux has them."""
    folder = tmp_path / "powercap"
    zones = {
        "intel-rapl": None,
        "intel-rapl:0": ("package-0", 5_000_000),
        "intel-rapl:0:0": ("core", 3_000_000),
        "intel-rapl:0:1": ("dram", 1_000_000),
        "intel-rapl:1": ("package-1", 7_000_000),
        "intel-rapl:2": ("psys", 90_000_000),
        "intel-rapl-mmio:0": ("package-0", 4_000_000),
    }
    for zone, told in zones.items():
        (folder / zone).mkdir(parents=True)
        if told:
            name, microjoules = told
            (folder / zone / "name").write_text(f"{name}\n")
            (folder / zone / "energy_uj").write_text(f"{microjoules}\n")
            (folder / zone / "max_energy_range_uj").write_text("262143328850\n")
    return folder


def reading(joules: float, range_j: float | None = None) -> Reading:
    """Give a reading of one package."""
    return Reading(counts={"package-0": Count(joules=joules, range_j=range_j)})


def test_each_package_counts_once(powercap: Path) -> None:
    """Whole packages are read in joules, without what is in them, what they are in, and what is a copy of them."""
    read = read_counters(powercap=powercap)
    range_j = pytest.approx(262143.32885)
    assert read.counts == {
        "package-0": Count(joules=5.0, range_j=range_j),
        "package-1": Count(joules=7.0, range_j=range_j),
    }
    assert read.unreadable == {}


def test_joules_between_two_readings(powercap: Path) -> None:
    """What was drawn is the sum over packages, and says what it is of."""
    before = read_counters(powercap=powercap)
    (powercap / "intel-rapl:0" / "energy_uj").write_text("6500000\n")
    (powercap / "intel-rapl:1" / "energy_uj").write_text("7250000\n")
    drawn = between(before, read_counters(powercap=powercap))
    assert drawn.counted_j == pytest.approx({"package-0": 1.5, "package-1": 0.25})
    assert drawn.joules == pytest.approx(1.75)
    assert (drawn.of, drawn.unreadable) == ("package-0, package-1", {})


def test_a_counter_goes_round() -> None:
    """A counter that started again from 0 on the way has its range added."""
    assert between(reading(90.0, 100.0), reading(5.0, 100.0)).joules == pytest.approx(15.0)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (reading(90.0), reading(5.0), "ran backwards"),
        (reading(300.0, 100.0), reading(5.0, 100.0), "ran backwards"),
        (reading(5.0, 100.0), reading(5.0, 100.0), "stood still"),
        (reading(0.0), reading(0.0), "stood still"),
    ],
)
def test_a_counter_that_does_not_count_is_absent(before: Reading, after: Reading, reason: str) -> None:
    """A counter that stands still, or runs backwards without a range that explains it, gives nothing, and not 0."""
    drawn = between(before, after)
    assert (drawn.joules, drawn.of) == (None, "")
    assert reason in drawn.unreadable["package-0"]


@pytest.mark.parametrize("written", ["", "many", "-5", "1.5", "nan", "0x10", "\x00"])
def test_garbage_is_no_count(powercap: Path, written: str) -> None:
    """A file that holds no count is unreadable, by path, and the other package is read."""
    (powercap / "intel-rapl:0" / "energy_uj").write_text(written)
    read = read_counters(powercap=powercap)
    assert set(read.counts) == {"package-1"}
    assert f"{powercap}/intel-rapl:0/energy_uj holds no count" in read.unreadable["package-0"]


def test_bytes_that_are_no_text_are_no_count(powercap: Path) -> None:
    """A counter's file that is not text is unreadable, and a zone whose name is not text is none."""
    (powercap / "intel-rapl:0" / "energy_uj").write_bytes(b"\xff\xfe")
    (powercap / "intel-rapl:1" / "name").write_bytes(b"\xff\xfe")
    read = read_counters(powercap=powercap)
    assert (read.counts, set(read.unreadable)) == ({}, {"package-0"})


def test_a_missing_counter_is_unreadable(powercap: Path) -> None:
    """A package without a counter has a reason."""
    (powercap / "intel-rapl:0" / "energy_uj").unlink()
    assert "No such file" in read_counters(powercap=powercap).unreadable["package-0"]


def test_a_counter_of_root_alone_is_unreadable(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that only root may read, as Linux has it since 2020, is absent, with what helps."""
    counter = powercap / "intel-rapl:0" / "energy_uj"
    counter.chmod(0)
    if os.geteuid() == 0:
        read_text = Path.read_text

        def refuse(path: Path, *given: str, **named: str) -> str:
            if path == counter:
                raise PermissionError(13, "Permission denied")
            return read_text(path, *given, **named)

        monkeypatch.setattr(Path, "read_text", refuse)
    read = read_counters(powercap=powercap)
    assert set(read.counts) == {"package-1"}
    assert "run as root" in read.unreadable["package-0"]


@pytest.mark.parametrize("written", [None, "0", "garbage"])
def test_without_a_range_a_counter_still_counts(powercap: Path, written: str | None) -> None:
    """A range that is missing, zero or garbage is unknown; what was counted forwards is known all the same."""
    range_path = powercap / "intel-rapl:0" / "max_energy_range_uj"
    range_path.unlink()
    if written is not None:
        range_path.write_text(written)
    assert read_counters(powercap=powercap).counts["package-0"] == Count(joules=5.0)


@pytest.mark.parametrize("there", [True, False])
def test_a_machine_without_counters_says_so(tmp_path: Path, there: bool) -> None:
    """Where there is no package, or no such folder, energy is absent and the folder is named."""
    folder = tmp_path / "powercap"
    if there:
        (folder / "dtpm").mkdir(parents=True)
    read = read_counters(powercap=folder)
    drawn = between(read, read)
    assert (drawn.joules, drawn.of) == (None, "")
    assert str(folder) in drawn.unreadable["processor"]


def test_a_counter_that_vanished_on_the_way_is_absent(powercap: Path) -> None:
    """What was read once only was not counted, and the later reading says why."""
    before = read_counters(powercap=powercap)
    (powercap / "intel-rapl:1" / "energy_uj").unlink()
    (powercap / "intel-rapl:0" / "energy_uj").write_text("6000000")
    drawn = between(before, read_counters(powercap=powercap))
    assert drawn.counted_j == {"package-0": 1.0}
    assert set(drawn.unreadable) == {"package-1"}


def gpu_of(joules: float | None) -> Callable[[Device], object]:
    """Give a finder of GPUs that have drawn so much, or do not tell."""

    class Gpu:
        def __init__(self, device: Device) -> None:
            self.device = device

        def energy_j(self) -> float:
            if joules is None:
                raise SensorUnreadable("Not Supported")
            return joules

    return Gpu


def test_gpus_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA device's counter is read by its name and number; other devices have none of their own."""
    monkeypatch.setattr(energy, "accelerator", gpu_of(10.0))
    before = read_counters([CUDA, CPU], tmp_path)
    monkeypatch.setattr(energy, "accelerator", gpu_of(12.5))
    drawn = between(before, read_counters([CUDA, CPU], tmp_path))
    assert (drawn.joules, drawn.of) == (2.5, "NVIDIA H100 (cuda:0)")
    assert set(drawn.unreadable) == {"processor"}


def test_a_gpu_that_does_not_count_is_absent(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU without a counter has a reason, and the packages are read."""
    monkeypatch.setattr(energy, "accelerator", gpu_of(None))
    read = read_counters([CUDA], powercap)
    assert set(read.counts) == {"package-0", "package-1"}
    assert read.unreadable == {"cuda:0": "Not Supported"}


def test_this_machine_tells_or_says_why_not() -> None:
    """Here, every counter is read or has a reason, and a joule is never made up."""
    read = read_counters(powercap=POWERCAP)
    assert read.counts or read.unreadable
    assert between(read, read) == Energy(counted_j={}, unreadable=between(read, read).unreadable)

"""The inventory: how devices are set, and which sensors do not tell."""

from pathlib import Path

import pytest

from modellab.backends.device import Device, describe
from modellab.errors import SensorUnreadable
from modellab.machine import inventory
from modellab.machine.inventory import take_inventory
from modellab.records.device import DeviceFacts

CPU, MPS = Device(name="cpu", kind="cpu"), Device(name="mps", kind="mps")
CUDA = Device(name="cuda:1", kind="cuda")


def cpufreq(folder: Path, **files: str) -> Path:
    """Make a folder as the kernel has it for a core."""
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "governor", "limit_mhz"),
    [
        ({"scaling_governor": "performance\n", "scaling_max_freq": "3500000\n"}, "performance", 3500),
        ({"scaling_governor": "powersave\n"}, "powersave", None),
        ({"scaling_governor": "schedutil\n", "scaling_max_freq": "fast\n"}, "schedutil", None),
        ({"scaling_governor": "", "scaling_max_freq": "800000"}, None, 800),
    ],
)
def test_a_processor_is_set_in_some_way(
    tmp_path: Path, files: dict[str, str], governor: str | None, limit_mhz: int | None
) -> None:
    """Governor and highest frequency are read, each absent where it cannot be."""
    found = take_inventory([CPU], cpufreq(tmp_path, **files), tmp_path)
    assert found.devices == (DeviceFacts(device=CPU, governor=governor, clock_limit_mhz=limit_mhz),)
    assert set(found.unreadable) == {"energy of processor"}


@pytest.mark.parametrize("files", [{}, {"scaling_governor": "", "scaling_max_freq": "<unknown>"}])
def test_a_processor_that_does_not_tell_has_a_reason(tmp_path: Path, files: dict[str, str]) -> None:
    """Where the kernel tells nothing of frequencies, the device is there, its setting absent, and the folder named."""
    found = take_inventory([CPU], cpufreq(tmp_path, **files), tmp_path)
    assert found.devices == (DeviceFacts(device=CPU),)
    assert str(tmp_path) in found.unreadable["clock of cpu"]


def test_a_gpu_is_asked_and_may_be_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA device is described by NVML; where that does not answer, the device is there with a reason."""

    class Gpu:
        def __init__(self, device: Device) -> None:
            self.device = device

        def facts(self) -> DeviceFacts:
            if self.device == CUDA:
                raise SensorUnreadable("no NVML")
            return DeviceFacts(device=self.device, power_limit_w=350.0)

    monkeypatch.setattr(inventory, "accelerator", Gpu)
    other = Device(name="cuda:0", kind="cuda")
    found = take_inventory([other, CUDA], tmp_path, tmp_path)
    assert found.devices == (DeviceFacts(device=other, power_limit_w=350.0), DeviceFacts(device=CUDA))
    assert found.unreadable["clock of cuda:1"] == "no NVML"
    assert {"energy of cuda:0", "energy of cuda:1"} <= set(found.unreadable)


def test_an_apple_gpu_has_no_setting(tmp_path: Path) -> None:
    """Of an Apple GPU nothing is told, and nothing is missed."""
    found = take_inventory([MPS], tmp_path, tmp_path)
    assert found.devices == (DeviceFacts(device=MPS),)
    assert set(found.unreadable) == {"energy of processor"}


def test_this_machine_is_looked_at() -> None:
    """Here, the cpu is found, and what it does not tell has a reason."""
    found = take_inventory([describe("cpu")])
    (facts,) = found.devices
    assert facts.device.hardware
    assert facts.governor or facts.clock_limit_mhz or "clock of cpu" in found.unreadable

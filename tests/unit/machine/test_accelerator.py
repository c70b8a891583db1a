"""Accelerators: what NVML tells of a GPU, and that what it does not tell is absent and has a reason."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import NoReturn

import pytest

from modellab.backends.device import Device
from modellab.errors import SensorUnreadable
from modellab.machine.accelerator import Accelerator, accelerator

CUDA = Device(name="cuda:1", kind="cuda")
NAMED = Device(name="cuda", kind="cuda", hardware="torch's name", memory_bytes=7, capability="9.0", uuid="bbbb")


class NVMLError(Exception):
    """What NVML raises."""


class Mismatch(Exception):
    """What pynvml raises where it does not fit the driver."""


UUIDS = ("GPU-aaaa", "GPU-bbbb")


def nvml_of(*uuids: str, **instead: Callable[..., object]) -> SimpleNamespace:
    """Give a pynvml of some GPUs, of which each handle is the UUID; `instead` are functions that answer otherwise."""

    def by_index(index: int) -> str:
        return uuids[index] if index < len(uuids) else refuse("Invalid Argument")

    def by_uuid(uuid: str) -> str:
        return uuid if uuid in uuids else refuse("Not Found")

    answers: dict[str, Callable[..., object]] = {
        "nvmlInit": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: "580.1",
        "nvmlDeviceGetCount": lambda: len(uuids),
        "nvmlDeviceGetHandleByIndex": by_index,
        "nvmlDeviceGetHandleByUUID": by_uuid,
        "nvmlDeviceGetName": lambda gpu: f"name of {gpu}",
        "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(total=80 << 30, used=1),
        "nvmlDeviceGetClockInfo": lambda gpu, kind: {1: 1200, 2: 2600}[kind],
        "nvmlDeviceGetMaxClockInfo": lambda gpu, kind: {1: 1980, 2: 2619}[kind],
        "nvmlDeviceGetPowerManagementLimit": lambda gpu: 350_500,
        "nvmlDeviceGetPersistenceMode": lambda gpu: 0,
        "nvmlDeviceGetTotalEnergyConsumption": lambda gpu: 123_456_789,
        "nvmlDeviceGetComputeRunningProcesses": lambda gpu: [
            SimpleNamespace(pid=7, usedGpuMemory=1 << 30),
            SimpleNamespace(pid=8, usedGpuMemory=None),
        ],
    }
    names = {"NVML_CLOCK_SM": 1, "NVML_CLOCK_MEM": 2, "NVML_FEATURE_ENABLED": 1}
    assert set(instead) <= set(answers)
    return SimpleNamespace(NVMLError=NVMLError, NVMLLibraryMismatchError=Mismatch, **names, **{**answers, **instead})


def refuse(reason: str) -> NoReturn:
    """Fail as NVML does."""
    raise NVMLError(reason)


def unsupported(*given: object) -> NoReturn:
    """Fail as NVML does where a GPU has no such thing."""
    refuse("Not Supported")


TELLS = (
    "nvmlSystemGetDriverVersion",
    *(f"nvmlDeviceGet{what}" for what in ("Name", "MemoryInfo", "ClockInfo", "MaxClockInfo", "PowerManagementLimit")),
    *(f"nvmlDeviceGet{what}" for what in ("PersistenceMode", "TotalEnergyConsumption", "ComputeRunningProcesses")),
)


def gpu(monkeypatch: pytest.MonkeyPatch, device: Device = NAMED, nvml: object = None, **env: str) -> Accelerator:
    """Give a GPU of a machine with this NVML and environment."""
    monkeypatch.setitem(sys.modules, "pynvml", nvml or nvml_of(*UUIDS))
    return accelerator(device, env)


def test_how_a_gpu_is_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Driver, clocks with their limits, power limit and persistence are told, in megahertz and watts."""
    facts = gpu(monkeypatch).facts()
    assert facts.device == NAMED
    assert (facts.driver, facts.power_limit_w, facts.persistence) == ("580.1", 350.5, False)
    assert (facts.clock_mhz, facts.clock_limit_mhz) == (1200, 1980)
    assert (facts.memory_clock_mhz, facts.memory_clock_limit_mhz) == (2600, 2619)
    assert facts.governor is None


def test_what_a_gpu_does_not_support_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that supports nothing has facts all the same: each absent, none zero."""
    bare = Device(name="cuda:1", kind="cuda", uuid="aaaa")
    found = gpu(monkeypatch, bare, nvml_of(*UUIDS, **dict.fromkeys(TELLS, unsupported)))
    facts = found.facts()
    told = {facts.driver, facts.clock_mhz, facts.clock_limit_mhz, facts.memory_clock_mhz, facts.memory_clock_limit_mhz}
    assert told | {facts.power_limit_w, facts.persistence} == {None}
    assert (facts.device.hardware, facts.device.memory_bytes) == (None, None)
    assert found.used_bytes(7) is None
    with pytest.raises(SensorUnreadable, match="nvmlDeviceGetTotalEnergyConsumption of cuda:1: Not Supported"):
        found.energy_j()


def test_a_driver_that_is_too_old_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where library and driver do not fit, what was asked is absent."""

    def mismatched(handle: object) -> NoReturn:
        raise Mismatch("Unversioned function called")

    nvml = nvml_of(*UUIDS, nvmlDeviceGetComputeRunningProcesses=mismatched)
    assert gpu(monkeypatch, nvml=nvml).used_bytes(7) is None


def test_joules_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """NVML's millijoules are given as joules."""
    assert gpu(monkeypatch).energy_j() == pytest.approx(123_456.789)


@pytest.mark.parametrize(("pid", "held"), [(7, 1 << 30), (8, None), (9, None)])
def test_the_memory_of_one_process_is_told(monkeypatch: pytest.MonkeyPatch, pid: int, held: int | None) -> None:
    """A process's share of the GPU's memory is its own; unknown, or of an unknown process, it is absent and not 0."""
    assert gpu(monkeypatch).used_bytes(pid) == held


def test_what_the_runtime_told_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """NVML names hardware and memory only where no runtime did."""
    assert gpu(monkeypatch).device == NAMED
    found = gpu(monkeypatch, CUDA, CUDA_DEVICE_ORDER="PCI_BUS_ID").device
    assert (found.hardware, found.memory_bytes) == ("name of GPU-bbbb", 80 << 30)


@pytest.mark.parametrize(
    ("device", "env", "handle"),
    [
        (NAMED, {"CUDA_VISIBLE_DEVICES": "0"}, "GPU-bbbb"),
        (CUDA, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, "GPU-bbbb"),
        (CUDA, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1, 0"}, "GPU-aaaa"),
        (CUDA, {"CUDA_VISIBLE_DEVICES": "GPU-bbbb,GPU-aaaa"}, "GPU-aaaa"),
    ],
)
def test_the_right_gpu_is_asked(
    monkeypatch: pytest.MonkeyPatch, device: Device, env: dict[str, str], handle: str
) -> None:
    """A GPU is found by its own name, else by its number among those that CUDA is to see."""
    assert gpu(monkeypatch, device, **env).handle == handle


@pytest.mark.parametrize(
    ("device", "env", "reason"),
    [
        (CUDA, {}, "CUDA_DEVICE_ORDER=PCI_BUS_ID"),
        (CUDA, {"CUDA_VISIBLE_DEVICES": "0"}, "not among CUDA_VISIBLE_DEVICES=0"),
        (CUDA, {"CUDA_VISIBLE_DEVICES": "0,GPU-cccc"}, "cuda:1: Not Found"),
        (CUDA, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "0,9"}, "cuda:1: Invalid Argument"),
        (Device(name="cuda", kind="cuda"), {"CUDA_VISIBLE_DEVICES": ""}, "cuda: Not Found"),
        (Device(name="cuda", kind="cuda", uuid="zzzz"), {}, "cuda: Not Found"),
    ],
)
def test_a_gpu_that_cannot_be_found_is_none(
    monkeypatch: pytest.MonkeyPatch, device: Device, env: dict[str, str], reason: str
) -> None:
    """Where it is not certain which GPU is meant, none is asked, and the reason is given."""
    with pytest.raises(SensorUnreadable, match=reason):
        gpu(monkeypatch, device, **env)


def test_one_gpu_needs_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is one GPU, its number is enough."""
    alone = Device(name="cuda", kind="cuda")
    assert gpu(monkeypatch, alone, nvml_of("GPU-aaaa")).handle == "GPU-aaaa"


def test_without_a_driver_the_reason_is_nvmls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where NVML cannot be opened, it says why."""
    with pytest.raises(SensorUnreadable, match="NVML: Not Supported"):
        gpu(monkeypatch, nvml=nvml_of(nvmlInit=unsupported))


def test_without_the_library_what_helps_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nvidia-ml-py is missing, the error says what to install."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(SensorUnreadable, match=r"pip install 'modellab\[nvidia\]'"):
        accelerator(NAMED, {})

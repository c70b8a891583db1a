"""Accelerator: a GPU as NVIDIA's management library (NVML) tells of it.

Source: https://docs.nvidia.com/deploy/nvml-api/, through nvidia-ml-py (BSD-3-Clause).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Self

from modellab.backends.device import Device
from modellab.errors import SensorUnreadable
from modellab.records.device import DeviceFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One GPU: the device that runtimes see, with what NVML adds to it, and NVML's own handle."""

    device: Device
    nvml: Any
    handle: Any

    def completed(self) -> Self:
        """Give the same with the name and the memory of its hardware where no runtime told them."""
        device, memory = self.device, self._told("nvmlDeviceGetMemoryInfo")
        hardware = device.hardware or self._told("nvmlDeviceGetName")
        memory_bytes = device.memory_bytes or (memory.total if memory else None)
        return replace(self, device=replace(device, hardware=hardware, memory_bytes=memory_bytes))

    def facts(self) -> DeviceFacts:
        """Give how the GPU is set now; what it does not tell is None."""
        nvml = self.nvml
        limit_mw = self._told("nvmlDeviceGetPowerManagementLimit")
        persistence = self._told("nvmlDeviceGetPersistenceMode")
        driver = None
        with suppress(SensorUnreadable), _named(nvml, "the driver"):
            driver = nvml.nvmlSystemGetDriverVersion()
        return DeviceFacts(
            device=self.device,
            driver=driver,
            clock_mhz=self._told("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
            clock_limit_mhz=self._told("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM),
            memory_clock_mhz=self._told("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
            memory_clock_limit_mhz=self._told("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_MEM),
            power_limit_w=None if limit_mw is None else limit_mw / 1000,
            persistence=None if persistence is None else persistence == nvml.NVML_FEATURE_ENABLED,
        )

    def used_bytes(self, pid: int) -> int | None:
        """Give the memory of the GPU that a process holds; None where the driver knows no process of this number.

        A container that numbers its processes by itself hides them: who is not found may hold memory all the same.
        """
        running = self._told("nvmlDeviceGetComputeRunningProcesses") or ()
        held: Iterator[int | None] = (process.usedGpuMemory for process in running if process.pid == pid)
        return next(held, None)

    def energy_j(self) -> float:
        """Give the joules that the GPU has drawn since its driver was loaded.

        Raises:
            SensorUnreadable: when it does not count them, as before Volta.
        """
        return float(self._ask("nvmlDeviceGetTotalEnergyConsumption")) / 1000

    def _told(self, function: str, *what: object) -> Any:  # noqa: ANN401 - NVML is untyped
        with suppress(SensorUnreadable):
            return self._ask(function, *what)
        return None

    def _ask(self, function: str, *what: object) -> Any:  # noqa: ANN401 - NVML is untyped
        with _named(self.nvml, f"{function} of {self.device.name}"):
            return getattr(self.nvml, function)(self.handle, *what)


def accelerator(device: Device, env: Mapping[str, str] = os.environ) -> Accelerator:
    """Give the GPU that a CUDA device is; NVML stays open for the life of this process.

    Raises:
        SensorUnreadable: when there is no NVML, or no such GPU, or nobody can tell which of several it is.
    """
    nvml = _opened()
    with _named(nvml, device.name):
        handle = _handle(nvml, device, env)
    return Accelerator(device=device, nvml=nvml, handle=handle).completed()


def _opened() -> Any:  # noqa: ANN401 - a module without types
    try:
        import pynvml
    except ImportError as error:
        raise SensorUnreadable("NVML needs nvidia-ml-py: pip install 'modellab[nvidia]'") from error
    with _named(pynvml, "NVML"):
        pynvml.nvmlInit()
    return pynvml


def _handle(nvml: Any, device: Device, env: Mapping[str, str]) -> Any:  # noqa: ANN401 - NVML is untyped
    """Find a GPU by the name that no other has, else by its number among those that CUDA is to see."""
    if device.uuid:
        return nvml.nvmlDeviceGetHandleByUUID(f"GPU-{device.uuid}")
    visible = env.get("CUDA_VISIBLE_DEVICES")
    names = None if visible is None else [name.strip() for name in visible.split(",")]
    if names is not None and device.number >= len(names):
        raise SensorUnreadable(f"{device.name} is not among CUDA_VISIBLE_DEVICES={visible}")
    name = str(device.number) if names is None else names[device.number]
    if not name.isdigit():
        return nvml.nvmlDeviceGetHandleByUUID(name)
    if env.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID" and nvml.nvmlDeviceGetCount() > 1:
        raise SensorUnreadable(f"which of several GPUs {device.name} is depends: set CUDA_DEVICE_ORDER=PCI_BUS_ID")
    return nvml.nvmlDeviceGetHandleByIndex(int(name))


@contextmanager
def _named(nvml: Any, what: str) -> Iterator[None]:  # noqa: ANN401 - NVML is untyped
    """Raise what NVML says as an error of ours."""
    try:
        yield
    except (nvml.NVMLError, nvml.NVMLLibraryMismatchError) as error:
        raise SensorUnreadable(f"{what}: {error}") from error

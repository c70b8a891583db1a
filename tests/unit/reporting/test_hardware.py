"""Hardware: how devices stand in a report."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from modellab.backends.device import Device
from modellab.records.device import DeviceFacts
from modellab.records.run import Run
from modellab.reporting.figure import NOT_MEASURED
from modellab.reporting.hardware import hardware
from modellab.reporting.markdown import environment

GPU = DeviceFacts(
    device=Device(name="cuda:1", kind="cuda", hardware="NVIDIA H100", memory_bytes=80 << 30, capability="9.0"),
    driver="580.1",
    clock_mhz=1200,
    clock_limit_mhz=1980,
    memory_clock_mhz=2600,
    memory_clock_limit_mhz=2619,
    power_limit_w=350.0,
    persistence=False,
)
WRITTEN = (
    "NVIDIA H100, 81920 MiB, capability 9.0, driver 580.1, clock 1200 of 1980 MHz, memory clock 2600 of 2619 MHz, "
    "power limit 350 W, persistence off"
)
CPU = DeviceFacts(device=Device(name="cpu", kind="cpu", hardware="Some CPU"), governor="performance")


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (GPU, WRITTEN),
        (CPU, "Some CPU, governor performance"),
        (replace(CPU, clock_limit_mhz=3500), "Some CPU, clock at most 3500 MHz, governor performance"),
        (replace(CPU, clock_mhz=800), "Some CPU, clock 800 MHz, governor performance"),
        (DeviceFacts(device=Device(name="cuda", kind="cuda")), NOT_MEASURED),
    ],
)
def test_a_device_is_written_with_what_is_known(facts: DeviceFacts, text: str) -> None:
    """What is known stands in one line; what is not is left out and is no zero."""
    assert hardware(facts) == text


def test_the_environment_names_devices_and_silent_sensors(run: Callable[..., Run]) -> None:
    """The report's environment has a line for each device, and one for all sensors that were not read."""
    made = run(1)
    seen = replace(made.environment, devices=(CPU, GPU), unreadable={"energy of processor": "no", "clock of cpu": "x"})
    told = environment(replace(made, environment=seen))
    assert told["device cpu"] == "Some CPU, governor performance"
    assert told["device cuda:1"].startswith("NVIDIA H100")
    assert told["not readable"] == "energy of processor (no); clock of cpu (x)"


def test_an_old_run_names_none(run: Callable[..., Run]) -> None:
    """A run of before has neither line."""
    assert not [name for name in environment(run(1)) if name.startswith(("device", "not readable"))]

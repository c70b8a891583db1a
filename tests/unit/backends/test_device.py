"""Devices: how they are written, and what is told of them."""

import sys
from types import SimpleNamespace

import psutil
import pytest

from modellab.backends.device import Device, describe, device_class, device_refusal, processor, settle, torch_refusal
from modellab.errors import UnknownName


class Torch:
    """A torch with two CUDA devices that are not alike, the second of an old version that gives no name of its own."""

    def __init__(self) -> None:
        self.waited: list[str] = []
        self.cuda = SimpleNamespace(get_device_properties=self.properties, synchronize=self.waited.append)
        self.mps = SimpleNamespace(synchronize=lambda: self.waited.append("mps"))

    def properties(self, number: int) -> SimpleNamespace:
        """Give what torch gives."""
        if number > 1:
            raise AssertionError("Invalid device id")
        known = {"uuid": "aaaa-bbbb"} if number == 0 else {}
        return SimpleNamespace(name=f"GPU {number}", total_memory=80 << 30, major=8, minor=number, **known)


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Torch:
    """A torch with two CUDA devices."""
    stand_in = Torch()
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    return stand_in


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:0", "cuda:12", "mps"])
def test_known_devices_are_not_refused(device: str) -> None:
    """The cpu, a GPU by its number or without, and an Apple GPU are devices."""
    assert device_refusal(device) is None


@pytest.mark.parametrize(
    "device", ["", "CPU", "tpu", "cpu:1", "mps:0", "cuda:", "cuda:x", "cuda:-1", "cuda:1:2", "cuda 1"]
)
def test_what_is_no_device_is_refused(device: str) -> None:
    """A device that is written as none is refused as it was written, by torch's refusal too, which loads no torch."""
    refused = device_refusal(device)
    assert refused == torch_refusal(device)
    assert refused is not None
    assert repr(device) in refused
    assert "cuda:N" in refused


def test_torch_always_has_the_cpu() -> None:
    """The cpu is there without asking torch."""
    assert torch_refusal("cpu") is None


def test_auto_is_no_device_by_itself() -> None:
    """Where a device is needed, "auto" is refused with those that can be named."""
    assert "name one of cpu, cuda" in str(device_refusal("auto"))
    with pytest.raises(UnknownName, match="auto"):
        describe("auto")


def test_the_cpu_is_described_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cpu has the processor's name and the machine's memory, and no version of what it can compute."""
    monkeypatch.setitem(sys.modules, "torch", None)
    memory_bytes = psutil.virtual_memory().total
    assert describe("cpu") == Device(name="cpu", kind="cpu", hardware=processor(), memory_bytes=memory_bytes)


def test_cuda_devices_are_described_by_number(torch: Torch) -> None:
    """A CUDA device has its own name, memory and capability, and the first is meant where no number is written."""
    first = Device(
        name="cuda", kind="cuda", hardware="GPU 0", memory_bytes=80 << 30, capability="8.0", uuid="aaaa-bbbb"
    )
    second = Device(name="cuda:1", kind="cuda", hardware="GPU 1", memory_bytes=80 << 30, capability="8.1")
    assert (describe("cuda"), describe("cuda:1")) == (first, second)
    assert (describe("cuda").number, describe("cuda:1").number) == (0, 1)
    assert (device_class("cuda"), device_class("cuda:1")) == ("cuda GPU 0", "cuda GPU 1")


def test_what_torch_does_not_tell_is_absent(torch: Torch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA device that torch does not see, or of which no torch tells, is only as it is written."""
    bare = Device(name="cuda:2", kind="cuda")
    assert describe("cuda:2") == bare
    monkeypatch.setitem(sys.modules, "torch", None)
    assert describe("cuda:2") == bare
    assert (bare.hardware, bare.memory_bytes, bare.capability) == (None, None, None)


def test_devices_that_nobody_can_tell_apart_are_not_of_one_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the name of its hardware, no CUDA device counts as equal to another."""
    monkeypatch.setitem(sys.modules, "torch", None)
    assert device_class("cuda:0") != device_class("cuda:1")


def test_an_apple_gpu_shares_the_memory_of_its_machine() -> None:
    """An Apple GPU has the memory of the machine, and no capability."""
    found = describe("mps")
    assert (found.kind, found.memory_bytes, found.capability) == ("mps", psutil.virtual_memory().total, None)


@pytest.mark.parametrize(("device", "waited"), [("cuda:1", ["cuda:1"]), ("cuda", ["cuda"]), ("mps", ["mps"])])
def test_gpus_are_waited_for(torch: Torch, device: str, waited: list[str]) -> None:
    """A GPU is waited for, and that very one."""
    settle(device)
    assert torch.waited == waited


def test_the_cpu_needs_no_waiting_and_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the cpu nothing is waited for, and torch is not asked."""
    monkeypatch.setitem(sys.modules, "torch", None)
    settle("cpu")

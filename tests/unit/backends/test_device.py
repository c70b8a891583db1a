"""Devices: how they are written."""

import pytest

from modellab.backends.device import device_refusal, torch_refusal


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

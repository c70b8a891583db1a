"""Device: how devices are written, and which of torch's this machine has."""

import re

_WRITTEN = re.compile(r"cpu|mps|cuda(:[0-9]+)?")


def device_refusal(device: str) -> str | None:
    """Say that a device is written as none is; None where it is "cpu", "cuda", "cuda:1" or "mps"."""
    return None if _WRITTEN.fullmatch(device) else f"unknown device {device!r}; known: cpu, cuda, cuda:N, mps"


def torch_refusal(device: str) -> str | None:
    """Say why torch cannot use a device ("cpu", "cuda", "cuda:1", "mps") here; None where it can."""
    kind, _, index = device.partition(":")
    unknown = device_refusal(device)
    if unknown or kind == "cpu":
        return unknown
    import torch

    if kind == "cuda":
        count = torch.cuda.device_count()
        return None if count > int(index or 0) else f"torch sees {count} CUDA devices, so there is no {device}"
    return None if torch.backends.mps.is_available() else "torch sees no Apple GPU (mps)"

"""Device: which of torch's devices this machine has."""


def torch_refusal(device: str) -> str | None:
    """Say why torch cannot use a device ("cpu", "cuda", "cuda:1", "mps") here; None where it can."""
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return None
    import torch

    if kind == "cuda":
        count = torch.cuda.device_count()
        return None if count > int(index or 0) else f"torch sees {count} CUDA devices, so there is no {device}"
    if kind == "mps":
        return None if torch.backends.mps.is_available() else "torch sees no Apple GPU (mps)"
    return f"unknown device {device!r}; known: cpu, cuda, cuda:N, mps"

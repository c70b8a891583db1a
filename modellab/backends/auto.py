"""Auto: the device that is meant where none is named."""

from modellab.backends.device import AUTO
from modellab.backends.registry import refusal

_PREFERRED = ("cuda", "mps")


def resolve(device: str, backend: str, compute_type: str) -> str:
    """Give the device that is meant: of "auto" the first of cuda, mps and cpu on which a runtime computes in this type.

    Where none can, it is the cpu, whose refusal says why. Every other device is itself, whether it is there or not.

    Raises:
        UnknownName: when a device is to be found for a backend or a compute type that there is not.
    """
    if device != AUTO:
        return device
    return next((each for each in _PREFERRED if refusal(backend, each, compute_type) is None), "cpu")

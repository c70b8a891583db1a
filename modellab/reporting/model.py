"""Model: the four parts of a model's id."""

from dataclasses import dataclass
from typing import Self

_PARTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What `backend:checkpoint:device:compute_type` names; the device may hold a colon itself, as in `cuda:1`.

    A name of fewer parts is taken for the checkpoint, and the other parts are empty.
    """

    id: str
    backend: str = ""
    checkpoint: str = ""
    device: str = ""
    compute_type: str = ""

    @classmethod
    def of(cls, id: str) -> Self:  # noqa: A002
        """Give the parts of an id."""
        parts = id.split(":")
        if len(parts) < _PARTS:
            return cls(id=id, checkpoint=id)
        backend, checkpoint, *device, compute_type = parts
        return cls(id=id, backend=backend, checkpoint=checkpoint, device=":".join(device), compute_type=compute_type)

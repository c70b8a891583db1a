"""ModelSpec: which model is meant, in four words."""

from dataclasses import dataclass

from modellab.errors import UnknownName


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ModelSpec:
    """A checkpoint on a runtime, a device and a compute type; its id is stable and stands in every record."""

    backend: str
    checkpoint: str
    device: str
    compute_type: str

    @property
    def id(self) -> str:
        """The four joined by colons: `faster-whisper:whisper-tiny.en:cpu:int8`."""
        return ":".join((self.backend, self.checkpoint, self.device, self.compute_type))


def parse_spec(written: str) -> ModelSpec:
    """Give the spec that an id names; a device may hold a colon of its own (`cuda:1`).

    Raises:
        UnknownName: when it does not have four parts.
    """
    backend, _, rest = written.partition(":")
    checkpoint, _, rest = rest.partition(":")
    device, _, compute_type = rest.rpartition(":")
    if not (backend and checkpoint and device and compute_type):
        raise UnknownName("model id", written, ["BACKEND:CHECKPOINT:DEVICE:COMPUTE_TYPE"])
    return ModelSpec(backend=backend, checkpoint=checkpoint, device=device, compute_type=compute_type)

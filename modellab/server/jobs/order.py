"""Order: what an evaluation is to measure."""

from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from modellab.server.library.labels import Label, Labels, Tags

Lane = Literal["accuracy", "timing", "performance"]

_PRINTED = r"^[^\x00-\x1f\x7f]+$"

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=_PRINTED)]
Names = Annotated[tuple[Name, ...], Field(max_length=64)]


class Order(BaseModel):
    """What an evaluation is to measure. What is left out is as bench.toml has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    lane: Lane = "accuracy"
    """What is measured: what models hear, how fast, or what deployment meets."""
    models: Names = ()
    """Checkpoints of models.toml, or ids such as faster-whisper:whisper-tiny.en:cpu:int8."""
    backends: Names = ()
    """The runtimes to run them on."""
    devices: Names = ()
    """What to run them on: cpu, cuda, cuda:1, mps, or auto for what is there."""
    compute_types: Names = ()
    """The precisions to run them in."""
    corpora: Names = ()
    """Corpora of corpora.toml, under conditions or none: librivox, librivox+noise:10dB."""
    limit: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    """How many utterances of each corpus are heard, drawn by the seed; all without it."""
    seed: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] | None = None
    """The seed of every draw."""
    batch_size: Annotated[int, Field(strict=True, ge=1, le=1024)] | None = None
    """Utterances a batch in the lane accuracy."""
    rounds: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = None
    """How often each utterance is heard in the lane timing."""
    threads: Annotated[int, Field(strict=True, ge=1, le=1024)] | None = None
    """Threads a model may use."""
    label: Label = ""
    """What to call the evaluation, and its run."""
    tags: Tags = ()
    """Words to find its run by."""

    @property
    def labels(self) -> Labels:
        """What is said of its run from the beginning."""
        return Labels(label=self.label, tags=tuple(sorted(set(self.tags))))

    @property
    def fingerprint(self) -> str:
        """A hash that orders share only if they are the same."""
        return sha256(self.model_dump_json().encode()).hexdigest()

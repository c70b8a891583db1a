"""Record, ColdStart and Arrangement: the facts a bench writes down. Nothing derived is in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, TypeAlias

from modellab.errors import BadRecord
from modellab.records.failure import Failure
from modellab.records.scenario import Growth, Performance, Stream
from modellab.records.schema import SCHEMA, refuse_unknown
from modellab.speech.transcript import Transcript, Word

Lane = Literal["accuracy", "timing", "variation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One model and one utterance: what was said, what was written, and the seconds each round took.

    `transcribe_s` holds one figure a round. An utterance heard in a batch carries the seconds of its whole batch
    and `batch_size` says how many shared them, so that only batches of one speak of latency.

    `reference_words` are the reference's with their times, empty where the corpus has none; `facts` are what else
    the corpus says of the utterance. In the lane of variations, `variation` names what was done in another way than
    in the lane of accuracy. A `cached` transcript was written by an equal model in an earlier run: it took no time.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    model: str
    corpus: str
    utterance: str
    audio_duration_s: float
    reference: str
    lane: Lane
    session: int
    language: str = ""
    speaker: str | None = None
    transcript: Transcript | None = None
    transcribe_s: tuple[float, ...] = ()
    batch_size: int = 1
    failure: Failure | None = None
    reference_words: tuple[Word, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    variation: str = ""
    cached: bool = False
    kind: Literal["utterance"] = "utterance"
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        refuse_unknown(self.schema)
        if (self.transcript is None) == (self.failure is None):
            raise BadRecord(f"record of {self.utterance!r}: either a transcript or a failure, not both or neither")
        if not all(isfinite(value) for value in (self.audio_duration_s, *self.transcribe_s)):
            raise BadRecord(f"record of {self.utterance!r}: durations must be finite")
        if (self.lane == "variation") != bool(self.variation):
            raise BadRecord(f"record of {self.utterance!r}: a variation is named in its own lane, and in no other")
        if self.cached and self.transcribe_s:
            raise BadRecord(f"record of {self.utterance!r}: a cached transcript took no time")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """What a fresh process needed before its first answer, in seconds, and the most memory it ever held.

    `process_s` is from the start of the process to its first own line, `import_s` the runtime's import, `load_s`
    reading the weights, `first_call_s` the first utterance, `total_s` all of it from the start of the process, and
    `steady_call_s` the same utterance once it is warm, which the total leaves out. `cached_share` is how much of the
    weights lay in the page cache before, a fraction; None where nobody looked.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    model: str
    session: int
    process_s: float | None = None
    import_s: float | None = None
    load_s: float | None = None
    first_call_s: float | None = None
    total_s: float | None = None
    steady_call_s: float | None = None
    cached_share: float | None = None
    peak_memory_bytes: int | None = None
    failure: Failure | None = None
    kind: Literal["cold_start"] = "cold_start"
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        refuse_unknown(self.schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How fast so many replicas of a model with so many threads each were: seconds of audio, and of work on them."""

    replicas: int
    threads: int
    audio_s: float
    work_s: float

    @property
    def rtfx(self) -> float:
        """Seconds of audio heard in a second; 0 where there was nothing to hear."""
        return self.audio_s / self.work_s if self.work_s else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """How many replicas of a model, with how many threads each, heard a corpus in the accuracy lane, and why.

    `trials` are what was tried on the way, empty where it was known from an earlier run.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    model: str
    corpus: str
    session: int
    replicas: int
    threads: int
    trials: tuple[Trial, ...] = ()
    kind: Literal["arrangement"] = "arrangement"
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        refuse_unknown(self.schema)


Fact: TypeAlias = Record | ColdStart | Arrangement | Performance | Stream | Growth

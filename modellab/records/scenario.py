"""Performance, Stream and Growth: what was written down while a model was put to work as its users would."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, TypeAlias

from modellab.errors import BadRecord
from modellab.records.failure import Failure
from modellab.records.schema import SCHEMA, refuse_unknown
from modellab.scoring.quantile import is_below

Scenario = Literal["single-stream", "concurrent", "offline", "server"]
Setting: TypeAlias = Mapping[str, bool | int | float | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: a batch of utterances, and when what happened to it, in seconds from the scenario's start.

    Attributes:
        utterances: what was asked for, by their ids.
        audio_duration_s: of all of them.
        due_s: when the schedule has it. Latency counts from here, whatever the generator or a queue made of it.
        issued_s: when the generator sent it.
        begun_s: when a worker took it.
        ended_s: when its answer, or its failure, was there.
        seconds: how long it took by the worker's own clock; None where it failed.
        caller: who asked, counted from 0.
        worker: who answered, counted from 0.
        texts: what was written, in the order of the utterances; empty where it failed.
        failure: why there is no answer.
    """

    utterances: tuple[str, ...]
    audio_duration_s: float
    due_s: float
    issued_s: float
    begun_s: float
    ended_s: float
    seconds: float | None = None
    caller: int = 0
    worker: int = 0
    texts: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def latency_s(self) -> float:
        """Seconds from when it was due to its answer."""
        return self.ended_s - self.due_s

    @property
    def late_s(self) -> float:
        """Seconds by which the generator missed the schedule."""
        return self.issued_s - self.due_s

    @property
    def harness_s(self) -> float | None:
        """Seconds from a worker's taking it to its answer that were not the worker's own; None where it failed."""
        return None if self.seconds is None else self.ended_s - self.begun_s - self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """The resident size of a worker at three moments, in bytes; None where it is not known.

    Attributes:
        loaded_bytes: once the model was loaded.
        peak_bytes: the most it ever held.
        ended_bytes: after the last call.
        gpu_bytes: of a GPU, what it held then; None where there is none, or its driver does not tell.
    """

    loaded_bytes: int | None = None
    peak_bytes: int | None = None
    ended_bytes: int | None = None
    gpu_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """A scenario under one setting, once: every call of it, and what the workers needed.

    Attributes:
        scenario: which. In `single-stream` and `concurrent` each caller asks again once it is answered; in `offline`
            all is asked for at once; in `server` requests arrive by chance, whether or not the last was answered.
        setting: what was chosen: callers, workers, threads, batch_size, rate_per_s, by_length, seed ...
        took_s: from the first call's being due to the last answer.
        cpu_s: processor seconds of all workers in that time; None where it is not known.
        memory: of each worker.
        energy_j: joules that the machine's meters counted in that time; None where there are none, never 0.
        energy_of: what these meters are of ("package-0", "NVIDIA H100"); empty where there are none.
        failure: why it ended before its time.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    model: str
    corpus: str
    session: int
    scenario: Scenario
    setting: Setting
    calls: tuple[Call, ...]
    took_s: float
    cpu_s: float | None = None
    memory: tuple[Footprint, ...] = ()
    energy_j: float | None = None
    energy_of: str = ""
    failure: Failure | None = None
    kind: Literal["performance"] = "performance"
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        refuse_unknown(self.schema)
        times = (t for call in self.calls for t in (call.due_s, call.issued_s, call.begun_s, call.ended_s))
        if not all(map(isfinite, (self.took_s, *times))):
            raise BadRecord(f"{self.scenario} of {self.model}: times must be finite")

    @property
    def answered(self) -> tuple[Call, ...]:
        """The calls that have an answer."""
        return tuple(call for call in self.calls if call.failure is None)

    @property
    def latencies_s(self) -> tuple[float, ...]:
        """How long each call waited for its answer; endless where there is none."""
        return tuple(float("inf") if call.failure else call.latency_s for call in self.calls)

    @property
    def kept(self) -> bool:
        """Whether a server sent and answered all its requests, and its quantile is below the bound with confidence."""
        if self.failure or len(self.calls) < float(self.setting["requests"]):
            return False
        return bool(is_below(self.latencies_s, float(self.setting["quantile"]), float(self.setting["bound_s"])))

    @property
    def rtfx(self) -> float | None:
        """Seconds of audio answered in a second; None where nothing was."""
        audio_s = sum(call.audio_duration_s for call in self.answered)
        return audio_s / self.took_s if audio_s and self.took_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """What a user saw at one moment of a stream.

    Attributes:
        at_s: when, from the start of the audio.
        heard_s: how much audio had been listened to for it.
        text: all of it.
        agreed: how many of its words, from the first, will not change any more.
    """

    at_s: float
    heard_s: float
    text: str
    agreed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One utterance that came as fast as it was spoken, and everything that was shown on the way.

    Attributes:
        method: how it was streamed: "native", or "local-agreement-2" where all that was said so far was heard again
            and again.
        step_s: the least audio between two partials.
        partials: oldest first; the last is final.
        reference: what was said.
        language: in which; empty where it is not known.
        failure: why there is no final text.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    model: str
    corpus: str
    session: int
    utterance: str
    audio_duration_s: float
    reference: str
    method: Literal["native", "local-agreement-2"]
    step_s: float
    language: str = ""
    speaker: str | None = None
    partials: tuple[Partial, ...] = ()
    failure: Failure | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["stream"] = "stream"
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        refuse_unknown(self.schema)
        if (not self.partials) == (self.failure is None):
            raise BadRecord(f"stream of {self.utterance!r}: either partials or a failure, not both or neither")


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """The resident size of one process after each of many equal turns, in bytes.

    Attributes:
        turn: what was done over and over: "transcribe", or "reload" for unload and load.
        resident_bytes: after each turn, in their order.
        loaded_bytes: before the first.
        unloaded_bytes: after the model was closed in the process that goes on; None where it was not.
        failure: why there were no more turns.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    model: str
    session: int
    turn: Literal["transcribe", "reload"]
    resident_bytes: tuple[int, ...]
    loaded_bytes: int | None = None
    unloaded_bytes: int | None = None
    failure: Failure | None = None
    kind: Literal["growth"] = "growth"
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        refuse_unknown(self.schema)

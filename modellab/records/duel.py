"""DuelBlock: what two fresh processes, a base and a candidate, needed and wrote side by side. It holds facts alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

from modellab.errors import BadRecord

SCHEMA = 1

Side = Literal["base", "candidate"]
Culprit = Literal["base", "candidate", "same code"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an arm wrote for one utterance, and the seconds it took by the clock of its own process."""

    seconds: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One utterance, heard by both arms one right after the other, and which of them heard it first."""

    utterance: str
    audio_duration_s: float
    first: Side
    base: Answer
    candidate: Answer

    def of(self, side: Side) -> Answer:
        """Give the answer of one arm."""
        return self.base if side == "base" else self.candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFacts:
    """One arm of a block: what ran, and what its process needed; None where it did not come so far.

    Attributes:
        name: what the arm is called, with what was injected into it.
        backend: the runtime.
        options: the runtime's options; of its weights, all but the folder.
        versions: of its Python, and of every package in its environment.
        injected: what its answers were made worse by on purpose, as the process itself says; empty for a real arm.
        ready_s: from the start of the process until its model was loaded, by the clock of this process.
        import_s: importing the runtime.
        load_s: loading the model.
        warm_up: answers before the rounds, all for the same utterance. The first is the first call of a cold start.
        cpu_s: processor seconds during the rounds, on all cores together.
        peak_memory_bytes: the most the process held, after the rounds.
    """

    name: str
    backend: str
    options: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=dict)
    injected: str = ""
    ready_s: float | None = None
    import_s: float | None = None
    load_s: float | None = None
    warm_up: tuple[Answer, ...] = ()
    cpu_s: float | None = None
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """How the machine was, from before the processes of a block were started until they had ended.

    None, or nothing at all, says that this machine does not tell: it never stands for zero.

    Attributes:
        cores: how many this process may use. With one, the arms still take turns: only one of them ever works.
        pinned: the cores that both arms were held to; None where they were not held.
        fixed_work_before_s: how long the same arithmetic took, over and over, in seconds.
        fixed_work_after_s: the same, afterwards.
        steal: share of processor time that the hypervisor gave to others, a fraction.
        throttled_periods: how often a limit on processor time was reached.
        throttled_s: how long processes waited for that.
        load_before: how many processes worked or wanted to, on average of a minute.
        load_after: the same, afterwards.
    """

    cores: int
    pinned: tuple[int, ...] | None = None
    fixed_work_before_s: tuple[float, ...] = ()
    fixed_work_after_s: tuple[float, ...] = ()
    steal: float | None = None
    throttled_periods: int | None = None
    throttled_s: float | None = None
    load_before: float | None = None
    load_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DuelFailure:
    """Why a block ended before its time.

    Attributes:
        side: whose fault it was; "same code" is the pair of two bases, None is neither's: audio that nobody can read.
        stage: what was asked for: read, start, load, inject, pin, transcribe, memory or cpu.
        kind: the error's class, or the signal or exit code that ended the process.
        message: the error's words.
        utterance: which one was to be heard.
        log: the last lines of the process's log, oldest first.
    """

    side: Culprit | None
    stage: str
    kind: str
    message: str
    utterance: str | None = None
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DuelBlock:
    """Two arms in fresh processes that heard the same few utterances by turns, on one machine, within minutes.

    A block with a `failure` holds the rounds that were whole before it.

    Attributes:
        id: unlike any other block's; ids sort by time.
        number: which block of its duel it is. With the seed, it decides utterances and orders.
        seed: that of the duel.
        corpus: what the utterances are from.
        revision: that of the whole corpus.
        threads: that each arm may use.
        started_first: which arm's process was started and warmed up first.
        warm_up_utterance: what both arms heard before the rounds.
        rounds: in the order in which they were heard.
        same_code: rounds of two workers of the base's code, which are neither arm; None where none were asked for.
        took_s: how long the block took in all.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    id: str
    created_at: str
    number: int
    seed: int
    corpus: str
    revision: str
    threads: int
    started_first: Side
    warm_up_utterance: str
    base: ArmFacts
    candidate: ArmFacts
    machine: MachineFacts
    took_s: float
    rounds: tuple[Round, ...] = ()
    same_code: tuple[Round, ...] | None = None
    failure: DuelFailure | None = None
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise BadRecord(f"block of schema {self.schema}; this version reads schema {SCHEMA}: upgrade modellab")
        if not self.rounds and not self.failure:
            raise BadRecord(f"block {self.id}: neither a round nor a failure")
        if not all(map(isfinite, self._durations())):
            raise BadRecord(f"block {self.id}: durations must be finite")

    def of(self, side: Side) -> ArmFacts:
        """Give the facts of one arm."""
        return self.base if side == "base" else self.candidate

    def seconds(self, side: Side) -> tuple[float, ...]:
        """Give the seconds that each round took one arm, in the order of the rounds."""
        return tuple(each.of(side).seconds for each in self.rounds)

    def rtf(self, side: Side) -> float | None:
        """Give seconds of work per second of audio, over all rounds; None where there is no audio."""
        audio_s = sum(each.audio_duration_s for each in self.rounds)
        return sum(self.seconds(side)) / audio_s if audio_s else None

    def cold_start_s(self, side: Side) -> float | None:
        """Give the seconds from the start of a process to its first answer; None where there was none."""
        arm = self.of(side)
        return arm.ready_s + arm.warm_up[0].seconds if arm.ready_s is not None and arm.warm_up else None

    def texts(self, side: Side) -> Mapping[str, tuple[str, ...]]:
        """Give what an arm wrote for each utterance, every text once: of two it decoded otherwise the second time."""
        written: dict[str, dict[str, None]] = {}
        for utterance, answer in self._answers(side):
            written.setdefault(utterance, {})[answer.text] = None
        return {utterance: tuple(texts) for utterance, texts in written.items()}

    def _answers(self, side: Side) -> Iterator[tuple[str, Answer]]:
        for answer in self.of(side).warm_up:
            yield self.warm_up_utterance, answer
        for each in self.rounds:
            yield each.utterance, each.of(side)

    def _durations(self) -> Iterator[float]:
        yield self.took_s
        for each in (*self.rounds, *(self.same_code or ())):
            yield from (each.audio_duration_s, each.base.seconds, each.candidate.seconds)
        for arm in (self.base, self.candidate):
            yield from (answer.seconds for answer in arm.warm_up)
            yield from (s for s in (arm.ready_s, arm.import_s, arm.load_s, arm.cpu_s) if s is not None)
        yield from (*self.machine.fixed_work_before_s, *self.machine.fixed_work_after_s)

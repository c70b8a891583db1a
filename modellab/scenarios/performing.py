"""Performing: replicas are loaded and warmed up, a scenario is played to them, and what it took is written down."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from modellab.backends.device import Device, describe
from modellab.errors import MeasurementRefused, SensorUnreadable, WorkerError, kind_of
from modellab.machine.accelerator import accelerator
from modellab.machine.clock import MONOTONIC, Clock
from modellab.machine.energy import between, read_counters
from modellab.measuring.accuracy import Audible, Batch
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.crew import Replica
from modellab.measuring.worker import LIMIT_S, Worker
from modellab.records.failure import Failure
from modellab.records.scenario import Call, Footprint, Performance, Scenario, Setting
from modellab.scenarios.desk import Desk
from modellab.speech.audio import Audio
from modellab.speech.utterance import Corpus, Utterance

WARM_UP_CALLS = 3

Play = Callable[[Desk], tuple[Call, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What is performed: by which model, on which corpus, in which session of the run."""

    model: str
    corpus: str
    session: int


@dataclass(kw_only=True)
class Ensemble:
    """Replicas of one model, each in a process of its own, loaded and warm. `with` loads them, and ends them.

    Attributes:
        piece: what their performances are of.
        blueprint: of the model; its `threads` are those of each replica.
        count: how many.
        example: what each hears a few times before anything is timed.
        limit_s: how long one answer may take.

    Raises:
        MeasurementRefused: when there is to be none.
    """

    piece: Piece
    blueprint: Blueprint
    count: int
    example: Batch
    limit_s: float = LIMIT_S
    clock: Clock = MONOTONIC
    _replicas: tuple[Replica, ...] = field(default=(), init=False)
    _loaded: tuple[int | None, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise MeasurementRefused(f"replicas must be 1 or more, not {self.count}")

    def __enter__(self) -> Self:
        self._replicas = tuple(
            Replica(Worker(blueprint=self.blueprint, limit_s=self.limit_s)) for _ in range(self.count)
        )
        try:
            self._loaded = tuple(_resident(replica) for replica in self._replicas)
            for replica in self._replicas:
                warm_up(replica, self.example)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes; harmless when called again."""
        for replica in self._replicas:
            replica.close()

    def perform(self, scenario: Scenario, setting: Setting, play: Play) -> Performance:
        """Play a scenario and give what it took; replicas that are gone have no memory any more."""
        cpu_before_s, counted_before = self._cpu_s(), read_counters([self._device])
        with Desk(self._replicas, self.clock) as desk:
            calls = play(desk)
        cpu_after_s, energy = self._cpu_s(), between(counted_before, read_counters([self._device]))
        return Performance(
            model=self.piece.model,
            corpus=self.piece.corpus,
            session=self.piece.session,
            scenario=scenario,
            setting={"replicas": self.count, "threads": int(self.blueprint.fields["threads"]), **setting},
            calls=calls,
            took_s=max((call.ended_s for call in calls), default=0.0)
            - min((call.due_s for call in calls), default=0.0),
            cpu_s=None if cpu_before_s is None or cpu_after_s is None else cpu_after_s - cpu_before_s,
            energy_j=energy.joules,
            energy_of=energy.of,
            memory=tuple(map(self._footprint, self._replicas, self._loaded)),
        )

    @property
    def _device(self) -> Device:
        return describe(str(self.blueprint.fields["device"]))

    def _footprint(self, replica: Replica, loaded_bytes: int | None) -> Footprint:
        with suppress(WorkerError):
            found = replica.worker.memory()
            return Footprint(
                loaded_bytes=loaded_bytes,
                peak_bytes=found.peak_bytes,
                ended_bytes=found.resident_bytes,
                gpu_bytes=self._gpu_bytes(replica.worker.pid),
            )
        return Footprint(loaded_bytes=loaded_bytes)

    def _gpu_bytes(self, pid: int | None) -> int | None:
        device = self._device
        if device.kind != "cuda" or pid is None:
            return None
        with suppress(SensorUnreadable):
            return accelerator(device).used_bytes(pid)
        return None

    def _cpu_s(self) -> float | None:
        """Give the processor seconds of all replicas; None where one of them is gone."""
        with suppress(WorkerError):
            return sum(replica.worker.cpu_s() for replica in self._replicas)
        return None


def batches_of(utterances: Sequence[Utterance], size: int = 1) -> tuple[Batch, ...]:
    """Give utterances in batches of one language each, in their order; the audio of each is read once.

    Raises:
        MeasurementRefused: when a batch is to hold none.
        BadAudio: when an utterance cannot be read.
    """
    if size < 1:
        raise MeasurementRefused(f"batch_size must be 1 or more, not {size}")
    return tuple(_batches(utterances, size))


def example_of(corpus: Corpus) -> Batch:
    """Give the utterance of middling length, alone."""
    ordered = sorted(corpus, key=lambda utterance: (utterance.duration_s, utterance.id))
    return batches_of(ordered[len(ordered) // 2 :][:1])[0]


def warm_up(replica: Replica, example: Batch) -> None:
    """Have a replica hear what it is warmed up with; a first call pays for what later ones do not."""
    for _ in range(WARM_UP_CALLS):
        replica.backend.listen([audio for _, audio in example.audible], example.language)


def unperformed(piece: Piece, scenario: Scenario, setting: Setting, error: Exception) -> Performance:
    """Give the performance that there was none of, and why."""
    return Performance(
        model=piece.model,
        corpus=piece.corpus,
        session=piece.session,
        scenario=scenario,
        setting=setting,
        calls=(),
        took_s=0.0,
        failure=Failure(stage="load", kind=kind_of(error), message=str(error) or repr(error)),
    )


def _batches(utterances: Sequence[Utterance], size: int) -> Iterator[Batch]:
    audios: dict[str, Audio] = {}
    together: list[Audible] = []
    for utterance in utterances:
        if together and (len(together) == size or together[-1].utterance.language != utterance.language):
            yield Batch(language=together[0].utterance.language or None, audible=tuple(together))
            together = []
        if utterance.id not in audios:
            audios[utterance.id] = utterance.hear()
        together.append(Audible(utterance, audios[utterance.id]))
    if together:
        yield Batch(language=together[0].utterance.language or None, audible=tuple(together))


def _resident(replica: Replica) -> int | None:
    return replica.backend.memory().resident_bytes

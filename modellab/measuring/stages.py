"""Stages: where the time of a hearing goes, by one stopwatch laid around what is called on the way."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from modellab.backends.base import Backend, Stages
from modellab.errors import MeasurementRefused
from modellab.machine.clock import MONOTONIC, Clock
from modellab.measuring.accuracy import Place, hear
from modellab.measuring.model import Model
from modellab.records.record import Record
from modellab.speech.utterance import Corpus, Utterance

DECODE_AUDIO, OTHER, RUNTIME, HARNESS = "decode audio", "other", "runtime", "harness"

_ABSENT = object()


@dataclass(kw_only=True)
class Stopwatch:
    """One clock that is charged to the innermost stage that runs, so that the seconds of all sum to the outermost's.

    `settle` waits until a device has done its work, before every reading. For one thread.
    """

    settle: Callable[[], None] = lambda: None
    clock: Clock = MONOTONIC
    seconds: dict[str, float] = field(default_factory=dict, init=False)
    _running: list[str] = field(default_factory=list, init=False)
    _read_s: float = field(default=0.0, init=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Charge to a stage what happens meanwhile, but for the stages within it."""
        self._charge()
        self._running.append(name)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    @contextmanager
    def around(self, stages: Stages) -> Iterator[None]:
        """Charge every call of what these name to their stage meanwhile; it is as it was afterwards.

        Raises:
            MeasurementRefused: when an owner has no such attribute.
        """
        with ExitStack() as laid:
            for name, places in stages.items():
                for owner, attribute in places:
                    laid.enter_context(_replaced(owner, attribute, self._timed(name, owner, attribute)))
            yield

    def _charge(self) -> None:
        self.settle()
        now_s = self.clock()
        if self._running:
            stage = self._running[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now_s - self._read_s
        self._read_s = now_s

    def _timed(self, stage: str, owner: object, attribute: str) -> Callable[..., Any]:
        try:
            original = getattr(owner, attribute)
        except AttributeError as error:
            raise MeasurementRefused(f"stage {stage!r}: {error}; was it named for another version?") from error

        @wraps(original)
        def timed(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the original takes and gives
            with self.stage(stage):
                return original(*args, **named)

        return timed


@contextmanager
def _replaced(owner: object, attribute: str, value: object) -> Iterator[None]:
    own = vars(owner).get(attribute, _ABSENT)
    setattr(owner, attribute, value)
    try:
        yield
    finally:
        if own is _ABSENT:
            delattr(owner, attribute)
        else:
            setattr(owner, attribute, own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Where the seconds of some rounds over a corpus went.

    Attributes:
        seconds: by stage, in the order in which an utterance passes them. `decode audio` reads and resamples its
            file. Then come the backend's own stages, and `other` is the rest of its call; of a backend that names none
            the whole call is `runtime`. `harness` is what is done around that call. They sum to the whole.
        records: what was heard, a record for each utterance and round.
    """

    seconds: Mapping[str, float]
    records: tuple[Record, ...]

    @property
    def whole_s(self) -> float:
        """Seconds of all stages."""
        return sum(self.seconds.values())

    @property
    def audio_s(self) -> float:
        """Seconds of audio that were heard, each as often as it was."""
        return sum(record.audio_duration_s for record in self.records if record.transcript)

    @property
    def failed(self) -> tuple[Record, ...]:
        """The records of what was not heard; the time it took is in the stages."""
        return tuple(record for record in self.records if record.failure)

    @property
    def largest(self) -> str:
        """The stage that takes the most time."""
        return max(self.seconds, key=lambda stage: self.seconds[stage])

    def share(self, stage: str) -> float:
        """Give the share of a stage in the whole, from 0 to 1."""
        return self.seconds[stage] / self.whole_s


def profile(model: Model[Backend], corpus: Corpus, rounds: int, clock: Clock = MONOTONIC) -> Profile:
    """Hear a corpus one by one, so many times over, with a stopwatch around the stages; the model is warm before.

    Raises:
        MeasurementRefused: when nothing could be heard.
        Exception: whatever loading the model raised.
    """
    backend = model.backend
    _warm_up(model, corpus)
    own = backend.stages()
    call = [(type(backend), "transcribe")]
    laid: Stages = {DECODE_AUDIO: [(Utterance, "hear")], **own, OTHER if own else RUNTIME: call}
    watch = Stopwatch(settle=backend.settle, clock=clock)
    with watch.around(laid), watch.stage(HARNESS):
        records = hear_rounds(model, corpus, rounds)
    found = Profile(seconds={stage: watch.seconds.get(stage, 0.0) for stage in (*laid, HARNESS)}, records=records)
    if len(found.failed) == len(records):
        failure = found.failed[0].failure
        raise MeasurementRefused(f"{model.id} heard nothing of {corpus.name}: {failure and failure.message}")
    return found


def hear_rounds(model: Model, corpus: Corpus, rounds: int) -> tuple[Record, ...]:
    """Give the records of a corpus that is heard one by one, so many times over."""
    place = _place(model, corpus)
    return tuple(record for _ in range(rounds) for record in hear(model, corpus, place, 1))


def _warm_up(model: Model, corpus: Corpus) -> None:
    """Have it hear the shortest utterance, whatever comes of it; a first call pays for what later ones do not."""
    list(hear(model, sorted(corpus, key=lambda u: u.duration_s)[:1], _place(model, corpus), 1))


def _place(model: Model, corpus: Corpus) -> Place:
    return Place(model=model.id, corpus=corpus.name, lane="timing", session=1)

"""Bout: two arms in fresh processes hear the same utterances by turns, until all are heard or something goes wrong."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from random import Random

from modellab.errors import WorkerError, WorkerFailed, kind_of
from modellab.measuring.accuracy import Audible
from modellab.measuring.corner import Corner
from modellab.records.duel import Culprit, DuelFailure, Round, Side
from modellab.speech.utterance import Utterance

SIDES: tuple[Side, Side] = ("base", "candidate")


@dataclass(kw_only=True)
class Bout:
    """Two corners and what they hear, in orders drawn by chance; the first thing that goes wrong ends it.

    Attributes:
        corners: both arms, not started.
        share: what they hear, in this order.
        chance: draws which arm is started first, and which hears an utterance first.
        culprit: who is blamed for what goes wrong in either corner, where that is not the arm of this name.
        cores: what both are held to once they are loaded; None for no matter which.
        started_first: which arm is started and warmed up first.
        rounds: those that were whole.
        failure: why it ended early; None where it did not.
    """

    corners: Mapping[Side, Corner]
    share: tuple[Utterance, ...]
    chance: Random
    culprit: Culprit | None = None
    cores: Collection[int] | None = None
    started_first: Side = field(init=False)
    rounds: list[Round] = field(default_factory=list, init=False)
    failure: DuelFailure | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.started_first = self.chance.choice(SIDES)

    @property
    def example(self) -> Utterance:
        """What both are warmed up with: the one of middling duration, which is heard in the rounds, too."""
        return sorted(self.share, key=lambda u: (u.duration_s, u.id))[len(self.share) // 2]

    def fight(self) -> None:
        """Start both, warm them up, have them hear everything, and end them, whatever happens."""
        with ExitStack() as stack:
            for corner in self.corners.values():
                stack.callback(corner.close)
            with suppress(_Over):
                self._fight()

    def _fight(self) -> None:
        audible = {utterance.id: self._read(utterance) for utterance in self.share}
        order = _from(self.started_first)
        for side in order:
            with self._blaming(side):
                self.corners[side].start(self.cores)
        for side in order:
            with self._blaming(side, self.example):
                self.corners[side].warm_up(audible[self.example.id])
        for side in order:
            with self._blaming(side):
                self.corners[side].begin()
        for utterance in self.share:
            self.rounds.append(self._round(audible[utterance.id]))
        for side in order:
            with self._blaming(side):
                self.corners[side].finish()

    def _read(self, utterance: Utterance) -> Audible:
        with self._blaming(None, utterance):
            return Audible(utterance, utterance.hear())

    def _round(self, audible: Audible) -> Round:
        utterance, first = audible.utterance, self.chance.choice(SIDES)
        answers = {}
        for side in _from(first):
            with self._blaming(side, utterance):
                answers[side] = self.corners[side].answer(audible)
        return Round(
            utterance=utterance.id,
            audio_duration_s=utterance.duration_s,
            first=first,
            base=answers["base"],
            candidate=answers["candidate"],
        )

    @contextmanager
    def _blaming(self, side: Side | None, utterance: Utterance | None = None) -> Iterator[None]:
        """Have whatever is raised end the bout, by the fault of an arm, or of neither: then audio cannot be read."""
        try:
            yield
        except Exception as error:
            log = error.log if isinstance(error, WorkerFailed) else ()
            step = self.corners[side].step if side else "read"
            self.failure = DuelFailure(
                side=(self.culprit or side) if side else None,
                stage=error.stage if isinstance(error, WorkerError) else step,
                kind=kind_of(error),
                message=str(error).removesuffix("\n".join(("", *log))) or repr(error),
                utterance=utterance.id if utterance else None,
                log=log,
            )
            raise _Over from error


class _Over(Exception):
    """A bout that ended early; its failure says why."""


def _from(first: Side) -> tuple[Side, Side]:
    """Give both sides, this one first."""
    return SIDES if first == "base" else ("candidate", "base")

"""Duel: two arms side by side on one machine, in blocks of fresh processes."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from random import Random

from ulid import ULID

from modellab.errors import MeasurementRefused
from modellab.machine.canary import Glance, between, glance
from modellab.machine.clock import MONOTONIC
from modellab.machine.pinning import refuse_unpinnable
from modellab.measuring.bout import SIDES, Bout
from modellab.measuring.contender import Contender
from modellab.measuring.corner import Corner
from modellab.measuring.worker import LIMIT_S
from modellab.records.duel import DuelBlock
from modellab.records.store import now
from modellab.speech.utterance import Corpus, Utterance

ROUNDS = 15


@dataclass(frozen=True, kw_only=True)
class Duel:
    """A comparison of two arms, block by block.

    In a block both arms are started afresh, in an order drawn by chance, and warmed up. Then each utterance of the
    block's share is heard by both, one right after the other, in an order drawn for each: a round. One of them works
    at any time, so that a single core is enough. What is drawn depends on the seed and the block's number alone.

    Attributes:
        base: what is compared with.
        candidate: what is compared.
        corpus: what they hear.
        seed: of everything that is drawn.
        rounds: a block. A corpus of fewer utterances is heard again, each time in another order: processes take long
            to start, and calls are what scatters.
        same_code: how many of them are also heard by two workers of the base's code that are neither arm, after the
            arms; 0 for none. They are started and warmed up as the arms are, which takes as long.
        same_code_every: in which blocks: in every one, every second ...
        cores: what both arms are held to once they are loaded; None for no matter which.
        limit_s: how long one answer of a worker may take.
        look: gives the machine as it is at a moment.

    Raises:
        MeasurementRefused: when the arms may use different numbers of threads, a block has no round, or the cores
            are not to be had.
    """

    base: Contender
    candidate: Contender
    corpus: Corpus
    seed: int = 0
    rounds: int = ROUNDS
    same_code: int = 0
    same_code_every: int = 1
    cores: Collection[int] | None = None
    limit_s: float = LIMIT_S
    look: Callable[[], Glance] = glance

    def __post_init__(self) -> None:
        if self.base.threads != self.candidate.threads:
            raise MeasurementRefused(
                f"{self.base.label} may use {self.base.threads} threads and {self.candidate.label} "
                f"{self.candidate.threads}: arms are compared with the same number"
            )
        if self.rounds < 1 or self.same_code < 0 or self.same_code_every < 1:
            raise MeasurementRefused(
                "rounds must be 1 or more, same_code 0 or more and same_code_every 1 or more, "
                f"not {self.rounds}, {self.same_code} and {self.same_code_every}"
            )
        if self.cores is not None:
            refuse_unpinnable(self.cores)

    def utterances(self, number: int) -> tuple[Utterance, ...]:
        """Give the share of a block, in the order in which it is heard."""
        chance = self._chance(number, "share")
        share: list[Utterance] = []
        while len(share) < self.rounds:
            drawn = list(self.corpus.sample(self.rounds - len(share), chance.getrandbits(32)))
            chance.shuffle(drawn)
            share += drawn
        return tuple(share)

    def block(self, number: int) -> DuelBlock:
        """Measure a block; whatever goes wrong in an arm ends it and stands in it. No process is left."""
        started_s, before = MONOTONIC(), self.look()
        arms = self._arms(number)
        arms.fight()
        same = None
        if arms.failure is None and self.same_code and number % self.same_code_every == 0:
            same = self._same_code(number, arms.share[: self.same_code])
            same.fight()
        machine = between(before, self.look(), self.cores)
        return DuelBlock(
            id=str(ULID()),
            created_at=now(),
            number=number,
            seed=self.seed,
            corpus=self.corpus.name,
            revision=self.corpus.revision,
            threads=self.base.threads,
            started_first=arms.started_first,
            warm_up_utterance=arms.example.id,
            base=arms.corners["base"].facts(),
            candidate=arms.corners["candidate"].facts(),
            machine=machine,
            took_s=MONOTONIC() - started_s,
            rounds=tuple(arms.rounds),
            same_code=tuple(same.rounds) if same else None,
            failure=arms.failure or (same.failure if same else None),
        )

    def _arms(self, number: int) -> Bout:
        return Bout(
            corners={"base": self._corner(self.base), "candidate": self._corner(self.candidate)},
            share=self.utterances(number),
            chance=self._chance(number, "arms"),
            cores=self.cores,
        )

    def _same_code(self, number: int, share: tuple[Utterance, ...]) -> Bout:
        return Bout(
            corners={side: self._corner(self.base) for side in SIDES},
            share=share,
            chance=self._chance(number, "same code"),
            culprit="same code",
            cores=self.cores,
        )

    def _corner(self, contender: Contender) -> Corner:
        return Corner(contender=contender, worker=contender.worker(self.limit_s))

    def _chance(self, number: int, what: str) -> Random:
        return Random(f"{self.seed}/{number}/{what}")  # noqa: S311

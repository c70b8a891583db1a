"""Performed: the facts of scenarios in one run, held for what is drawn call by call and word by word."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from modellab.records.scenario import Growth, Performance, Scenario, Stream
from modellab.records.store import Line
from modellab.reporting.ledger import Ledger, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """What a ledger has of scenarios: of several of one utterance or turn the last.

    Attributes:
        performances: by model and corpus, in their order.
        streams: by model and corpus, and by utterance.
        growths: by model, and by what was done over and over.
    """

    performances: Mapping[Place, Sequence[Performance]] = field(default_factory=dict)
    streams: Mapping[Place, Mapping[str, Stream]] = field(default_factory=dict)
    growths: Mapping[str, Mapping[str, Growth]] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Self:
        """Find the facts of scenarios among the lines of a run's file."""
        ledger = Ledger()
        for line in lines:
            if isinstance(line, Performance | Stream | Growth):
                ledger.enter(line)
        return cls(performances=ledger.performances, streams=ledger.streams, growths=ledger.growths)

    def scenario(self, name: Scenario, corpus: str) -> tuple[Performance, ...]:
        """Give every performance of a scenario on a corpus, by the model's id."""
        own = (each for place, performances in sorted(self.performances.items()) for each in performances
               if place.corpus == corpus)  # fmt: skip
        return tuple(each for each in own if each.scenario == name)

"""Finding: what one gate decided, with its evidence and what it would have taken."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from modellab.verdicts.decision import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One claim about two arms: the metric that must not get worse, of which model, on which corpus."""

    metric: str
    model: str
    corpus: str

    @property
    def name(self) -> str:
        """The three of them as one text, by which a gate is expected and found again."""
        return f"{self.metric} of {self.model} on {self.corpus}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The decision of one gate. Positive differences are worse; `None` means not measured.

    Attributes:
        gate: what was asked.
        decision: what it came to.
        reasons: why, one sentence each, the gravest first.
        counted: what the evidence is counted in: block, speaker, utterance.
        count: how many of them there were.
        estimate: candidate less base: a relative change (0.05 is 5 % more) or a difference of rates, a fraction.
        low: lower bound of the estimate at `level`, two-sided.
        high: upper bound of the estimate at `level`, two-sided.
        level: confidence of the bounds.
        p: how likely an estimate so bad would be if nothing were worse; of all looks together.
        detectable: the smallest difference that this much evidence would have seen with the power asked for.
        needed: how many `counted` it would take to see the difference that matters.
        evidence: further facts, plain values that JSON can hold.
    """

    gate: Gate
    decision: Decision
    reasons: tuple[str, ...] = ()
    counted: str = "utterance"
    count: int = 0
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    p: float | None = None
    detectable: float | None = None
    needed: int | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)


def refused(gate: Gate, reasons: Iterable[str], *, counted: str = "utterance", count: int = 0) -> Finding:
    """Give the finding of a gate whose evidence cannot be judged."""
    return Finding(gate=gate, decision=Decision.ERROR, reasons=tuple(reasons), counted=counted, count=count)


_GRAVEST_FIRST = (
    Decision.ERROR,
    Decision.REGRESSED,
    Decision.INCONCLUSIVE,
    Decision.PASS,
    Decision.INFORMS,
)


def gravest(decisions: Iterable[Decision]) -> Decision:
    """Give the gravest of several decisions; none at all is an error, since a gate was asked for."""
    taken = set(decisions)
    return next((decision for decision in _GRAVEST_FIRST if decision in taken), Decision.ERROR)

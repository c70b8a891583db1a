"""Sequential: looks at evidence as it grows, each with a share of one chance of a false alarm."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isclose, isfinite, log1p

import numpy as np

from modellab.errors import BadDefinition, MeasurementRefused
from modellab.verdicts.decision import Decision
from modellab.verdicts.sign_flip import sign_flip
from modellab.verdicts.student import mean_of

_LEAST_BLOCKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When to look, and what a look has to show. Sums of shares bound the sum of chances: no table is needed.

    Attributes:
        looks: numbers of blocks at which to look, rising.
        shares: of `alpha`, one a look, 1 together.
        alpha: the chance of a false alarm over all looks.
        floor: the relative change up to which nothing regresses.
        interest: the smallest relative change that matters; below it for sure passes.
        confidence: that what passes is below `interest`, over all looks.
        power: with which a detectable change would be seen.
        least_sd: the scatter of blocks that is known from before, as a log of ratios; blocks that happen to scatter
            less are not believed. A machine or a memory layout with two states may show one of them six times over.
    """

    looks: tuple[int, ...] = (6, 10, 16, 24)
    shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4)
    alpha: float = 0.005
    floor: float = 0.02
    interest: float = 0.05
    confidence: float = 0.95
    power: float = 0.9
    least_sd: float = 0.0

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip((_LEAST_BLOCKS - 1, *self.looks), self.looks, strict=False))
        if not self.looks or not rising:
            raise BadDefinition(f"looks must rise from {_LEAST_BLOCKS} blocks or more, not {self.looks}")
        whole = isclose(sum(self.shares), 1) and all(share > 0 for share in self.shares)
        if len(self.shares) != len(self.looks) or not whole:
            raise BadDefinition(f"shares of alpha must be one a look, above 0 and 1 together, not {self.shares}")
        if not 0 <= self.floor < self.interest < float("inf"):
            raise BadDefinition(f"0 <= floor < interest is wanted, not {self.floor} and {self.interest}")
        if not 0 <= self.least_sd < float("inf"):
            raise BadDefinition(f"least_sd must be 0 or more, not {self.least_sd}")
        for name in ("alpha", "confidence", "power"):
            if not 0 < getattr(self, name) < 1:
                raise BadDefinition(f"{name} must lie between 0 and 1, not {getattr(self, name)}")

    def spent_at(self, look: int) -> float:
        """Give the chance of a false alarm that a look spends, counted from 0."""
        return self.alpha * self.shares[look]

    @property
    def pass_level(self) -> float:
        """The one-sided confidence of each look that what passes is below `interest`."""
        return 1 - (1 - self.confidence) / len(self.looks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look that was taken: at which blocks, what it spent, what it saw (logs of ratios), what it came to."""

    blocks: tuple[str, ...]
    alpha: float
    estimate: float
    p: float
    upper: float
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The looks already taken at a revision, in order. A re-run continues them and never takes one again."""

    looks: tuple[Look, ...] = ()

    @property
    def decision(self) -> Decision:
        """What the last look came to; nothing was decided before the first."""
        return self.looks[-1].decision if self.looks else Decision.INCONCLUSIVE

    @property
    def blocks(self) -> tuple[str, ...]:
        """The blocks that have been looked at, in the order of their looks."""
        return self.looks[-1].blocks if self.looks else ()

    def p(self, plan: Plan) -> float | None:
        """Give how likely any look so bad would be if nothing were worse; None before the first."""
        weighted = (look.p / share for look, share in zip(self.looks, plan.shares, strict=False))
        return min(1.0, *weighted) if self.looks else None

    def next_look(self, plan: Plan) -> int | None:
        """Give how many good blocks the next look takes; None where it is decided or all has been spent."""
        undecided = self.decision is Decision.INCONCLUSIVE and len(self.looks) < len(plan.looks)
        return plan.looks[len(self.looks)] if undecided else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What a look sees in each row of blocks: logs of ratios, chances, and which of them are settled, and how."""

    mean: np.ndarray
    p: np.ndarray
    upper: np.ndarray
    regressed: np.ndarray
    passed: np.ndarray


def weigh(values: np.ndarray, plan: Plan, look: int) -> Weighed:
    """Give what a look, counted from 0, sees in logs of ratios of shape (..., blocks); the last axis is one gate's.

    The decision is a one-sided t test over blocks. At the last look the signs, which assume no shape of noise, must
    agree; they cannot at the first, where six blocks have but 64 of them.
    """
    found = mean_of(values, least_sd=plan.least_sd)
    p, upper = found.p(), found.upper(plan.pass_level)
    if look == len(plan.looks) - 1:
        p = _with_signs(values, p, plan.alpha)
    regressed = (p < plan.spent_at(look)) & (found.mean > log1p(plan.floor))
    passed = ~regressed & (upper < log1p(plan.interest))
    return Weighed(mean=found.mean, p=p, upper=upper, regressed=regressed, passed=passed)


def take_looks(values: Mapping[str, float], plan: Plan, spent: Spent | None = None) -> Spent:
    """Give what has been spent once every look that the evidence allows was taken, or one of them has decided.

    `values` are logs of ratios of good blocks, by their ids, in the order in which they were measured. Blocks that
    have been looked at come first, whatever their order; what was decided stands, however many follow.

    Raises:
        MeasurementRefused: when there are no values to look at, when they are not those which the looks were taken at,
            or when the looks were taken under another plan.
    """
    taken = spent or Spent()
    _refuse_other_evidence(values, plan, taken)
    order = (*taken.blocks, *(block for block in values if block not in set(taken.blocks)))
    while (size := taken.next_look(plan)) and size <= len(order):
        look = _look(order[:size], values, plan, len(taken.looks))
        taken = replace(taken, looks=(*taken.looks, look))
    return taken


def _look(blocks: tuple[str, ...], values: Mapping[str, float], plan: Plan, look: int) -> Look:
    seen = weigh(np.array([values[block] for block in blocks]), plan, look)
    decision = Decision.PASS if seen.passed else Decision.INCONCLUSIVE
    return Look(
        blocks=blocks,
        alpha=plan.spent_at(look),
        estimate=float(seen.mean),
        p=float(seen.p),
        upper=float(seen.upper),
        decision=Decision.REGRESSED if seen.regressed else decision,
    )


def _with_signs(values: np.ndarray, p: np.ndarray, alpha: float) -> np.ndarray:
    """Give the greater of the two p, where that of t is small enough for the signs to matter."""
    rows, greater = values.reshape(-1, values.shape[-1]), p.reshape(-1).copy()
    for n in np.flatnonzero(greater < alpha):
        greater[n] = max(greater[n], sign_flip(rows[n]))
    return np.asarray(greater.reshape(p.shape))


def _refuse_other_evidence(values: Mapping[str, float], plan: Plan, spent: Spent) -> None:
    wrong = [block for block, value in values.items() if not isfinite(value)]
    if wrong:
        raise MeasurementRefused(f"block {wrong[0]} has no value, but {values[wrong[0]]}")
    if len(spent.looks) > len(plan.looks):
        raise MeasurementRefused(f"{len(spent.looks)} looks were taken, the plan has {len(plan.looks)}")
    for n, look in enumerate(spent.looks):
        if (len(look.blocks), look.alpha) != (plan.looks[n], plan.spent_at(n)):
            raise MeasurementRefused(
                f"look {n + 1} was taken at {len(look.blocks)} blocks with alpha {look.alpha:g}, "
                f"the plan has it at {plan.looks[n]} with {plan.spent_at(n):g}: what was spent stays spent"
            )
        lost = [block for block in look.blocks if block not in values]
        if lost:
            raise MeasurementRefused(
                f"block {lost[0]}, which was looked at, is lost: evidence is added, never replaced"
            )
        if not isclose(look.estimate, np.mean([values[b] for b in look.blocks]), rel_tol=1e-6, abs_tol=1e-9):
            raise MeasurementRefused(f"the blocks of look {n + 1} are not what they were when it was taken")

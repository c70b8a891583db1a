"""Speed: whether a candidate needs more time, or more of anything that a process needs, than its base."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import expm1, log1p

import numpy as np

from modellab.errors import MeasurementRefused
from modellab.verdicts.contamination import Conditions, Limits, contaminated
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding, Gate, refused
from modellab.verdicts.power import detectable, planned
from modellab.verdicts.sequential import Plan, Spent, take_looks
from modellab.verdicts.student import mean_of

TRIMMED = 0.2
_LEVEL = 0.95
_CANARY_ALPHA = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What two fresh processes needed, side by side: seconds, or bytes, utterance by utterance in the same order.

    A metric of whole processes (cold start, peak memory) has one number each.
    """

    id: str
    base: tuple[float, ...]
    candidate: tuple[float, ...]
    conditions: Conditions = field(default_factory=Conditions)


def log_ratio(base: Sequence[float], candidate: Sequence[float]) -> float:
    """Give the trimmed mean over utterances of the log of candidate over base: the one number of a block.

    A fifth of the utterances is cut at either end, so that a hiccup in a few of them moves nothing.

    Raises:
        MeasurementRefused: when a number is missing, no number, or not above zero, or when there is none.
    """
    if len(base) != len(candidate):
        raise MeasurementRefused(f"{len(base)} numbers of the base and {len(candidate)} of the candidate are no pairs")
    if not base:
        raise MeasurementRefused("there are no numbers of either arm")
    for name, numbers in (("base", base), ("candidate", candidate)):
        wrong = [number for number in numbers if not 0 < number < float("inf")]
        if wrong:
            raise MeasurementRefused(f"the {name} has {wrong[0]}, which is no number above zero")
    logs = np.sort(np.log(np.asarray(candidate, dtype=np.float64)) - np.log(np.asarray(base, dtype=np.float64)))
    cut = int(TRIMMED * len(logs))
    return float(logs[cut : len(logs) - cut].mean())


def judge_speed(
    gate: Gate,
    blocks: Sequence[Block],
    *,
    plan: Plan | None = None,
    spent: Spent | None = None,
    limits: Limits | None = None,
) -> tuple[Finding, Spent]:
    """Give the finding on all blocks measured of a revision so far, oldest first, and what has now been spent.

    Contaminated blocks are dropped before any is looked at; one that has been looked at stays. What
    cannot be judged is an error, and spends nothing.
    """
    rules, before = plan or Plan(), spent or Spent()
    try:
        values = _values(blocks)
        dropped = _dropped(blocks, before, limits)
        good = {block: value for block, value in values.items() if block not in dropped}
        _refuse_too_few(good, values, rules, before)
        _refuse_a_machine_that_sees_ghosts([b.conditions for b in blocks if b.id in good], rules)
        after = take_looks(good, rules, before)
    except MeasurementRefused as error:
        return refused(gate, [str(error)], counted="block", count=len(blocks)), before
    return _found(gate, good, dropped, rules, after), after


def _values(blocks: Sequence[Block]) -> Mapping[str, float]:
    values: dict[str, float] = {}
    for block in blocks:
        if block.id in values:
            raise MeasurementRefused(f"block {block.id} is there twice")
        try:
            values[block.id] = log_ratio(block.base, block.candidate)
        except MeasurementRefused as error:
            raise MeasurementRefused(f"block {block.id}: {error}") from error
    return values


def _dropped(blocks: Sequence[Block], spent: Spent, limits: Limits | None) -> Mapping[str, tuple[str, ...]]:
    found = contaminated({block.id: block.conditions for block in blocks}, limits)
    return {block: reasons for block, reasons in found.items() if block not in spent.blocks}


def _refuse_too_few(good: Mapping[str, float], values: Mapping[str, float], plan: Plan, spent: Spent) -> None:
    if len(good) < plan.looks[0] and not spent.looks:
        raise MeasurementRefused(
            f"{len(good)} good blocks of {len(values)} measured: {plan.looks[0]} are the least that can be judged"
        )


def _refuse_a_machine_that_sees_ghosts(conditions: Sequence[Conditions], plan: Plan) -> None:
    canary = np.array([c.same_code for c in conditions if c.same_code is not None])
    if len(canary) < plan.looks[0]:
        return
    found = mean_of(canary)
    p = 2 * float(min(found.p(), 1 - found.p()))
    if p < _CANARY_ALPHA and abs(float(found.mean)) > log1p(plan.floor):
        raise MeasurementRefused(
            f"identical code differs by {expm1(float(found.mean)):+.1%} here (p {p:.1g}): "
            "what this machine says of two arms means nothing"
        )


def _found(
    gate: Gate, good: Mapping[str, float], dropped: Mapping[str, tuple[str, ...]], plan: Plan, spent: Spent
) -> Finding:
    seen = np.array([good[block] for block in spent.blocks])
    estimate, alpha = mean_of(seen, least_sd=plan.least_sd), spent.looks[-1].alpha
    sd = max(float(seen.std(ddof=1)), plan.least_sd)
    low, high = estimate.interval(_LEVEL)
    evidence = {
        "plan": asdict(plan),
        "looks": [asdict(look) for look in spent.looks],
        "blocks": dict(good),
        "block_sd": float(seen.std(ddof=1)),
        "dropped": {block: list(reasons) for block, reasons in dropped.items()},
    }
    finding = Finding(
        gate=gate,
        decision=spent.decision,
        counted="block",
        count=len(seen),
        estimate=expm1(float(estimate.mean)),
        low=expm1(low),
        high=expm1(high),
        level=_LEVEL,
        p=spent.p(plan),
        detectable=expm1(detectable(sd, len(seen), alpha=alpha, power=plan.power, floor=log1p(plan.floor))),
        needed=_needed(sd, plan),
        evidence=evidence,
    )
    return replace(finding, reasons=(_reason(finding, len(good), plan, spent),))


def _needed(sd: float, plan: Plan) -> int:
    alpha, floor = plan.spent_at(-1), log1p(plan.floor)
    return planned(sd, log1p(plan.interest), alpha=alpha, power=plan.power, floor=floor, least=plan.looks[0])


def _reason(found: Finding, good: int, plan: Plan, spent: Spent) -> str:
    look, which = spent.looks[-1], f"look {len(spent.looks)} of {len(plan.looks)}, {found.count} blocks"
    change = f"{found.estimate:+.1%} [{found.low:+.1%}, {found.high:+.1%}] at {which}"
    if found.decision is Decision.REGRESSED:
        return f"{change}: above {100 * plan.floor:g}%, p {look.p:.2g} below the {look.alpha:.2g} spent"
    if found.decision is Decision.PASS:
        return f"{change}: for sure less than {100 * plan.interest:g}%, at most {expm1(look.upper):+.1%}"
    if following := spent.next_look(plan):
        return f"{change}: not decided; the next look takes {following} good blocks and there are {good}"
    return (
        f"{change}: not decided, and every look at this revision has been taken; "
        f"these blocks see {found.detectable:.1%}, and {100 * plan.interest:g}% takes about {found.needed}"
    )

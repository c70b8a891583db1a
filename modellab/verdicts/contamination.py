"""Contamination: which blocks were measured on a machine that was not itself, told without a look at either arm."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, log1p
from statistics import median

_MAD_OF_NORMAL = 1.4826


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How the machine was while a block was measured; None where that was not measured.

    Attributes:
        steal: share of processor time that the hypervisor gave to others, a fraction.
        throttled: whether a limit on processor time was reached.
        fixed_work_s: seconds that the same arithmetic took.
        same_code: log of the ratio of two workers of identical code. Neither may be one of the arms: dropping a block
            because the base was slow in it would favour blocks in which it was not.
    """

    steal: float | None = None
    throttled: bool | None = None
    fixed_work_s: float | None = None
    same_code: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a block may show and stay.

    Attributes:
        steal: the most time stolen, a fraction.
        mads: how many median absolute deviations, scaled to a normal sd, the fixed work may be from its median.
        fixed_work: how far from its median, a fraction, the fixed work may always be.
        same_code: the most that two workers of identical code may differ by, a fraction.
    """

    steal: float = 0.02
    mads: float = 3.0
    fixed_work: float = 0.02
    same_code: float = 0.10


def contaminated(blocks: Mapping[str, Conditions], limits: Limits | None = None) -> Mapping[str, tuple[str, ...]]:
    """Give why each contaminated block is, by its id; a block that is not named is good."""
    allowed = limits or Limits()
    works = [c.fixed_work_s for c in blocks.values() if c.fixed_work_s is not None and isfinite(c.fixed_work_s)]
    middle = median(works) if works else 0.0
    spread = _MAD_OF_NORMAL * median(abs(work - middle) for work in works) if works else 0.0
    reach = max(allowed.mads * spread, allowed.fixed_work * middle)
    found = {block: tuple(_faults(c, allowed, middle, reach)) for block, c in blocks.items()}
    return {block: faults for block, faults in found.items() if faults}


def _faults(conditions: Conditions, limits: Limits, middle: float, reach: float) -> Iterator[str]:
    if conditions.steal is not None and not conditions.steal <= limits.steal:
        yield f"{conditions.steal:.1%} of the processor was stolen, above {100 * limits.steal:g}%"
    if conditions.throttled:
        yield "the processor was throttled"
    if conditions.fixed_work_s is not None and not abs(conditions.fixed_work_s - middle) <= reach:
        yield f"the fixed work took {conditions.fixed_work_s:.3g} s, not {middle:.3g} s within {reach:.2g} s"
    if conditions.same_code is not None and not abs(conditions.same_code) <= log1p(limits.same_code):
        yield f"identical code differed by {conditions.same_code:+.2f} (log), above {log1p(limits.same_code):.2f}"

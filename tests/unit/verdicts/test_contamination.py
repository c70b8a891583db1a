"""Blocks that are dropped, blind to the arms."""

import re

import pytest

from modellab.verdicts.contamination import Conditions, Limits, contaminated

WORK_S = (1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.01)


def blocks(**odd):
    """Give blocks with ordinary fixed work, and odd ones by name."""
    ordinary = {f"b{n}": Conditions(fixed_work_s=work) for n, work in enumerate(WORK_S)}
    return ordinary | odd


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        (Conditions(steal=0.05), "5.0% of the processor was stolen, above 2%"),
        (Conditions(steal=float("nan")), "stolen"),
        (Conditions(throttled=True), "throttled"),
        (Conditions(fixed_work_s=1.2), "the fixed work took 1.2 s, not 1 s"),
        (Conditions(fixed_work_s=0.8), "the fixed work took 0.8 s"),
        (Conditions(fixed_work_s=float("nan")), "nan"),
        (Conditions(same_code=0.2), r"identical code differed by \+0.20"),
        (Conditions(same_code=-0.2), "identical code differed by -0.20"),
        (Conditions(same_code=float("nan")), "identical code"),
        (Conditions(same_code=1e9), "identical code"),
    ],
)
def test_a_disturbed_block_is_named(conditions, reason):
    """A block is dropped with its reason where the machine was not itself, whichever way."""
    found = contaminated(blocks(odd=conditions))
    assert list(found) == ["odd"]
    assert re.search(reason, found["odd"][0])


@pytest.mark.parametrize(
    "conditions",
    [
        Conditions(),
        Conditions(steal=0.02),
        Conditions(throttled=False),
        Conditions(fixed_work_s=1.03),
        Conditions(same_code=0.09),
    ],
)
def test_an_ordinary_block_stays(conditions):
    """What is within limits, or was not measured, is not dropped."""
    assert contaminated(blocks(ok=conditions)) == {}


def test_all_reasons_are_given():
    """A block that was disturbed in several ways says each."""
    found = contaminated(blocks(odd=Conditions(steal=0.5, throttled=True, fixed_work_s=9.0, same_code=1.0)))
    assert len(found["odd"]) == 4


def test_small_scatter_drops_nothing():
    """Fixed work that hardly scatters drops no block for a hundredth, and none at all is no work at all."""
    steady = {f"b{n}": Conditions(fixed_work_s=1.0) for n in range(6)}
    assert contaminated(steady | {"ok": Conditions(fixed_work_s=1.01)}) == {}
    assert list(contaminated(steady | {"odd": Conditions(fixed_work_s=1.03)})) == ["odd"]
    assert contaminated({}) == {}


def test_limits_are_chosen():
    """Other limits drop other blocks."""
    assert contaminated(blocks(ok=Conditions(steal=0.05)), Limits(steal=0.1)) == {}

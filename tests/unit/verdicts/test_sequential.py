"""Looks, and what they spend."""

import json
from dataclasses import asdict, replace
from math import log1p, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats

from modellab.errors import BadDefinition, MeasurementRefused
from modellab.verdicts.decision import Decision
from modellab.verdicts.sequential import Plan, Spent, take_looks, weigh
from modellab.verdicts.sign_flip import sign_flip

PLAN = Plan()
STEADY = (0.001, -0.001) * 12
NOISY = tuple(0.15 * x for x in stats.norm.ppf((np.arange(24) * 7 % 24 + 0.5) / 24))


def named(values, start=0):
    """Give values by the ids of their blocks."""
    return {f"b{n}": float(value) for n, value in enumerate(values, start=start)}


def test_a_slow_candidate_regresses_at_the_first_look():
    """Six blocks that are all 8 % slower decide, and no further look is taken."""
    spent = take_looks(named(np.add(STEADY, 0.08)), PLAN)
    assert [look.decision for look in spent.looks] == [Decision.REGRESSED]
    assert spent.blocks == tuple(f"b{n}" for n in range(6))
    assert spent.next_look(PLAN) is None


def test_an_equal_candidate_passes_at_the_first_look():
    """Six blocks that hardly differ rule out 5 %."""
    spent = take_looks(named(STEADY), PLAN)
    assert (spent.decision, len(spent.looks)) == (Decision.PASS, 1)


def test_below_the_floor_nothing_regresses():
    """A difference that is sure and less than 2 % passes; one of 3 % that is as sure regresses."""
    assert take_looks(named(np.add(STEADY, 0.015)), PLAN).decision is Decision.PASS
    assert take_looks(named(np.add(STEADY, 0.03)), PLAN).decision is Decision.REGRESSED


def test_noise_is_inconclusive():
    """Where blocks scatter too much every look is taken, and none decides."""
    spent = take_looks(named(NOISY), PLAN)
    assert [len(look.blocks) for look in spent.looks] == [6, 10, 16, 24]
    assert spent.decision is Decision.INCONCLUSIVE
    assert spent.next_look(PLAN) is None


def test_alpha_is_spent_by_look():
    """The looks spend 10, 20, 30 and 40 % of alpha, and no more than alpha together."""
    spent = take_looks(named(NOISY), PLAN)
    assert [look.alpha for look in spent.looks] == pytest.approx([0.0005, 0.001, 0.0015, 0.002])
    assert sum(look.alpha for look in spent.looks) == pytest.approx(PLAN.alpha)


def test_a_look_is_a_t_test():
    """The p of a look is scipy's, of the first blocks alone; that of the last is the signs' where that is greater."""
    values = np.add(NOISY, 0.13)
    seen = weigh(values[:10], PLAN, 1)
    assert float(seen.p) == pytest.approx(stats.ttest_1samp(values[:10], 0, alternative="greater").pvalue)
    level = 1 - 0.05 / 4
    bound = stats.ttest_1samp(values[:10], 0, alternative="less").confidence_interval(level).high
    assert float(seen.upper) == pytest.approx(bound)
    t = stats.ttest_1samp(values, 0, alternative="greater").pvalue
    assert t < PLAN.alpha
    assert float(weigh(values, PLAN, 3).p) == pytest.approx(max(t, sign_flip(values)))


def test_at_the_last_look_the_signs_must_agree():
    """A t that is sure of one shape of noise does not regress where the signs are not."""
    plan = Plan(looks=(6,), shares=(1.0,), alpha=0.01)
    values = np.add(STEADY[:6], 0.08)
    assert take_looks(named(values), plan).decision is Decision.INCONCLUSIVE
    assert take_looks(named(values), Plan(looks=(6, 7), shares=(0.5, 0.5), alpha=0.01)).decision is Decision.REGRESSED


def test_blocks_that_scatter_too_little_are_not_believed():
    """With a scatter that is known from before, blocks that happen to agree neither regress nor pass so soon."""
    plan = Plan(least_sd=0.06)
    assert take_looks(named(np.add(STEADY[:6], 0.08)), plan).decision is Decision.INCONCLUSIVE
    assert take_looks(named(STEADY[:6]), plan).decision is Decision.INCONCLUSIVE
    assert take_looks(named(np.add(NOISY[:10], 0.3)), plan) == take_looks(named(np.add(NOISY[:10], 0.3)), PLAN)


def test_the_p_of_all_looks_is_weighted():
    """The p over all looks is at or below alpha exactly where one of them is below what it spent."""
    spent = take_looks(named(np.add(STEADY, 0.08)), PLAN)
    assert spent.p(PLAN) == pytest.approx(spent.looks[0].p / 0.1)
    noisy = take_looks(named(np.add(NOISY, 0.05)), PLAN)
    weighted = [look.p / share for look, share in zip(noisy.looks, PLAN.shares, strict=True)]
    assert PLAN.alpha < noisy.p(PLAN) == min(weighted) < max(weighted)
    assert Spent().p(PLAN) is None


def test_a_rerun_continues():
    """Blocks of a re-run are added: the next look is the next one, at all blocks, and no look is taken twice."""
    first = take_looks(named(NOISY[:7]), PLAN)
    assert (len(first.looks), first.next_look(PLAN)) == (1, 10)
    assert take_looks(named(NOISY[:9]), PLAN, first) == first
    again = take_looks(named(NOISY[:16]), PLAN, first)
    assert again.looks[0] == first.looks[0]
    assert again == take_looks(named(NOISY[:16]), PLAN)


def test_a_rerun_cannot_wait_for_luck():
    """What regressed stays regressed, however many good blocks follow; what passed stays too."""
    slow = take_looks(named(np.add(STEADY[:6], 0.08)), PLAN)
    lucky = {**named(np.add(STEADY[:6], 0.08)), **named([-0.2] * 30, start=6)}
    assert take_looks(lucky, PLAN, slow) == slow
    same = take_looks(named(STEADY[:6]), PLAN)
    assert take_looks({**named(STEADY[:6]), **named([0.2] * 30, start=6)}, PLAN, same) == same


def test_when_all_is_spent_no_block_helps():
    """After the last look further blocks decide nothing at the same revision."""
    spent = take_looks(named(NOISY), PLAN)
    assert take_looks({**named(NOISY), **named([0.5] * 100, start=24)}, PLAN, spent) == spent


def test_what_was_looked_at_comes_first():
    """A block that was looked at stays in every further look, wherever it stands now."""
    first = take_looks(named(NOISY[:6]), PLAN)
    shuffled = dict(reversed(named(NOISY[:10]).items()))
    assert take_looks(shuffled, PLAN, first).looks[1].blocks[:6] == first.blocks


@pytest.mark.parametrize(
    ("values", "plan", "reason"),
    [
        (named(NOISY[:5]), PLAN, "block b5, which was looked at, is lost"),
        (named(NOISY[:6], start=1), PLAN, "block b0, which was looked at, is lost"),
        (named((*NOISY[:5], 0.5)), PLAN, "blocks of look 1 are not what they were"),
        (named(NOISY[:6]), Plan(alpha=0.02), "what was spent stays spent"),
        (named(NOISY[:6]), Plan(looks=(8, 10, 16, 24)), "what was spent stays spent"),
        (named((*NOISY[:6], nan)), PLAN, "block b6 has no value, but nan"),
    ],
)
def test_evidence_is_added_never_replaced(values, plan, reason):
    """Lost blocks, changed blocks, another plan and NaN are refused."""
    spent = take_looks(named(NOISY[:6]), PLAN)
    with pytest.raises(MeasurementRefused, match=reason):
        take_looks(values, plan, spent)


def test_more_looks_than_planned_are_refused():
    """Looks of a longer plan are not continued under a shorter."""
    with pytest.raises(MeasurementRefused, match="4 looks were taken, the plan has 1"):
        take_looks(named(NOISY), Plan(looks=(6,), shares=(1,)), take_looks(named(NOISY), PLAN))


def test_without_blocks_nothing_is_decided():
    """No evidence is no decision."""
    assert take_looks({}, PLAN) == Spent()
    assert Spent().decision is Decision.INCONCLUSIVE
    assert Spent().next_look(PLAN) == 6


def test_what_was_spent_is_kept():
    """The looks can be written as JSON and read back, to be continued by a re-run."""
    spent = take_looks(named(NOISY[:10]), PLAN)
    read = TypeAdapter(Spent).validate_python(json.loads(json.dumps(asdict(spent))))
    assert read == spent
    assert take_looks(named(NOISY), PLAN, read) == take_looks(named(NOISY), PLAN)


@pytest.mark.parametrize(
    "wrong",
    [
        {"looks": ()},
        {"looks": (1, 6, 10, 16)},
        {"looks": (6, 6, 10, 16)},
        {"shares": (0.5, 0.5)},
        {"shares": (0.1, 0.2, 0.3, 0.5)},
        {"shares": (-0.1, 0.4, 0.3, 0.4)},
        {"alpha": 0.0},
        {"alpha": nan},
        {"floor": 0.05},
        {"floor": -0.1},
        {"interest": float("inf")},
        {"confidence": 1.0},
        {"power": 0.0},
        {"least_sd": -0.1},
        {"least_sd": nan},
    ],
    ids=str,
)
def test_a_plan_that_bounds_nothing_is_refused(wrong):
    """Looks that do not rise, shares that are not 1 together and chances that are none are refused."""
    with pytest.raises(BadDefinition):
        replace(PLAN, **wrong)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-0.2, 0.2), min_size=6, max_size=6))
def test_exchanged_arms_turn_the_estimate(values):
    """The arms exchanged give the estimate with the other sign, and never two regressions."""
    one, other = take_looks(named(values), PLAN), take_looks(named(np.negative(values)), PLAN)
    assert one.looks[0].estimate == pytest.approx(-other.looks[0].estimate)
    assert not (one.decision is other.decision is Decision.REGRESSED)
    if one.decision is Decision.REGRESSED:
        assert one.looks[0].estimate > log1p(0.02)

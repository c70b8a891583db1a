"""The speed gate: block values, dropped blocks, decisions and refusals."""

import json
from dataclasses import asdict, replace
from math import expm1, inf, log, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import trim_mean

from modellab.errors import MeasurementRefused
from modellab.verdicts.contamination import Conditions
from modellab.verdicts.decision import Decision
from modellab.verdicts.sequential import Plan
from modellab.verdicts.speed import Block, judge_speed, log_ratio

SECONDS = st.floats(1e-3, 100)
PAIRS = st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=20)


def blocks(ratios, start=0, **facts):
    """Give blocks of ten utterances of different length with these ratios."""
    base = tuple(np.linspace(0.2, 2.0, 10))
    return [
        Block(id=f"b{n}", base=base, candidate=tuple(ratio * s for s in base), **facts)
        for n, ratio in enumerate(ratios, start=start)
    ]


def near(ratio, count, sd=0.01):
    """Give ratios that scatter around one."""
    return ratio * np.exp(np.random.default_rng(7).normal(0, sd, count))


@settings(deadline=None, max_examples=60)
@given(PAIRS)
def test_a_block_is_a_trimmed_mean_of_logs(pairs):
    """The number of a block is scipy's 20 % trimmed mean of the logs of the ratios."""
    base, candidate = zip(*pairs, strict=True)
    logs = np.log(np.array(candidate)) - np.log(np.array(base))
    assert log_ratio(base, candidate) == pytest.approx(trim_mean(logs, 0.2), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(PAIRS, st.floats(1e-3, 1e3))
def test_a_block_does_not_know_units_or_arms(pairs, scale):
    """Another unit of time changes nothing; exchanged arms change the sign."""
    base, candidate = zip(*pairs, strict=True)
    value = log_ratio(base, candidate)
    assert log_ratio([scale * s for s in base], [scale * s for s in candidate]) == pytest.approx(value, abs=1e-9)
    assert log_ratio(candidate, base) == pytest.approx(-value, abs=1e-9)


def test_a_hiccup_moves_nothing():
    """Two utterances of ten that took a hundred times as long leave the number as it is."""
    base = [1.0] * 10
    assert log_ratio(base, [1.05] * 8 + [100.0] * 2) == pytest.approx(log(1.05))


@pytest.mark.parametrize(
    ("base", "candidate", "reason"),
    [
        ([1.0, nan], [1.0, 1.0], "the base has nan"),
        ([1.0, 1.0], [1.0, nan], "the candidate has nan"),
        ([1.0, 0.0], [1.0, 1.0], "the base has 0.0"),
        ([1.0, 1.0], [1.0, -0.5], "the candidate has -0.5"),
        ([1.0, 1.0], [1.0, inf], "the candidate has inf"),
        ([1.0, 1.0], [1.0], "2 numbers of the base and 1 of the candidate"),
        ([], [], "there are no numbers"),
    ],
)
def test_seconds_that_mean_nothing_are_refused(gate, base, candidate, reason):
    """NaN, nothing, less than nothing and half a pair end a gate in an error that names the block."""
    with pytest.raises(MeasurementRefused, match=reason):
        log_ratio(base, candidate)
    wrong = Block(id="odd", base=tuple(base), candidate=tuple(candidate))
    found, spent = judge_speed(gate, [*blocks(near(1, 6)), wrong])
    assert found.decision is Decision.ERROR
    assert found.reasons[0].startswith(f"block odd: {reason}")
    assert spent.looks == ()


def test_a_slow_candidate_regresses(gate):
    """A candidate that needs 8 % more is found out, with how much and how sure."""
    found, spent = judge_speed(gate, blocks(near(1.08, 6)))
    assert found.decision is spent.decision is Decision.REGRESSED
    assert found.estimate == pytest.approx(0.08, abs=0.01)
    assert found.low < found.estimate < found.high
    assert found.p < Plan().alpha
    assert (found.counted, found.count) == ("block", 6)
    assert "above 2%" in found.reasons[0]


def test_an_equal_candidate_passes(gate):
    """A candidate that needs as much passes, and says how much more is ruled out."""
    found, _ = judge_speed(gate, blocks(near(1.0, 6)))
    assert found.decision is Decision.PASS
    assert "for sure less than 5%" in found.reasons[0]
    assert found.needed == 6


def test_no_scatter_is_judged(gate):
    """Bytes that are the same in every process pass, and those that are the same tenth more regress."""
    same = [Block(id=f"b{n}", base=(5e8,), candidate=(5e8,)) for n in range(6)]
    more = [replace(block, candidate=(5.5e8,)) for block in same]
    assert judge_speed(gate, same)[0].decision is Decision.PASS
    found, _ = judge_speed(gate, more)
    assert (found.decision, found.estimate) == (Decision.REGRESSED, pytest.approx(0.1))


def test_noise_says_what_it_would_have_taken(gate):
    """After the last look an open question says what these blocks can see and how many blocks would have done."""
    found, spent = judge_speed(gate, blocks(near(1.06, 24, sd=0.15)))
    assert (found.decision, len(spent.looks)) == (Decision.INCONCLUSIVE, 4)
    assert found.detectable > 0.05
    assert found.needed > 24
    assert f"takes about {found.needed}" in found.reasons[0]
    assert "every look at this revision has been taken" in found.reasons[0]


def test_between_looks_nothing_is_decided(gate):
    """Blocks between two looks wait for the next."""
    ratios = near(1.03, 24, sd=0.1)
    found, spent = judge_speed(gate, blocks(ratios[:8]))
    assert (found.decision, found.count) == (Decision.INCONCLUSIVE, 6)
    assert "the next look takes 10 good blocks and there are 8" in found.reasons[0]
    assert judge_speed(gate, blocks(ratios[:8]), spent=spent) == (found, spent)


def test_a_rerun_adds_evidence(gate):
    """A re-run judges all blocks of the revision together, from where the first run ended."""
    ratios = near(1.03, 24, sd=0.1)
    _, spent = judge_speed(gate, blocks(ratios[:12]))
    found, again = judge_speed(gate, blocks(ratios), spent=spent)
    assert again.looks[:2] == spent.looks
    assert (found, again) == judge_speed(gate, blocks(ratios))


def test_lost_evidence_is_an_error(gate):
    """A re-run that lost the blocks of the first run is an error and leaves what was spent as it was."""
    _, spent = judge_speed(gate, blocks(near(1.03, 12, sd=0.1)))
    found, after = judge_speed(gate, blocks(near(1.03, 12), start=50), spent=spent)
    assert (found.decision, after) == (Decision.ERROR, spent)
    assert "is lost" in found.reasons[0]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_blocks_are_an_error(gate, count):
    """Fewer than six good blocks are an error, never a pass."""
    found, spent = judge_speed(gate, blocks(near(1.0, count)))
    assert (found.decision, spent.looks) == (Decision.ERROR, ())
    assert f"{count} good blocks of {count} measured" in found.reasons[0]


def test_contaminated_blocks_are_dropped(gate):
    """A disturbed block enters no look, and the finding says which and why."""
    disturbed = blocks([3.0], start=90, conditions=Conditions(throttled=True))
    found, spent = judge_speed(gate, [*disturbed, *blocks(near(1.0, 6))])
    assert found.decision is Decision.PASS
    assert "b90" not in spent.blocks
    assert found.evidence["dropped"] == {"b90": ["the processor was throttled"]}


def test_dropping_is_blind_to_the_arms(gate):
    """What is dropped does not depend on what either arm needed."""
    conditions = [Conditions(steal=0.5), *[Conditions()] * 9]
    for ratio in (0.5, 1.0, 2.0):
        measured = [replace(b, conditions=c) for b, c in zip(blocks(near(ratio, 10)), conditions, strict=True)]
        assert list(judge_speed(gate, measured)[0].evidence["dropped"]) == ["b0"]


def test_too_many_dropped_blocks_are_an_error(gate):
    """Where fewer than six good blocks are left nothing is judged."""
    found, _ = judge_speed(gate, [*blocks(near(1.0, 5)), *blocks([1, 1], 5, conditions=Conditions(steal=0.9))])
    assert found.decision is Decision.ERROR
    assert "5 good blocks of 7 measured" in found.reasons[0]


def test_what_was_looked_at_is_not_dropped_later(gate):
    """A block that was good when it was looked at stays, though later blocks make its canary look odd."""
    work_s = [1.0, 1.0, 1.0, 1.05, 1.05, 1.05, *[1.0] * 8]
    measured = [
        replace(block, conditions=Conditions(fixed_work_s=work))
        for block, work in zip(blocks(near(1.03, 14, sd=0.1)), work_s, strict=True)
    ]
    _, spent = judge_speed(gate, measured[:6])
    assert len(spent.blocks) == 6
    found, again = judge_speed(gate, measured, spent=spent)
    assert (found.evidence["dropped"], len(again.blocks)) == ({}, 10)
    assert len(judge_speed(gate, measured)[0].evidence["dropped"]) == 3


def test_a_machine_that_tells_identical_code_apart_is_refused(gate):
    """Where an A/A canary differs for sure, what the gate says of two arms means nothing."""
    canary = np.random.default_rng(3).normal(0.06, 0.01, 6)
    measured = [
        replace(block, conditions=Conditions(same_code=float(value)))
        for block, value in zip(blocks(near(1.0, 6)), canary, strict=True)
    ]
    found, _ = judge_speed(gate, measured)
    assert found.decision is Decision.ERROR
    assert "identical code differs by +" in found.reasons[0]
    by_little = [replace(b, conditions=Conditions(same_code=b.conditions.same_code / 10)) for b in measured]
    assert judge_speed(gate, by_little)[0].decision is Decision.PASS
    calm = [replace(b, conditions=Conditions(same_code=b.conditions.same_code - 0.06)) for b in measured]
    assert judge_speed(gate, calm)[0].decision is Decision.PASS


def test_the_same_block_twice_is_an_error(gate):
    """A block that is counted twice makes anything sure."""
    found, _ = judge_speed(gate, [*blocks(near(1.0, 6)), *blocks([1.0])])
    assert (found.decision, found.reasons) == (Decision.ERROR, ("block b0 is there twice",))


def test_a_finding_is_plain(gate):
    """What a gate found can be written as JSON, every block's number with it."""
    found, _ = judge_speed(gate, blocks(near(1.08, 7)))
    read = json.loads(json.dumps(asdict(found)))
    assert expm1(np.mean([read["evidence"]["blocks"][f"b{n}"] for n in range(6)])) == pytest.approx(read["estimate"])
    assert read["evidence"]["looks"][0]["decision"] == "regressed"

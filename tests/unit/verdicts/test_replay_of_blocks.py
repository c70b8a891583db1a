"""The replay, and with it the statistics of the speed gate: false alarms, power, blocks."""

import numpy as np
import pytest

from modellab.errors import MeasurementRefused
from modellab.verdicts.decision import Decision
from modellab.verdicts.replay import decide_all, replay
from modellab.verdicts.sequential import Plan, take_looks

RANDOM = np.random.default_rng(11)
NOISES = {
    "calm": RANDOM.normal(0, 0.01, 80),
    "this machine": RANDOM.normal(0, 0.03, 80),
    "loud": RANDOM.normal(0, 0.06, 80),
    "heavy tails": 0.02 * RANDOM.standard_t(2, 80),
    "skew": 0.03 * (RANDOM.exponential(1, 80) - 1),
}
TWO_STATES = 0.03 * RANDOM.choice((-1, 1), 80) + RANDOM.normal(0, 0.005, 80)


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_false_alarms_are_bounded(noise):
    """Identical code regresses in no more than alpha of runs, as far as chance can tell, whatever the noise."""
    found = replay(noise, runs=20_000)
    assert found.regressed.low(0.999) < Plan().alpha
    assert replay(noise, Plan(alpha=0.05, floor=0.0), runs=5_000).regressed.low(0.999) < 0.05


def test_two_states_need_what_is_known_from_before():
    """Noise with two states may show one six times over, and fools a look unless the scatter is known from before."""
    assert replay(TWO_STATES).regressed.low() > Plan().alpha
    known = Plan(least_sd=float(TWO_STATES.std()))
    assert replay(TWO_STATES, known, runs=20_000).regressed.low(0.999) < Plan().alpha
    assert replay(TWO_STATES, known, slower=0.05).regressed.low() > 0.95


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_power_rises_with_the_slowdown(noise):
    """The slower the candidate, the more runs regress and the fewer pass."""
    runs = [replay(noise, slower=slower, runs=2_000) for slower in (0.0, 0.02, 0.05, 0.08, 0.15)]
    shares = [run.regressed.share for run in runs]
    assert shares == sorted(shares)
    assert [run.passed.share for run in runs] == sorted((run.passed.share for run in runs), reverse=True)
    assert shares[-1] > 0.95


def test_five_percent_is_seen_on_such_a_machine():
    """With 3 % between blocks, 5 % is seen in 95 % of runs and takes about nine blocks; identical code takes seven."""
    found = replay(NOISES["this machine"], slower=0.05)
    assert found.regressed.low() > 0.95
    assert 7 < found.mean_blocks < 12
    equal = replay(NOISES["this machine"])
    assert equal.mean_blocks < 8
    assert equal.passed.share > 0.98


def test_what_matters_seldom_passes():
    """A slowdown of just the smallest effect of interest passes in no more than 5 % of runs."""
    for noise in ("calm", "this machine", "loud"):
        assert replay(NOISES[noise], slower=0.05, runs=5_000).passed.low(0.999) < 0.05


def test_each_run_is_what_the_gate_decides():
    """All runs at once decide what the gate decides one by one."""
    values = np.random.default_rng(0).normal(0.025, 0.05, (150, 24))
    one_by_one = [take_looks({str(n): v for n, v in enumerate(row)}, Plan()) for row in values]
    ends = [(len(spent.looks), spent.decision) for spent in one_by_one]
    found = decide_all(values, Plan())
    for look in range(4):
        assert found.regressed_at[look] == ends.count((look + 1, Decision.REGRESSED))
        assert found.passed_at[look] == ends.count((look + 1, Decision.PASS))
    assert found.inconclusive.hits == ends.count((4, Decision.INCONCLUSIVE))
    assert min(sum(found.regressed_at), sum(found.passed_at), found.inconclusive.hits) > 0


def test_a_bias_of_the_recording_is_no_slowdown():
    """Blocks that all happened to be slower in one arm are replayed either way round."""
    assert replay(NOISES["calm"] + 0.04, runs=4_000).regressed.share < 0.02


def test_a_replay_is_repeatable():
    """The same seed gives the same runs, another seed others."""
    noise = NOISES["this machine"]
    assert replay(noise, runs=500, seed=1) == replay(noise, runs=500, seed=1)
    assert replay(noise, slower=0.03, runs=500, seed=1) != replay(noise, slower=0.03, runs=500, seed=2)


def test_all_runs_are_counted():
    """Regressed, passed and undecided runs are all there are, and blocks follow from them."""
    found = replay(NOISES["loud"], slower=0.03, runs=1_000)
    assert found.regressed.hits + found.passed.hits + found.inconclusive.hits == found.runs == 1_000
    decided = sum(
        size * (a + b) for size, a, b in zip((6, 10, 16, 24), found.regressed_at, found.passed_at, strict=True)
    )
    assert found.mean_blocks == pytest.approx((decided + 24 * found.inconclusive.hits) / 1_000)


def test_a_run_is_decided_once():
    """A slowdown that is surely above the floor and surely below what matters regresses, and does not pass as well."""
    found = replay(NOISES["calm"] / 10, slower=0.03, runs=200)
    assert (found.regressed.hits, found.passed.hits, found.mean_blocks) == (200, 0, 6)


@pytest.mark.parametrize(
    "recorded", [[], [0.1] * 5, [0.1] * 6 + [np.nan], [[0.1] * 6]], ids=["none", "few", "nan", "2d"]
)
def test_too_little_is_refused(recorded):
    """Fewer blocks than a look takes, or blocks that are no numbers, are not replayed."""
    with pytest.raises(MeasurementRefused, match="6 recorded blocks or more"):
        replay(np.array(recorded))

"""Proof: trials of a known answer, counted, replayed, and set beside what other tools would have said."""

from dataclasses import replace

import numpy as np
import pytest

from modellab.errors import MeasurementRefused
from modellab.gating.judging import Evidence, judge
from modellab.gating.proof import (
    Trial,
    Trials,
    by_metric,
    calls,
    decided_s,
    replay_family,
    rivals,
    scatter,
    tally,
)
from modellab.gating.rules import Expectation
from modellab.measuring.contender import spoiled
from modellab.measuring.inject import Injection
from modellab.records.duel import MachineFacts
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding, Gate, refused
from modellab.verdicts.holm import judge_family
from modellab.verdicts.replay import replay
from modellab.verdicts.sequential import Plan
from tests.unit.gating.conftest import CORPUS, MODEL, SMALL

GATE = Gate(metric="rtf", model=MODEL, corpus=CORPUS)


def found(blocks, rules, plan=SMALL):
    expected = Expectation(metric="rtf", model="*", corpus=CORPUS, plan=plan)
    return judge(GATE, expected, Evidence(revision="r", blocks=blocks), rules("rtf"))[0]


def test_a_trial_is_read_as_it_was_written(block, rules, tmp_path) -> None:
    """Trials are added to a file; a line cut short is passed over."""
    trial = Trial(
        number=1,
        injected="slow:1.05",
        findings=(found([block(n) for n in range(3)], rules),),
        blocks=3,
        took_s=1.5,
        decided_s={"rtf": 1.0},
    )
    trials = Trials(tmp_path)
    trials.append(trial)
    trials.append(replace(trial, number=2))
    file = next(tmp_path.iterdir())
    file.write_bytes(file.read_bytes()[:-20])
    (kept,) = trials.read()
    assert (kept.number, kept.injected, kept.decided_s) == (1, "slow:1.05", {"rtf": 1.0})
    assert kept.findings[0].decision is Decision.PASS
    assert Trials(tmp_path / "none").read() == ()


def test_what_informs_decides_nothing_and_an_error_is_no_decision() -> None:
    """Rates are of decisions; errors are of all that was asked, and their reasons are kept."""
    decisions = [Decision.PASS, Decision.PASS, Decision.REGRESSED, Decision.INCONCLUSIVE, Decision.INFORMS]
    findings = [Finding(gate=GATE, decision=decision, count=6) for decision in decisions]
    own = tally([*findings, refused(GATE, ["no good blocks"])])
    assert (own.regressed.hits, own.regressed.of) == (1, 4)
    assert (own.inconclusive.hits, own.inconclusive.of) == (1, 4)
    assert (own.refused.hits, own.refused.of) == (1, 5)
    assert own.errors == {"no good blocks": 1}
    assert own.counted == (6, 6, 6, 6)


def test_a_regression_that_does_not_stand_among_others_is_suspected(block, rules) -> None:
    """Holm turns it into an inconclusive one, which is counted by itself."""
    alone = found([block(n, 1.2) for n in range(3)], rules)
    among = judge_family([replace(alone, p=0.02)] * 3, alpha=0.01)
    assert [finding.decision for finding in among] == [Decision.INCONCLUSIVE] * 3
    assert tally(among).suspected == 3
    assert tally([alone]).suspected == 0


def test_the_time_a_decision_took_is_that_of_the_blocks_up_to_it(block, rules) -> None:
    """Blocks measured for the sake of other gates afterwards are not counted."""
    blocks = [block(n, 1.2, took_s=2.0) for n in range(5)]
    finding = found(blocks[:3], rules)
    assert decided_s(finding, blocks) == pytest.approx(6.0)
    assert decided_s(refused(GATE, ["crashed"]), blocks) is None


def test_findings_are_sorted_by_metric() -> None:
    """Every trial has one of each."""
    cpu = replace(GATE, metric="cpu")
    findings = tuple(Finding(gate=gate, decision=Decision.PASS) for gate in (GATE, cpu))
    trial = Trial(number=1, findings=findings, blocks=6, took_s=1.0, decided_s={})
    assert {metric: len(own) for metric, own in by_metric([trial, trial]).items()} == {"rtf": 2, "cpu": 2}


def test_words_are_spoiled_as_an_arm_would_write_them(written) -> None:
    """The words change, and a record without any, or with luck, is the one that was given."""
    record, failed = written("a", "the cat sat"), written("b", None)
    assert spoiled(record, Injection(wer=100)).transcript.text != "the cat sat"
    assert spoiled(record, Injection()) is record
    assert spoiled(failed, Injection(wer=100)) is failed


def test_blocks_scatter_and_are_dropped_within_their_comparison(block) -> None:
    """A machine that was slower in another hour does not make that hour's blocks bad; a stolen processor does."""
    early = [block(n, 1.0 + 0.01 * n) for n in range(3)]
    late = [
        block(n, machine=MachineFacts(cores=2, fixed_work_before_s=(0.2,), steal=0.5 if n == 5 else 0.0))
        for n in range(3, 6)
    ]
    own = scatter([early, late], "rtf")
    assert (len(own.values), len(own.good), own.dropped) == (6, 5, {"steal": 1})
    assert own.values[2] == pytest.approx(np.log(1.02))
    assert own.sd == pytest.approx(np.std(own.good, ddof=1))
    assert scatter([[block(0)]], "rtf").sd is None


def test_calls_are_of_the_same_utterances(block) -> None:
    """Other tools repeat the same calls: whatever order they came in, a column is an utterance's."""
    one = block(0)
    turned = replace(one, rounds=tuple(reversed(one.rounds)))
    seconds = calls([one, turned], "base")
    assert seconds.shape == (2, 4)
    assert (seconds[0] == seconds[1]).all()
    with pytest.raises(MeasurementRefused, match="same utterances"):
        calls([one, replace(one, rounds=one.rounds[:2])], "base")


def test_other_tools_meet_a_machine_that_slows_down(block) -> None:
    """A stored baseline takes a slower hour for a slower candidate; arms side by side do not."""
    early = [block(n) for n in range(6)]
    slow = [
        replace(
            one,
            rounds=tuple(
                replace(
                    each,
                    base=replace(each.base, seconds=2 * each.base.seconds),
                    candidate=replace(each.candidate, seconds=2 * each.candidate.seconds),
                )
                for each in one.rounds
            ),
        )
        for one in early
    ]
    said = rivals([early, slow, early])
    assert (said.stored.hits, said.stored.of) == (1, 3)
    assert (said.beside.hits, said.beside.of) == (0, 3)
    assert (rivals([early, slow, early], apart=1).stored.of, said.asv.hits) == (2, 0)
    assert rivals([early, slow, early], slower=0.06).beside.hits == 3


def test_standing_among_others_costs_power_and_alone_costs_none() -> None:
    """By itself a gate's regressions all stand where its alpha is the family's; among four, some do not."""
    blocks, plan = np.random.default_rng(0).normal(0, 0.03, 300), Plan()
    alone = replay_family(blocks, plan, gates=1, alpha=plan.alpha, slower=0.05, runs=2000)
    assert alone.alone == replay(blocks, plan, slower=0.05, runs=2000).regressed
    assert alone.confirmed.hits >= 0.99 * alone.alone.hits
    among = replay_family(blocks, plan, gates=4, alpha=0.01, slower=0.05, runs=2000)
    assert among.alone == alone.alone
    assert among.confirmed.hits < alone.confirmed.hits

"""Judging: from the records of two arms to findings, and every way in which nothing can be judged."""

from dataclasses import replace

import pytest

from modellab.gating.judging import Evidence, judge
from modellab.gating.rules import Expectation
from modellab.records.duel import MachineFacts
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Gate
from modellab.verdicts.sequential import Spent
from tests.unit.gating.conftest import CORPUS, MODEL, SMALL


def found(metric, evidence, rules, plan=SMALL, acknowledged=""):
    expected = Expectation(metric=metric, model="*", corpus=CORPUS, plan=plan, acknowledged=acknowledged)
    return judge(Gate(metric=metric, model=MODEL, corpus=CORPUS), expected, evidence, rules(metric))


@pytest.mark.parametrize("metric", ["rtf", "cpu", "cold_start", "peak_memory"])
@pytest.mark.parametrize(
    ("slower", "decision"), [(1.0, Decision.PASS), (1.2, Decision.REGRESSED), (0.8, Decision.PASS)]
)
def test_every_metric_of_speed_sees_a_change(block, rules, metric, slower, decision) -> None:
    """A candidate that needs a fifth more of anything regresses; one that needs as much or less passes."""
    evidence = Evidence(revision="r", blocks=[block(n, slower) for n in range(3)])
    finding, spent = found(metric, evidence, rules)
    assert finding.decision is decision
    assert finding.estimate == pytest.approx(slower - 1, abs=1e-6)
    assert len(spent.looks) == 1


def test_drift_is_any_other_word(written, rules) -> None:
    """Case and marks are no words; any word that differs regresses, unless it was meant."""
    base = [written("a", "The hat sat."), written("b", "the hat sat")]
    same = Evidence(revision="r", base=base, candidate=[written("a", "the hat sat"), written("b", "the hat sat")])
    assert found("drift", same, rules)[0].decision is Decision.PASS
    other = Evidence(revision="r", base=base, candidate=[written("a", "the cat sat"), written("b", "the hat sat")])
    finding, _ = found("drift", other, rules)
    assert finding.decision is Decision.REGRESSED
    assert [change["utterance"] for change in finding.evidence["changed"]] == ["a"]
    assert found("drift", other, rules, acknowledged="meant")[0].decision is Decision.INFORMS


def test_quality_is_over_speakers(written, rules) -> None:
    """Twelve speakers who all lose a word make a regression."""
    names = [f"u{n}" for n in range(12)]
    base = [written(name, "the hat sat", speaker=name) for name in names]
    worse = [written(name, "the hat", speaker=name) for name in names]
    finding, _ = found("quality", Evidence(revision="r", base=base, candidate=worse), rules)
    assert (finding.decision, finding.counted, finding.count) == (Decision.REGRESSED, "speaker", 12)


@pytest.mark.parametrize("metric", ["drift", "quality"])
def test_an_utterance_that_failed_is_an_error(written, rules, metric) -> None:
    """Words that nobody wrote cannot be compared: the failure is the reason."""
    evidence = Evidence(revision="r", base=[written("a", "the hat sat")], candidate=[written("a", None)])
    finding, _ = found(metric, evidence, rules)
    assert finding.decision is Decision.ERROR
    assert finding.reasons == ("the candidate failed on a: RuntimeError: no memory left",)


@pytest.mark.parametrize("metric", ["drift", "quality"])
def test_nothing_heard_is_an_error(written, rules, metric) -> None:
    """An empty corpus, a lost base and other utterances prove nothing."""
    one = [written("a", "the hat sat")]
    for base, candidate in (((), ()), ((), one), (one, ()), (one, [written("b", "the hat sat")])):
        finding, _ = found(metric, Evidence(revision="r", base=base, candidate=candidate), rules)
        assert finding.decision is Decision.ERROR
        assert finding.reasons


def test_a_crashed_worker_is_an_error(block, crashed, rules) -> None:
    """A block in which an arm died makes an error that says which, on what, and its last words."""
    evidence = Evidence(revision="r", blocks=[*(block(n) for n in range(3)), block(3, failure=crashed)])
    finding, spent = found("rtf", evidence, rules)
    assert finding.decision is Decision.ERROR
    assert finding.reasons == ("block 3: the candidate failed to transcribe on u1: SIGKILL: ended last words",)
    assert spent == Spent()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"utterances": 1}, "one utterance alone"),
        ({"slower": 0.0}, "no number above zero"),
    ],
)
def test_numbers_that_mean_nothing_are_errors(block, rules, facts, reason) -> None:
    """One sample, and a time of nothing, are never judged."""
    blocks = [block(n, **facts) for n in range(3)]
    finding, _ = found("rtf", Evidence(revision="r", blocks=blocks), rules)
    assert finding.decision is Decision.ERROR
    assert reason in finding.reasons[0]


def test_what_was_not_measured_is_an_error(block, rules) -> None:
    """A process that does not tell its memory or time cannot pass on them."""
    bare = [replace(b, candidate=replace(b.candidate, cpu_s=None, warm_up=())) for b in (block(n) for n in range(3))]
    for metric in ("cpu", "cold_start"):
        assert found(metric, Evidence(revision="r", blocks=bare), rules)[0].decision is Decision.ERROR


def test_too_few_blocks_are_an_error(block, rules) -> None:
    """Fewer good blocks than the first look takes cannot be judged."""
    finding, _ = found("rtf", Evidence(revision="r", blocks=[block(0), block(1)]), rules)
    assert finding.decision is Decision.ERROR
    assert "2 good blocks of 2" in finding.reasons[0]


def test_a_contaminated_block_is_dropped(block, rules) -> None:
    """A block on a machine that was not itself is left out, whatever it shows."""
    stolen = MachineFacts(cores=2, steal=0.5)
    evidence = Evidence(revision="r", blocks=[*(block(n) for n in range(3)), block(3, 9.0, machine=stolen)])
    finding, _ = found("rtf", evidence, rules)
    assert finding.decision is Decision.PASS
    assert list(finding.evidence["dropped"]) == ["block-003"]


def test_what_was_spent_stays_spent(block, rules) -> None:
    """More evidence goes on with the looks that were taken, and a decision stands."""
    plan = SMALL
    noisy = [block(n, slower) for n, slower in enumerate((0.7, 1.3, 1.9))]
    first, spent = found("rtf", Evidence(revision="r", blocks=noisy), rules, plan)
    assert (first.decision, len(spent.looks)) == (Decision.INCONCLUSIVE, 1)
    more = [*noisy, block(3, 1.0), block(4, 1.0)]
    again = Evidence(revision="r", blocks=more, spent={f"rtf of {MODEL} on {CORPUS}": spent})
    _, after = found("rtf", again, rules, plan)
    assert after.looks[0] == spent.looks[0]
    assert len(after.looks) == 2

"""Sessions of the gate: real processes that host the fake, measured until all is decided."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from modellab.backends.spec import parse_spec
from modellab.gating.dossier import Dossier
from modellab.gating.rules import Rules
from modellab.gating.session import GateSession, label
from modellab.machine.canary import Glance
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.contender import Contender
from modellab.measuring.duel import Duel
from modellab.measuring.inject import Injection
from modellab.speech.audio import SAMPLE_RATE_HZ
from modellab.speech.utterance import Corpus, Utterance, corpus_of
from modellab.testing import FakeBackend
from modellab.verdicts.decision import Decision
from tests.unit.gating.conftest import CORPUS, MODEL, SMALL

SPEC = parse_spec(MODEL)
SURE = replace(SMALL, alpha=1e-4, interest=9.0)  # a busy machine makes one of two identical arms slower by chance


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Three utterances of one word."""
    made = []
    for number in range(3):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, np.full(SAMPLE_RATE_HZ // 10, 0.1 + 0.1 * number), SAMPLE_RATE_HZ)
        made.append(Utterance(id=f"u{number}", audio=path, duration_s=0.1, reference="hello", language="en"))
    return corpus_of(CORPUS, tuple(made))


def contender(name: str, injection: Injection | None = None, **fields: object) -> Contender:
    """Give an arm that hosts the fake."""
    backend = FakeBackend(weights=None, replies=("hello",), seconds_per_audio=0.02, **fields)
    return Contender(name=name, blueprint=Blueprint.of("fake", backend), injection=injection or Injection())


@pytest.fixture(autouse=True)
def _calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the machine say nothing of itself: whoever else works on it makes no block a bad one."""
    monkeypatch.setattr("modellab.gating.session.Duel", partial(Duel, look=Glance))


@pytest.fixture
def session(tmp_path: Path, corpus: Corpus) -> Callable[..., GateSession]:
    """Give a session of one pair of models."""

    def make(rules: Rules, candidate: Contender | None = None, base: Contender | None = None, **facts) -> GateSession:
        arms = (base or contender("base"), candidate or contender("candidate"))
        known = {"contenders": lambda pair: arms, "corpora": {CORPUS: corpus}, "pairs": ((SPEC, SPEC),), "seed": 1}
        return GateSession(rules=rules, dossier=Dossier(tmp_path / "gates"), **{**known, **facts})

    return make


def test_identical_arms_pass(session, rules, tmp_path: Path) -> None:
    """Every gate of an arm against itself passes, and a second call measures nothing again."""
    asked = rules("drift", "rtf", "peak_memory", plan=SURE)
    expected, findings = session(asked).run()
    assert expected == tuple(f"{metric} of {MODEL} on {CORPUS}" for metric in ("drift", "rtf", "peak_memory"))
    assert {finding.gate.metric: finding.decision for finding in findings} == dict.fromkeys(
        ("drift", "rtf", "peak_memory"), Decision.PASS
    )
    blocks = len(list(Dossier(tmp_path / "gates").duels(MODEL, CORPUS).blocks()))
    said: list[str] = []
    again = session(asked, say=said.append).run()
    assert [finding.decision for finding in again[1]] == [Decision.PASS] * 3
    assert said == []
    assert len(list(Dossier(tmp_path / "gates").duels(MODEL, CORPUS).blocks())) == blocks


def test_a_slower_candidate_regresses(session, rules) -> None:
    """A candidate that is made four times as slow is seen in its time, also where others want the processor."""
    _, (finding,) = session(rules("rtf"), contender("candidate", Injection(slow=4.0))).run()
    assert finding.decision is Decision.REGRESSED
    assert finding.estimate > 0.5


def test_another_word_is_drift(session, rules) -> None:
    """A candidate that writes another word regresses, and a session that judges words alone measures no block."""
    other = FakeBackend(weights=None, replies=("hallo",))
    changed = Contender(name="candidate", blueprint=Blueprint.of("fake", other))
    _, (finding,) = session(rules("drift"), changed).run()
    assert finding.decision is Decision.REGRESSED
    assert len(finding.evidence["changed"]) == 3


@pytest.mark.parametrize("side", ["base", "candidate"])
def test_an_arm_that_dies_is_an_error(session, rules, side: str) -> None:
    """Whichever arm dies, its gates are errors that say so, after one block."""
    said: list[str] = []
    dies = contender(side, mishap="aborts", mishap_at=2)
    _, (finding,) = session(rules("rtf"), **{side: dies}, say=said.append).run()
    assert finding.decision is Decision.ERROR
    assert f"the {side} failed" in finding.reasons[0]
    assert "SIGABRT" in finding.reasons[0]
    assert len(said) == 1


def test_an_arm_that_cannot_be_made_is_an_error(session, rules) -> None:
    """Arms with unlike threads are refused, for every gate of theirs."""
    _, findings = session(rules("rtf", "cpu"), contender("candidate", threads=2)).run()
    assert [finding.decision for finding in findings] == [Decision.ERROR] * 2
    assert "same number" in findings[0].reasons[0]


def test_a_gate_that_no_model_meets_is_an_error(session, rules) -> None:
    """A model that was renamed leaves its gate without anybody to judge: that is an error, not a pass."""
    expected, (finding,) = session(rules("rtf", model="fake:gone:*")).run()
    assert expected == ("rtf of fake:gone:* on tones",)
    assert finding.decision is Decision.ERROR
    assert "no model that both arms have is fake:gone:*" in finding.reasons[0]


def test_when_time_is_up_no_block_is_begun(session, rules) -> None:
    """A gate that had no time to be measured is an error, never a pass."""
    _, (finding,) = session(rules("rtf"), limit_s=0.0).run()
    assert finding.decision is Decision.ERROR
    assert "0 good blocks" in finding.reasons[0]


def test_a_pair_of_two_models_has_both_names() -> None:
    """Where the arms differ in their model, the gate says so."""
    assert label((SPEC, SPEC)) == MODEL
    assert label((SPEC, parse_spec("fake:other:cpu:float32"))) == f"{MODEL} -> fake:other:cpu:float32"

"""An arm: the processes it runs in, and the records of what it hears."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from modellab.backends.base import DecodeOptions
from modellab.checkpoints.weights import Weights
from modellab.errors import MeasurementRefused
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.contender import Contender, transcribe
from modellab.measuring.crew import Crew
from modellab.measuring.inject import VARIABLE, WRONG, Injection
from modellab.speech.utterance import Corpus, Utterance
from modellab.testing import FakeBackend

MakeUtterance = Callable[..., Utterance]


def contender(
    injection: Injection | None = None, *, env: dict[str, str | None] | None = None, **fields: Any
) -> Contender:
    """Give an arm of the fake."""
    blueprint = Blueprint.of("fake", FakeBackend(**fields))
    return Contender(name="arm", blueprint=blueprint, env=env or {}, injection=injection or Injection())


def corpus(*utterances: Utterance) -> Corpus:
    """Give a corpus of these utterances."""
    return Corpus(name="tones", utterances=utterances, revision="feed")


def test_options_hold_no_folder() -> None:
    """Options are as JSON holds them; of the weights the hash stays and the folder, which is this machine's, goes."""
    weights = Weights(
        checkpoint="w", folder=Path("/secret/place"), layout="none", revision="1", sha256="ab", languages=("en",)
    )
    options = contender(weights=weights, decode=DecodeOptions(temperatures=(0.0, 0.2))).options()
    assert options["weights"]["sha256"] == "ab"
    assert "secret" not in str(options)
    assert options["decode"]["temperatures"] == [0.0, 0.2]


def test_what_is_injected_is_in_the_name() -> None:
    """An arm that is made worse says so wherever it is named."""
    assert contender().label == "arm"
    assert contender(Injection(wer=0.5)).label == "arm [wer:0.5]"


def test_an_arm_is_not_injected_by_accident(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment of this process asks for reaches no arm, be it in the arm's own variables."""
    monkeypatch.setenv(VARIABLE, "slow:2.0")
    with contender(env={VARIABLE: "slow:3.0"}).worker() as worker:
        assert VARIABLE not in worker.versions


def test_a_process_that_injects_otherwise_is_refused() -> None:
    """A process that passes over what it was asked to inject, or injects what nobody asked for, is refused."""
    contender(Injection(slow=1.05)).refuse_other({VARIABLE: "slow:1.05"})
    contender().refuse_other({})
    with pytest.raises(MeasurementRefused, match=r"wants 'slow:1.05' injected, its process has 'nothing'"):
        contender(Injection(slow=1.05)).refuse_other({})
    with pytest.raises(MeasurementRefused, match=r"wants 'nothing' injected, its process has 'slow:1.05'"):
        contender().refuse_other({VARIABLE: "slow:1.05"})


def test_a_crew_runs_where_it_is_told(tmp_path: Path) -> None:
    """Every replica of a crew runs with the interpreter, the variables and in the folder it is given."""
    shim = tmp_path / "interpreter"
    shim.write_text(f"#!/bin/sh\necho \"$HOUSE\" >> '{tmp_path}/seen'\nexec '{sys.executable}' \"$@\"\n")
    shim.chmod(0o755)
    blueprint = Blueprint.of("fake", FakeBackend())
    with Crew(blueprint, 2, python=shim, env={"HOUSE": "mine"}, cwd=tmp_path) as crew:
        crew.load()
        pids = [replica.backend.pid for replica in crew._replicas]
        assert {psutil.Process(pid).cwd() for pid in pids} == {str(tmp_path)}
    assert (tmp_path / "seen").read_text() == "mine\nmine\n"


def test_a_corpus_is_heard_by_an_arm(utterance: MakeUtterance) -> None:
    """Every utterance has a record, those that cannot be read among them, and no process is left."""
    before = set(psutil.Process().children())
    heard = corpus(utterance("a", speaker="s"), utterance("b", broken=True), utterance("c", 2.0))
    records = {record.utterance: record for record in transcribe(contender(replies=("word",)), heard)}
    assert {name: record.failure and record.failure.stage for name, record in records.items()} == {
        "a": None,
        "b": "read",
        "c": None,
    }
    assert records["a"].transcript.text == "word"
    assert len(records["a"].transcript.segments) == 1
    assert (records["a"].model, records["a"].corpus, records["a"].speaker) == ("arm", "tones", "s")
    assert set(psutil.Process().children()) <= before


def test_an_arm_that_crashes_has_failures(utterance: MakeUtterance) -> None:
    """An arm that ends its process for every utterance has a failure for every one."""
    heard = corpus(utterance("a"), utterance("b"))
    records = list(transcribe(contender(mishap="exits"), heard))
    assert [(r.failure.stage, r.failure.kind) for r in records] == [("crash", "exit 3")] * 2


def test_injected_words_are_in_the_records(utterance: MakeUtterance) -> None:
    """Words are changed by utterance and seed, however the corpus is heard; such a record has no segments left."""
    heard = corpus(*(utterance(f"u{n}", 0.1, speaker=f"s{n % 2}") for n in range(8)))
    arm = contender(Injection(wer=30), replies=("a b c d e f g h i j",))
    texts = [
        {record.utterance: record.transcript.text for record in transcribe(arm, heard, replicas=replicas)}
        for replicas in (1, 2)
    ]
    assert texts[0] == texts[1]
    assert any(WRONG in text for text in texts[0].values())
    records = list(transcribe(arm, heard))
    assert {record.model for record in records} == {"arm [wer:30]"}
    assert all((WRONG in r.transcript.text) == (not r.transcript.segments) for r in records)


def test_this_process_stays_as_it_is() -> None:
    """Making an arm worse does not touch the environment of this process."""
    contender(Injection(slow=2)).worker()
    assert VARIABLE not in os.environ

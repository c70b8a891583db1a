"""Dossiers: evidence on disk, that is added to and never replaced."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from modellab.errors import BadRecord
from modellab.gating.dossier import Dossier, Verdicts, identity, plain, read_verdicts
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding, Gate
from modellab.verdicts.sequential import Spent, take_looks
from tests.unit.gating.conftest import CORPUS, MODEL, SMALL

GATE = Gate(metric="rtf", model=MODEL, corpus=CORPUS)


@pytest.fixture
def dossier(tmp_path: Path) -> Dossier:
    """An empty one."""
    return Dossier(tmp_path / "gates" / "one")


def verdicts(*findings: Finding, expected: tuple[str, ...] = (GATE.name,)) -> Verdicts:
    return Verdicts(
        id="one",
        created_at="2026-11-23T00:00:00+00:00",
        base="b",
        candidate="c",
        command="modellab gate",
        expected=expected,
        findings=findings,
        minutes=1.0,
        machine="m",
    )


def test_an_empty_dossier_has_no_evidence(dossier: Dossier) -> None:
    """Nothing was measured and nothing spent before the first time."""
    evidence = dossier.evidence(MODEL, CORPUS, "r")
    assert (evidence.base, evidence.candidate, evidence.blocks, evidence.spent) == ((), (), (), {})


def test_evidence_is_kept_by_model_and_corpus(dossier: Dossier, block, written) -> None:
    """Blocks, transcripts and looks come back as they were, and are those of their pair alone."""
    dossier.duels(MODEL, CORPUS).append(block(0))
    dossier.transcripts(MODEL, CORPUS, "base").append(written("a", None))
    dossier.transcripts(MODEL, CORPUS, "base").append(written("a", "hello"))
    spent = take_looks({f"b{n}": 0.1 * n for n in range(3)}, SMALL, Spent())
    dossier.spend(MODEL, CORPUS, "x", Spent())
    dossier.spend(MODEL, CORPUS, GATE.name, spent)
    evidence = Dossier(dossier.folder).evidence(MODEL, CORPUS, "r")
    assert evidence.blocks == (block(0),)
    assert [record.transcript.text for record in evidence.base] == ["hello"]
    assert evidence.spent == {"x": Spent(), GATE.name: spent}
    assert dossier.evidence(MODEL, "other", "r").blocks == ()


def test_verdicts_are_read_as_they_were_written(dossier: Dossier) -> None:
    """What was found comes back whole, and for machines with what follows from it."""
    passed = verdicts(Finding(gate=GATE, decision=Decision.PASS, estimate=0.01, evidence={"blocks": {"a": 0.1}}))
    dossier.conclude(passed)
    assert read_verdicts(dossier.verdicts_path) == passed
    assert (plain(passed)["decision"], plain(passed)["missing"]) == ("pass", [])
    assert json.loads(json.dumps(plain(passed)))["findings"][0]["estimate"] == 0.01


@pytest.mark.parametrize(
    ("findings", "expected", "decision"),
    [
        ((), (), Decision.ERROR),
        ((), (GATE.name,), Decision.ERROR),
        ((Decision.PASS,), (GATE.name, "rtf of another on tones"), Decision.ERROR),
        ((Decision.PASS,), (GATE.name,), Decision.PASS),
        ((Decision.PASS, Decision.REGRESSED, Decision.INCONCLUSIVE), (GATE.name,), Decision.REGRESSED),
        ((Decision.REGRESSED, Decision.ERROR), (GATE.name,), Decision.ERROR),
    ],
)
def test_the_gravest_counts_and_what_is_missing_is_an_error(findings, expected, decision) -> None:
    """A gate that was expected and is not there, and a comparison without gates, are errors."""
    made = verdicts(*(Finding(gate=GATE, decision=each) for each in findings), expected=expected)
    assert made.decision is decision


@pytest.mark.parametrize("content", ["", "{", '{"schema": 9}', "[]"])
def test_verdicts_that_cannot_be_read_are_refused(tmp_path: Path, content: str) -> None:
    """A file that holds no verdicts is refused by its path; so is none at all."""
    path = tmp_path / "verdicts.json"
    for _ in range(2):
        with pytest.raises(BadRecord, match=r"verdicts\.json"):
            read_verdicts(path)
        path.write_text(content)


def test_looks_that_cannot_be_read_are_not_taken_for_none(dossier: Dossier) -> None:
    """A file of looks that is broken is an error: to begin anew would spend again what was spent."""
    dossier.spend(MODEL, CORPUS, GATE.name, Spent())
    (path,) = dossier.folder.rglob("spent.json")
    path.write_text("{")
    with pytest.raises(BadRecord, match=r"spent\.json"):
        dossier.evidence(MODEL, CORPUS, "r")


def test_identity_is_of_what_is_compared() -> None:
    """The same facts in any order are one comparison; any other fact is another."""
    assert identity({"a": 1, "b": [2]}) == identity({"b": [2], "a": 1})
    assert identity({"a": 1}) != identity({"a": 2})


def test_a_newer_schema_is_refused(dossier: Dossier) -> None:
    """Verdicts of a schema that is not known are refused with the remedy."""
    with pytest.raises(BadRecord, match="upgrade"):
        replace(verdicts(), schema=2)

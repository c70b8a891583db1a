"""Verdicts as tests: what pytest, junit and Allure are told."""

import json
import os
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
from idle_plugins import IDLE

from modellab.cli import main
from modellab.gating.dossier import Dossier, Verdicts
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding, Gate

NAMES = ("rtf", "cpu", "drift", "quality", "cold_start")


def gate(metric):
    return Gate(metric=metric, model="m", corpus="c")


def concluded(folder, *decisions, expected=None):
    findings = tuple(
        Finding(gate=gate(metric), decision=decision, estimate=0.1, low=0.0, high=0.2, reasons=("for a reason",))
        for metric, decision in zip(NAMES, decisions, strict=False)
    )
    names = tuple(finding.gate.name for finding in findings) if expected is None else expected
    verdicts = Verdicts(
        id="x", created_at="t", base="b", candidate="c", command="modellab gate --base main", expected=names,
        findings=findings, minutes=1.0, machine="m",
    )  # fmt: skip
    Dossier(folder).conclude(verdicts)
    return folder / "verdicts.json"


def test_each_gate_is_a_test(pytester) -> None:
    """A gate passes, fails or is skipped, and says why and what measures it again."""
    path = concluded(pytester.path / "gates", *Decision)
    run = pytester.runpytest(str(path), "-rfs", "--junitxml=junit.xml")
    run.assert_outcomes(passed=1, failed=2, skipped=2)
    run.stdout.fnmatch_lines(["*regressed: +10.00 *for a reason*", "*once more: modellab gate --base main*"])
    junit = (pytester.path / "junit.xml").read_text()
    assert 'name="rtf of m on c"' in junit
    assert 'name="decision" value="regressed"' in junit


@pytest.mark.parametrize(
    ("decisions", "expected", "line"),
    [
        ((), (), "*no gate was expected: nothing is proven*"),
        (
            (Decision.PASS,),
            ("rtf of m on c", "rtf of renamed on c"),
            "*rtf of renamed on c was expected and did not run*",
        ),
    ],
)
def test_what_is_missing_fails(pytester, decisions, expected, line) -> None:
    """No gates at all, and a gate that was expected and is not there, fail."""
    run = pytester.runpytest(str(concluded(pytester.path / "gates", *decisions, expected=expected)))
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines([line])


def test_verdicts_that_cannot_be_read_fail(pytester) -> None:
    """A file that holds no verdicts is a failed test, not one that was not collected."""
    (pytester.path / "verdicts.json").write_text("{")
    run = pytester.runpytest("verdicts.json")
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["*verdicts.json*"])


FIXTURES = {
    "models.toml": """
schema = 1
[checkpoints.toy]
architecture = "whisper"
layout = "ctranslate2"
languages = ["*"]
license = "MIT"
upstream = "nobody/toy"
revision = "1"
files = { "model.bin" = { sha256 = "1111111111111111111111111111111111111111111111111111111111111111" } }
sources = [{ kind = "folder", path = "nowhere" }]
""",
    "corpora.toml": """
schema = 1
[corpus.sounds]
reader = "synthesis"
description = "two"
license = "mine"
sounds = [{ id = "a", sound = "tone", duration_s = 0.2 }, { id = "b", sound = "silence", duration_s = 0.3 }]
""",
    "bench.toml": """
schema = 1
model = ["toy"]
backend = ["fake"]
device = ["cpu"]
corpus = ["sounds"]
timed_corpus = ["sounds"]
[compute_type]
default = ["float32"]
[decode]
beam_size = 1
""",
    "gates.toml": """
schema = 1
rounds = 2
[speed]
looks = [3, 5]
shares = [0.4, 0.6]
interest = 0.9
[[gate]]
metric = "drift"
corpus = "sounds"
[[gate]]
metric = "peak_memory"
corpus = "sounds"
""",
    "base.toml": 'schema = 1\n[decode]\nprompt = "other"\n',
}


class Command:
    """The command in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "fixtures").mkdir()
        for name, text in FIXTURES.items():
            (folder / "fixtures" / name).write_text(text)

    def gate(self, *words: str, **env: str) -> subprocess.CompletedProcess:
        """Run it."""
        command = [sys.executable, "-m", "modellab.cli", "--cache-dir", "cache", "gate", *words]
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PYTEST_ADDOPTS": IDLE, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )


@pytest.fixture
def command(tmp_path, monkeypatch) -> Command:
    """The command in a folder of its own, not of a worker of pytest."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    return Command(tmp_path)


def test_the_command_measures_judges_and_shows(command) -> None:
    """Two definitions that differ in nothing that is heard pass; the verdicts are tests, JSON, Markdown and history."""
    run = command.gate("--base-models", "fixtures/base.toml", "--", "--junitxml=junit.xml")
    assert run.returncode == 0, run.stderr
    assert "2 passed" in run.stdout
    assert "PASS: 2 pass" in run.stdout
    (folder,) = (path for path in (command.folder / "gates").iterdir() if path.is_dir())
    assert "✅ pass" in (folder / "summary.md").read_text()
    assert len((command.folder / "gates" / "history.jsonl").read_text().splitlines()) == 2
    assert (command.folder / "junit.xml").exists()


def test_the_verdicts_are_for_machines_too(command) -> None:
    """--json prints one JSON object and nothing else."""
    run = command.gate("--base-models", "fixtures/base.toml", "--json")
    told = json.loads(run.stdout)
    assert (told["decision"], told["missing"], len(told["findings"])) == ("pass", [], 2)


@pytest.mark.parametrize(
    ("words", "change", "reason"),
    [
        (
            ("--base-models", "fixtures/same.toml"),
            {"same.toml": "schema = 1\n[decode]\nbeam_size = 1"},
            "nothing to compare",
        ),
        (("--base-models", "nowhere.toml"), {}, "nowhere.toml"),
        (("--base-python", "/nowhere/python"), {}, "/nowhere/python"),
        (("--base-models", "fixtures/base.toml"), {"gates.toml": "schema = 1"}, "gate must be a list"),
        (("--base-models", "fixtures/base.toml"), {"gates.toml": None}, "cannot read what gates are expected"),
        (("--base-models", "fixtures/base.toml", "--model", "toyy"), {}, "Did you mean 'toy'"),
        (("--base-models", "fixtures/base.toml", "--only", "nowhere.json"), {}, "no verdicts at nowhere.json"),
        (
            ("--base-models", "fixtures/base.toml"),
            {"gates.toml": FIXTURES["gates.toml"].replace('"sounds"', '"songs"')},
            "no corpus 'songs'",
        ),
    ],
)
def test_what_cannot_be_compared_is_an_error(command, words, change, reason, capsys) -> None:
    """Everything that keeps a comparison from being made ends with 3 and one line that names it."""
    for name, text in change.items():
        path = command.folder / "fixtures" / name
        path.unlink() if text is None else path.write_text(text)
    with chdir(command.folder):
        assert main(["--cache-dir", "cache", "gate", *words]) == 3
    (said,) = capsys.readouterr().err.splitlines()
    assert reason in said


def test_a_gate_beside_other_workers_is_refused(command) -> None:
    """Timing under xdist means nothing, and is an error."""
    run = command.gate("--base-models", "fixtures/base.toml", PYTEST_XDIST_WORKER="gw0")
    assert run.returncode == 3
    assert "beside other workers" in run.stderr


def test_a_gate_without_its_model_is_an_error(command) -> None:
    """A gate of a model that nobody has any more ends with 3, and is a failed test."""
    path = command.folder / "fixtures" / "gates.toml"
    path.write_text(FIXTURES["gates.toml"].replace('metric = "drift"', 'metric = "drift"\nmodel = "fake:renamed:*"'))
    run = command.gate("--base-models", "fixtures/base.toml")
    assert run.returncode == 3
    assert "1 failed, 1 passed" in run.stdout
    assert "no model that both arms have is fake:renamed:*" in run.stdout

"""The whole walk on real weights and real speech, as `make bench` takes it, but for one small model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from idle_plugins import IDLE

ROOT = Path(__file__).parents[2]
MODEL = ("--model", "whisper-tiny.en", "--backend", "faster-whisper", "--compute-type", "int8", "--limit", "2")


def call(*words, cwd=ROOT):
    """Run a command of the project, as no worker of this pytest; give what it printed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    env["PYTEST_ADDOPTS"] = IDLE
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with both lanes."""
    folder = tmp_path_factory.mktemp("bench") / "run"
    results = folder.parent / "results"
    where = ("--run-dir", str(folder), "--alluredir", str(results), "-p", "no:cacheprovider")
    for lane in (("-m", "accuracy", "-n", "2"), ("-m", "timing", "-n", "0", "--rounds", "2")):
        code, printed = call("pytest", "benchmarks", *lane, *MODEL, *where)
        assert code == 0, printed
    return folder


def test_real_speech_is_heard(run):
    """whisper-tiny.en int8 hears two LibriVox sentences with few errors, and both lanes agree on the words."""
    facts = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
    heard = [fact for fact in facts if fact.get("corpus") == "librivox"]
    texts = {lane: {f["utterance"]: f["transcript"]["text"] for f in heard if f["lane"] == lane} for lane in
             ("accuracy", "timing")}  # fmt: skip
    assert len(texts["accuracy"]) == 2
    assert all(len(f["transcribe_s"]) == 2 for f in heard if f["lane"] == "timing")
    assert all(0 < seconds < 60 for f in heard for seconds in f["transcribe_s"])


def test_a_cold_start_says_what_it_needed(run):
    """A cold start has its parts in seconds and a plausible peak of memory."""
    facts = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
    (start,) = [fact for fact in facts if fact["kind"] == "cold_start"]
    assert start["failure"] is None
    assert 0 < start["load_s"] < start["total_s"]
    assert start["import_s"] + start["load_s"] + start["first_call_s"] <= start["total_s"]
    assert 75e6 < start["peak_memory_bytes"] < 2e9


def test_the_run_says_what_it_was_made_with(run):
    """run.json names the machine, the runtime's version and the hash of the weights, and both sessions."""
    described = json.loads((run / "run.json").read_text())
    facts = described["sessions"][0]["models"]["faster-whisper:whisper-tiny.en:cpu:int8"]
    assert facts["options"]["weights"]["sha256"].startswith("1a5afae0")
    assert facts["runtime_version"] == described["environment"]["packages"]["faster-whisper"]
    assert [session["outcome"] for session in described["sessions"]] == ["complete", "complete"]
    assert described["sessions"][1]["models"]["faster-whisper:whisper-tiny.en:cpu:int8"]["options"]["threads"] >= 1


def test_a_report_is_made_from_records_alone(run, tmp_path):
    """`modellab report` prints the table and writes report.md and plots without a model, audio or Allure."""
    code, printed = call("modellab.cli", "report", str(run), "--output", str(tmp_path / "site"))
    assert code == 0, printed
    assert "whisper-tiny.en" in printed
    assert "int8" in printed
    text = (tmp_path / "site" / "report.md").read_text()
    assert "1a5afae0" in text
    assert list((tmp_path / "site" / "plots").glob("*.png"))


def test_a_missing_run_is_named(tmp_path):
    """A folder without a run is an error that names it, not a traceback."""
    code, printed = call("modellab.cli", "report", str(tmp_path))
    assert code == 1
    assert printed.strip() == f"modellab: {tmp_path} holds no run: there is no run.json in it"


def test_an_unknown_checkpoint_names_the_nearest():
    """`modellab models fetch` of a name that is not known says which is near."""
    code, printed = call("modellab.cli", "models", "fetch", "whisper-tiny-en")
    assert code == 1
    assert "Did you mean 'whisper-tiny.en'?" in printed

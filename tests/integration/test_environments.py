"""Runtimes that do not live together: two real environments, one bench, one report."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from idle_plugins import IDLE

from modellab.environments.definition import read_environments
from modellab.environments.environment import Environment
from modellab.errors import EnvironmentUnavailable
from modellab.sources.cache import CACHE_VARIABLE, cache_root

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = f"""
schema = 1
[environments.tests-pocketsphinx]
extras = ["pocketsphinx"]
constraints = "{ROOT}/constraints.txt"
[environments.tests-whisper-cpp]
extras = ["whisper-cpp"]
constraints = "{ROOT}/constraints.txt"
[environments.tests-none]
"""
BENCH = """
schema = 1
model = ["whisper-tiny.en", "pocketsphinx-en-us", "astray"]
backend = ["faster-whisper", "whisper-cpp", "pocketsphinx"]
device = ["cpu"]
corpus = ["librivox"]
timed_corpus = ["librivox"]
batch_size = 2
rounds = 1
[compute_type]
default = ["float32"]
faster-whisper = ["int8"]
whisper-cpp = ["float16"]
[environment]
whisper-cpp = "tests-whisper-cpp"
pocketsphinx = "tests-pocketsphinx"
[decode]
beam_size = 1
"""
ASTRAY = """
[checkpoints.astray]
architecture = "pocketsphinx"
languages = ["en"]
license = "BSD-2-Clause"
upstream = "an entry whose environment nobody made"
revision = "1"
options = { model = "en-us" }
environment = "tests-none"
"""
WHISPER = "faster-whisper:whisper-tiny.en:cpu:int8"
CPP = "whisper-cpp:whisper-tiny.en:cpu:float16"
SPHINX = "pocketsphinx:pocketsphinx-en-us:cpu:float32"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with definitions, both environments made."""
    folder = tmp_path_factory.mktemp("mixed")
    shutil.copytree(ROOT / "fixtures", folder / "fixtures")
    for name, text in (("bench.toml", BENCH), ("environments.toml", ENVIRONMENTS)):
        (folder / "fixtures" / name).write_text(text)
    with (folder / "fixtures" / "models.toml").open("a") as models:
        models.write(ASTRAY)
    (folder / "pytest.ini").write_text("[pytest]\nmodellab_fixtures = fixtures\n")
    override = os.environ.get(CACHE_VARIABLE)
    cache = cache_root(Path(override) if override else None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_COMPILE", "1")  # what is imported is compiled then, which is a tenth of it
        for definition in list(read_environments(folder / "fixtures" / "environments.toml"))[:2]:
            _made(Environment.of(definition, cache))
    return folder


@pytest.fixture(scope="module")
def run(bench: Path) -> Path:
    """A run of both lanes over two sentences."""
    claims = [str(ROOT / "benchmarks" / name) for name in ("test_accuracy.py", "test_speed.py")]
    words = ("-c", "pytest.ini", "--rootdir", ".", "-p", "no:cacheprovider", "--limit", "2", "--no-cache")
    for lane in ("-k word_error_rate", "-k real_time_factor or cold_start"):
        _told(bench, "-m", "pytest", *claims, *words, *lane.split(" ", 1), "--run-dir", "run", "-n", "0")
    return bench / "run"


@pytest.mark.slow
def test_one_run_mixes_three_environments(run: Path) -> None:
    """Every model heard both sentences where it lives, with the words that it writes, and was timed there."""
    facts = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
    heard = {
        (fact["model"], fact["lane"]): fact["failure"] for fact in facts if fact.get("corpus") == "librivox"
    }  # fmt: skip
    assert heard == {(model, lane): None for model in (WHISPER, CPP, SPHINX) for lane in ("accuracy", "timing")}
    assert {f["model"] for f in facts if f["kind"] == "cold_start" and not f["failure"]} == {WHISPER, CPP, SPHINX}
    texts = {(f["model"], f["utterance"]): f["transcript"]["text"].split() for f in facts if f["kind"] == "utterance"}
    assert all(len(words) > 3 for words in texts.values())


@pytest.mark.slow
def test_the_run_says_where_each_ran(run: Path) -> None:
    """A model's environment stands in the run, with the versions of what is installed there."""
    sessions = json.loads((run / "run.json").read_text())["sessions"]
    models = sessions[0]["models"]
    assert {name: facts["environment"] for name, facts in models.items()} == {
        WHISPER: None, CPP: "tests-whisper-cpp", SPHINX: "tests-pocketsphinx",
    }  # fmt: skip
    assert "pywhispercpp" not in models[SPHINX]["packages"]
    assert models[SPHINX]["packages"]["pocketsphinx"] == models[SPHINX]["runtime_version"] == "5.1.1"


@pytest.mark.slow
def test_one_whose_environment_is_not_there_is_left_out_by_name(run: Path) -> None:
    """The others go on, and the run says which environment is to be made."""
    skipped = json.loads((run / "run.json").read_text())["sessions"][0]["skipped"]
    (reason,) = {s["reason"] for s in skipped if s["model"] == "pocketsphinx:astray:cpu:float32"}
    assert "the environment 'tests-none' has not been made: modellab env create tests-none" in reason


@pytest.mark.slow
def test_one_report_shows_all(bench: Path, run: Path) -> None:
    """The report has all three models and their environments."""
    _told(bench, "-m", "modellab.cli", "report", str(run), "--output", str(bench / "site"))
    text = (bench / "site" / "report.md").read_text()
    for model in (WHISPER, CPP, SPHINX):
        assert model in text
    assert "5.1.1 (environment tests-pocketsphinx)" in text


@pytest.mark.slow
def test_environments_are_listed(bench: Path) -> None:
    """`modellab env list` says which are ready, and which are not made."""
    said = " ".join(_told(bench, "-m", "modellab.cli", "env", "list").split())
    assert "tests-pocketsphinx this one pocketsphinx" in said
    assert said.count("ready") == 2
    assert "tests-none" in said


def _made(environment: Environment) -> None:
    """Make an environment, anew where it is one of another day."""
    try:
        environment.create()
    except EnvironmentUnavailable:
        environment.remove()
        environment.create()


def _told(folder: Path, *words: str) -> str:
    """Give what a command prints, whose claims may fail."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**env, "COLUMNS": "200", "PYTEST_ADDOPTS": IDLE},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout

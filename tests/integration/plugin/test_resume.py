"""Going on with a run that was killed: nothing is lost, nothing is heard twice."""

import json
import os
from collections import Counter
from functools import partial
from random import Random

import pytest

from modellab.records.store import Store

KILLS = int(os.environ.get("MODELLAB_KILLS", "6"))
UTTERANCES = 12 * KILLS
SLOW = """
import time
hear = FakeBackend.transcribe
def transcribe(self, audios, language=None):
    time.sleep(0.05)
    return hear(self, audios, language)
FakeBackend.transcribe = transcribe
"""
CALL = (
    "-m",
    "accuracy",
    "-k",
    "word_error_rate",
    "--model",
    "toy",
    "-n",
    "1",
    "--threads",
    "1",
)  # threads of its own: no crew


def size_bytes(path):
    """Give the size of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def longer(path, before_bytes):
    """Whether a file has grown."""
    return size_bytes(path) > before_bytes


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_whole(lab):
    """However often a run is killed, going on with it ends with one record an utterance and a whole run.

    Every third time it is killed at any moment from its start on, else after it has heard more.
    """
    lab.speak(*({"id": f"u{number}", "text": "hello world"} for number in range(UTTERANCES)))
    lab.teach(SLOW)
    random, where = Random(7), ("--run-dir", "runs/killed")
    store = Store(lab.root / "runs" / "killed")
    kills = 0
    for number in range(KILLS):
        written = partial(longer, store.records_path, size_bytes(store.records_path))
        kills += lab.killed(*CALL, *where, after_s=random.uniform(0.0, 1.5), once=written if number % 3 else None)
        if store.run_path.exists():
            where = ("--resume", "runs/killed")
    lab.run(*CALL, *where)
    heard = Counter(record.utterance for record in store.records() if record.failure is None)
    assert kills
    assert heard == Counter({f"u{number}": 1 for number in range(UTTERANCES)})


def test_a_resumed_run_is_whole(lab):
    """A session that was cut short is made whole by a later one, called in the same way, that ends."""
    lab.teach(SLOW.replace("0.05", "60"))
    assert lab.killed(*CALL, "--run-dir", "runs/cut", after_s=0.2, once=(lab.root / "runs" / "cut" / "run.json").exists)
    lab.teach("")
    lab.run(*CALL, "--resume", "runs/cut")
    sessions = lab.description("cut")["sessions"]
    assert [session["outcome"] for session in sessions] == ["running", "complete"]
    assert sessions[1]["resumes"] == [1]


def test_there_must_be_a_run_to_go_on_with(lab):
    """--resume of a folder without a run is a usage error that names it."""
    result = lab.run("--resume", "runs/nowhere")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--resume: no run at runs/nowhere*"])


HEARING = ("-m", "accuracy", "-k", "word_error_rate", "--model", "toy", "--run-dir", "runs/one")


def test_a_run_is_gone_on_with_by_a_backend_that_has_learnt_an_option(lab):
    """What an older run does not know of was as nobody states it: that goes on, and another value of it does not."""
    lab.run(*HEARING)
    written = lab.root / "runs" / "one" / "run.json"
    run = json.loads(written.read_text())
    del run["sessions"][0]["models"]["fake:toy:cpu:float32"]["options"]["seconds_per_audio"]
    written.write_text(json.dumps(run))
    assert lab.run(*HEARING).ret != pytest.ExitCode.USAGE_ERROR
    assert len(lab.description("one")["sessions"]) == 2
    bench = lab.root / "fixtures" / "bench.toml"
    bench.write_text(bench.read_text() + "\n[options.fake]\nseconds_per_audio = 0.001\n")
    refused = lab.run(*HEARING)
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*asked model 'fake:toy:cpu:float32' with other options. Start a new run*"])

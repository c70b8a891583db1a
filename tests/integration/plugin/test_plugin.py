"""The plugin, run as its users run it: a pytest of its own over the fake runtime."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LOG_LOADS = """
import os
load = FakeBackend.load
def logged(self):
    with open("loads.txt", "a") as log:
        log.write(f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')} {id(self)}\\n")
    load(self)
FakeBackend.load = logged
def close(self):
    with open("closes.txt", "a") as log:
        log.write(f"{id(self)}\\n")
FakeBackend.close = close
"""

# A background job is born deaf to Ctrl-C; this pytest hears it wherever it is started.
HEEDFUL = (
    "import signal, sys, pytest; signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(pytest.main())"
)


def utterances(facts, lane="accuracy", corpus="speech"):
    """Give the records of one lane and corpus."""
    return [f for f in facts if f["kind"] == "utterance" and f["lane"] == lane and f["corpus"] == corpus]


def test_ids_name_model_and_corpus(lab):
    """A test's id holds backend, checkpoint, device, compute type and corpus."""
    result = lab.run("--collect-only", "-q")
    result.stdout.fnmatch_lines(["*::test_word_error_rate[[]fake:toy-en:cpu:float32-speech[]]"])
    assert not (lab.root / "runs").exists()


def test_every_utterance_becomes_a_record(lab):
    """One record per model and utterance, in one run folder that `latest` points at."""
    result = lab.run("-m", "accuracy")
    result.assert_outcomes(passed=4, skipped=2, deselected=42)
    records = utterances(lab.facts())
    assert sorted((r["model"].split(":")[1], r["utterance"]) for r in records) == [
        ("toy", "a"), ("toy", "b"), ("toy", "c"), ("toy-en", "a"), ("toy-en", "b"), ("toy-en", "c"),
    ]  # fmt: skip
    session = lab.description()["sessions"][0]
    assert session["outcome"] == "complete"
    assert session["models"]["fake:toy:cpu:float32"]["options"]["weights"]["sha256"] == "1" * 64
    assert lab.description()["corpora"]["speech"]["utterances"] == 3


def test_both_lanes_share_a_run(lab):
    """The timing lane adds its session, records and cold starts to the run of the accuracy lane."""
    lab.run("-m", "accuracy")
    result = lab.run("-m", "timing", "--run-dir", "runs/latest")
    result.assert_outcomes(passed=4, deselected=44)
    timed = utterances(lab.facts(), "timing")
    assert [len(r["transcribe_s"]) for r in timed] == [2] * 6
    assert {r["session"] for r in timed} == {2}
    assert sum(f["kind"] == "cold_start" for f in lab.facts()) == 2
    assert len(lab.description()["sessions"]) == 2


def test_workers_group_by_model(lab):
    """Under xdist one worker runs all tests of a model and loads it once."""
    lab.teach(LOG_LOADS)
    lab.run("-m", "accuracy", "-n", "2").assert_outcomes(passed=4, skipped=2)
    assert len((lab.root / "loads.txt").read_text().splitlines()) == 2
    assert len(utterances(lab.facts())) == 6


def test_models_are_loaded_once_and_closed(lab):
    """In one process a model is loaded once for all of its claims, and closed after the last of them."""
    lab.teach(LOG_LOADS)
    lab.run("-m", "accuracy").assert_outcomes(passed=4, skipped=2, deselected=42)
    loaded = [line.split()[1] for line in (lab.root / "loads.txt").read_text().splitlines()]
    assert len(loaded) == 2
    assert (lab.root / "closes.txt").read_text().split() == loaded


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "toi"), "*no model 'toi'. Did you mean 'toy'?*"),
        (("--backend", "faster-wisper"), "*no backend 'faster-wisper'. Did you mean 'faster-whisper'?*"),
        (("--device", "gpu"), "*no device 'gpu'*cuda*"),
        (("--compute-type", "int4"), "*no compute type 'int4'*int8*"),
        (("--limit", "0"), "*--limit must be 1 or more*"),
        (("--corpus", "speech[text"), "*not of the form*"),
    ],
)
def test_unknown_names_are_usage_errors(lab, words, said):
    """A name that is not known ends the session at once and names the nearest."""
    result = lab.run(*words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


def test_an_unknown_corpus_names_the_nearest(lab):
    """A corpus that is neither defined nor a path ends the session and names the nearest."""
    result = lab.run("--corpus", "silense")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no corpus 'silense'. Did you mean 'silence'?*"])


def test_globs_and_lists_choose(lab):
    """Names take globs, and a combination that cannot run here is skipped with its reason."""
    result = lab.run("-m", "accuracy", "--model", "toy*", "--compute-type", "float32,int8", "-rs")
    result.stdout.fnmatch_lines(["*SKIPPED*the fake has no int8 on cpu*"])
    reasons = {(s["model"], s["reason"]) for s in lab.description()["sessions"][0]["skipped"]}
    assert ("fake:toy:cpu:int8", "the fake has no int8 on cpu") in reasons


def test_languages_that_do_not_match_are_skipped(lab):
    """A checkpoint is not judged on a language it does not know."""
    lab.speak({"id": "a", "text": "hallo welt", "language": "de"})
    result = lab.run("-m", "accuracy", "-rs", "-k", "word_error_rate")
    result.assert_outcomes(passed=1, skipped=1, deselected=46)
    result.stdout.fnmatch_lines(["*toy-en knows en; speech is in de*"])


def test_a_model_without_a_budget_is_reported_not_passed(lab):
    """Without a budget the test is skipped, says so, and the record is there."""
    (lab.root / "fixtures" / "budgets.toml").write_text(
        '[[budget]]\nmodel = "x"\nset_on = 2026-11-22\nmachine = "m"\nwer = 1.0\n'
    )
    result = lab.run("-m", "accuracy", "-k", "word_error_rate", "-rs")
    result.assert_outcomes(skipped=2, deselected=46)
    result.stdout.fnmatch_lines(["*no budget: wer of fake:toy-en:cpu:float32 on speech*"])
    assert len(utterances(lab.facts())) == 6


def test_over_budget_fails(lab):
    """A word error rate over its budget fails the claim and says the rate."""
    (lab.root / "fixtures" / "budgets.toml").write_text(
        '[[budget]]\nmodel = "*"\nset_on = 2026-11-22\nmachine = "m"\nwer = 0.1\n'
    )
    result = lab.run("-m", "accuracy", "-k", "word_error_rate")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*word error rate over budget: 16.67%*"])


def test_a_model_that_cannot_load_stays_in_the_denominator(lab):
    """A failed load is tried once and leaves a failure record for every utterance."""
    lab.teach(
        "def load(self):\n    Path('loads.txt').open('a').write('x\\n')\n    raise RuntimeError('no such layer')\n"
        "FakeBackend.load = load"
    )
    result = lab.run("-m", "accuracy", "--model", "toy")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*load failed: no such layer*"])
    assert [r["failure"]["stage"] for r in utterances(lab.facts())] == ["load"] * 3
    assert (lab.root / "loads.txt").read_text() == "x\n"


def test_one_bad_utterance_fails_alone(lab):
    """Audio that cannot be read becomes a failure record; the others are heard."""
    (lab.corpus / "b.wav").write_bytes(b"this is no audio")
    lab.run("-m", "accuracy", "--model", "toy", "-k", "word_error_rate")
    stages = {r["utterance"]: (r["failure"] or {}).get("stage") for r in utterances(lab.facts())}
    assert stages == {"a": None, "b": "read", "c": None}


def test_a_worker_that_dies_leaves_failures(lab):
    """When a native crash takes a worker, what it had not recorded is recorded as crashed, and the rest goes on."""
    lab.teach(
        "import os\nfrom modellab.speech.audio import Audio\n"
        "hear = FakeBackend.transcribe\n"
        "def transcribe(self, audios, language=None):\n"
        "    if any(a.duration_s < 1.05 for a in audios) and 'PYTEST_XDIST_WORKER' in os.environ:\n"
        "        os._exit(7)\n"
        "    return hear(self, audios, language)\n"
        "FakeBackend.transcribe = transcribe"
    )
    result = lab.run("-m", "accuracy", "-n", "2", "-k", "word_error_rate", "--model", "toy")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    stages = {r["utterance"]: (r["failure"] or {}).get("stage") for r in utterances(lab.facts())}
    assert stages == {"a": "crash", "b": None, "c": None}


def test_timing_beside_other_workers_is_refused(lab):
    """Timing under xdist is an error that says how to run it, never a figure."""
    result = lab.run("-m", "timing", "-n", "2", "--model", "toy")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*MeasurementRefused*-m timing -n 0*"])
    assert not utterances(lab.facts(), "timing")


def test_a_disabled_benchmark_is_refused(lab):
    """--benchmark-disable would time nothing, so the claim is an error."""
    result = lab.run("-m", "timing", "--benchmark-disable", "--model", "toy", "-k", "real_time")
    result.stdout.fnmatch_lines(["*MeasurementRefused*--benchmark-disable*"])


def test_an_interrupted_run_keeps_what_was_measured(lab):
    """After Ctrl-C the records are there, whole, and the run says that it is partial."""
    lab.teach(
        "import time\nhear = FakeBackend.transcribe\n"
        "def transcribe(self, audios, language=None):\n"
        "    if Path('heard').exists():\n        time.sleep(600)\n"
        "    Path('heard').touch()\n"
        "    return hear(self, audios, language)\n"
        "FakeBackend.transcribe = transcribe"
    )
    command = [sys.executable, "-c", HEEDFUL, "-p", "no:cacheprovider", "--cache-dir", "cache", "-m", "accuracy"]
    with subprocess.Popen(command, cwd=lab.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while len(lab.facts()) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == pytest.ExitCode.INTERRUPTED
    assert len(utterances(lab.facts())) == 2
    assert lab.description()["sessions"][0]["outcome"] == "partial"


def test_a_run_goes_on_where_it_stopped(lab):
    """Called again with the run's folder, only what has no transcript is heard again."""
    lab.teach("def load(self):\n    raise RuntimeError('not today')\nFakeBackend.load = load")
    lab.run("-m", "accuracy", "--model", "toy", "-k", "word_error_rate")
    lab.teach("")
    lab.run("-m", "accuracy", "-k", "word_error_rate", "--run-dir", "runs/latest")
    records = utterances(lab.facts())
    assert len(records) == 3 + 3 + 3
    assert len([r for r in records if r["failure"] is None]) == 6
    lab.run("-m", "accuracy", "-k", "word_error_rate", "--run-dir", "runs/latest")
    assert len(utterances(lab.facts())) == 9


def test_a_run_refuses_another_corpus(lab):
    """A run is not gone on with when the speech has changed."""
    lab.run("-m", "accuracy", "-k", "word_error_rate")
    lab.speak({"id": "a", "text": "something else"})
    result = lab.run("-m", "accuracy", "--run-dir", "runs/latest")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*heard corpus 'speech' at revision*Start a new run*"])


def test_a_sample_is_drawn_by_seed(lab):
    """--limit hears that many utterances, the same ones for the same seed."""
    draws = []
    for seed in (1, 1):
        lab.run("-m", "accuracy", "--limit", "2", "--seed", str(seed), "-k", "word_error_rate", "--model", "toy")
        draws.append(sorted(r["utterance"] for r in utterances(lab.facts())))
    assert len(draws[0]) == 2
    assert draws[0] == draws[1]


def test_runtimes_that_differ_are_listed(lab):
    """Where the same weights write other words on another runtime, the claim lists both."""
    lab.teach(
        "import importlib.metadata as m\n"
        "import modellab.backends.registry as r\n"
        "class Other(FakeBackend):\n    pass\n"
        "Other.transcribe = lambda self, audios, language=None: [\n"
        "    t.__class__(text='hallo world') for t in FakeBackend.transcribe(self, audios, language)]\n"
        "point = m.EntryPoint('other', 'conftest:Other', r.GROUP)\n"
        "found = r._found\n"
        "r._found = lambda: found() | {'other': point}\n"
    )
    result = lab.run("-m", "accuracy", "--model", "toy", "--backend", "fake,other", "-k", "same_words", apart=True)
    result.assert_outcomes(failed=1, deselected=46)
    result.stdout.fnmatch_lines(
        ["*other:toy:cpu:float32 differs from fake:toy:cpu:float32 on speech:*", "*hallo world*"]
    )


def test_the_plugin_sleeps_where_there_is_no_bench(pytester):
    """A project that names no fixtures has no bench, no fixtures and no run."""
    pytester.makepyfile("def test_nothing(request):\n    assert 'model' not in request.fixturenames\n")
    own = "import pytest\n@pytest.fixture\ndef model():\n    return 1\n"
    pytester.makepyfile(test_own=own + "def test_it(model):\n    assert model == 1\n")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)
    assert not (pytester.path / "runs").exists()


def test_a_broken_definition_is_a_usage_error(lab):
    """A definition that cannot be understood names the file and the key."""
    (lab.root / "fixtures" / "bench.toml").write_text(BROKEN)
    result = lab.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*bench.toml: unknown key 'modl'. Did you mean 'model'?*"])


BROKEN = 'schema = 1\nmodl = ["toy"]\n'


def test_a_backend_is_given_the_options_that_the_bench_states(lab):
    """What `[options.fake]` says reaches the backend, and stands in the run."""
    bench = lab.root / "fixtures" / "bench.toml"
    bench.write_text(bench.read_text() + "\n[options.fake]\nseconds_per_audio = 0.001\n")
    lab.run("-m", "accuracy", "-k", "word_error_rate", "--model", "toy")
    stated = lab.description()["sessions"][0]["models"]["fake:toy:cpu:float32"]
    assert stated["options"]["seconds_per_audio"] == 0.001


def test_an_option_that_a_backend_lacks_is_a_usage_error(lab):
    """The backend, the option and the nearest one are named, and so is the file."""
    bench = lab.root / "fixtures" / "bench.toml"
    bench.write_text(bench.read_text() + "\n[options.fake]\nseconds_per_audo = 1\n")
    result = lab.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    wanted = "*no option of fake 'seconds_per_audo'. Did you mean 'seconds_per_audio'?*bench.toml*"
    result.stderr.fnmatch_lines([wanted])


def test_progress_estimates_what_is_left(lab, tmp_path, monkeypatch, clock):
    """Progress says how many utterances were heard, of how many, and how long the rest may take."""
    from modellab.plugin.progress import Progress
    from modellab.records.store import Store

    lab.run("-m", "accuracy", "-k", "word_error_rate", "--model", "toy")
    monkeypatch.setattr("modellab.plugin.progress.MONOTONIC", clock)
    progress = Progress(Store(tmp_path / "none"), 12, print)
    assert progress.line() == "modellab: 0 of 12 utterances in 0 s, no estimate yet"
    progress._store = Store(Path(lab.root / "runs" / "latest"))
    clock.move(30)
    assert progress.line() == "modellab: 3 of 12 utterances in 30 s, about 1 min 30 s left"


def test_records_are_json_lines(lab):
    """Every line of the record file is one JSON object with a schema."""
    lab.run("-m", "accuracy")
    text = (lab.root / "runs" / "latest" / "records.jsonl").read_text()
    assert all(json.loads(line)["schema"] == 3 for line in text.splitlines())

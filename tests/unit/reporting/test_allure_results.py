"""What Allure is given, and how its pages are made or refused."""

import json
import os
import re
import stat
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from modellab.errors import BadAudio, ReportToolMissing
from modellab.records.record import ColdStart
from modellab.records.store import Store
from modellab.reporting import site
from modellab.reporting.allure import allure_config, attach_utterances, metrics, write_results
from modellab.reporting.publish import make_report
from modellab.reporting.site import Node, find_node, install_allure, render_allure, without_analytics
from modellab.reporting.summary import summarize
from modellab.speech.audio import Audio

MODEL = "faster-whisper:whisper-tiny.en:cpu:int8"


@pytest.fixture
def report(run, record):
    facts = [
        record("a", heard="the cat sat"),
        record("a", lane="timing", transcribe_s=(0.2, 0.3, 0.25)),
        ColdStart(model=MODEL, session=1, total_s=3.21, peak_memory_bytes=300 << 20),
    ]
    return summarize(run(1), facts)


def test_metrics_carry_what_was_measured(report, tmp_path) -> None:
    """Rates go to Allure in percent, memory in MiB, and each under a key with its model and corpus."""
    write_results(report, tmp_path, {})
    perf = json.loads((tmp_path / "modellab-perf.json").read_text())
    assert {m["key"]: m["value"] for m in perf} == {
        f"wer.{MODEL}.tones": pytest.approx(100 / 3),
        f"rtf.{MODEL}.tones": 0.125,
        f"cold_start_s.{MODEL}": 3.21,
        f"peak_memory_mib.{MODEL}": 300,
    }
    assert all(set(m) == {"id", "key", "value", "start", "stop"} and m["start"] < m["stop"] for m in perf)
    assert len({m["id"] for m in perf}) == 4


def test_several_scores_have_keys_of_their_own(run, record) -> None:
    """Two scores of one metric on one corpus differ in their keys."""
    report = summarize(run(2), [record("en"), record("de", language="de")])
    assert [m.key for m in metrics(report)] == [f"wer.{MODEL}.tones.whisper-en@1", f"wer.{MODEL}.tones.basic@1"]


def test_what_was_not_measured_is_no_metric(run, record) -> None:
    """A failed model has no numbers, and not zeros."""
    assert metrics(summarize(run(1), [record(heard=None)])) == ()


def test_configuration_titles_every_metric(report) -> None:
    """Every metric has a title, a unit and a direction, and history is kept."""
    config = allure_config(report)
    titled = config["performance"]["metrics"]
    assert set(titled) == {m.key for m in metrics(report)}
    assert {m["better"] for m in titled.values()} == {"lower"}
    assert titled[f"wer.{MODEL}.tones"]["unit"] == "%"
    assert config["historyLimit"] == 50
    json.dumps(config)


@pytest.mark.parametrize(
    ("message", "status", "category"),
    [
        ("AssertionError: WER 12.00 % is over its budget of 5.00 %", "failed", "Over budget"),
        ("AssertionError: 2 utterances failed, first u1", "failed", "An utterance failed"),
        ("modellab.errors.BackendUnavailable: no cuda", "broken", "Could not load"),
        ("the worker crashed", "broken", "Crashed"),
        ("Skipped: no budget for this model", "skipped", "No budget"),
        ("Skipped: cuda is not here", "skipped", "Cannot run here"),
    ],
)
def test_categories_sort_the_messages(report, tmp_path, message, status, category) -> None:
    """The first category that fits a message and status is the one that says what happened."""
    write_results(report, tmp_path, {})
    known = json.loads((tmp_path / "categories.json").read_text())
    fits = [c["name"] for c in known if status in c["matchedStatuses"] and re.fullmatch(c["messageRegex"], message)]
    assert fits[0] == category


def test_environment_is_a_properties_file(report, tmp_path) -> None:
    """Names and values with spaces, colons or accents are escaped."""
    write_results(report, tmp_path, {})
    text = (tmp_path / "environment.properties").read_text(encoding="ascii")
    assert "runtime\\ faster-whisper = 1.2.3\n" in text
    assert "weights\\ whisper-tiny.en = f00d\n" in text
    assert not (tmp_path / "executor.json").exists()


def test_executor_names_the_job_in_github_actions(report, tmp_path) -> None:
    """In GitHub Actions the report links the job that made it."""
    env = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "me/it", "GITHUB_RUN_ID": "7", "GITHUB_RUN_NUMBER": "3"}
    write_results(report, tmp_path, env)
    executor = json.loads((tmp_path / "executor.json").read_text())
    assert (executor["type"], executor["buildOrder"]) == ("github", 3)
    assert executor["buildUrl"] == "https://github.com/me/it/actions/runs/7"


def test_a_test_attaches_worst_utterances_table_and_plot(record) -> None:
    """A test attaches its worst utterances, a table with every utterance, and the latencies."""
    attached = {}

    def attach(body, name, attachment_type, extension) -> None:
        attached[name] = (body, attachment_type, extension)

    def listen(of) -> Audio:
        if of.utterance == "gone":
            raise BadAudio("no audio file")
        return Audio(samples=np.zeros(16_000, dtype=np.float32))

    facts = [
        record("fine"),
        record("gone", heard=""),
        record("odd", heard="the cat sat"),
        record("odd", lane="timing", transcribe_s=(0.1,)),
        record("lost", heard=None),
    ]
    attach_utterances(attach, facts, listen, worst=2)
    assert list(attached) == ["1. worst: gone", "2. worst: odd", "all utterances", "latency"]
    assert "no audio file" in attached["1. worst: gone"][0]
    assert "<audio" in attached["2. worst: odd"][0]
    lines = attached["all utterances"][0].splitlines()
    assert len(lines) == 6
    assert lines[1].startswith("lost,,,,,,2.00,,accuracy,the hat sat,,transcribe: RuntimeError")
    assert attached["latency"][1:] == ("image/png", "png")


def test_analytics_are_taken_out() -> None:
    """Both tags of the analytics go, and nothing else of the page."""
    tag = (
        '<script async src="https://www.googletagmanager.com/gtag/js?id=G-1"></script>\n    <script>\n'
        "        window.dataLayer = window.dataLayer || [];\n gtag('config', 'G-1', {});\n    </script>"
    )
    page = f"<body><script>keep()</script>{tag}<script>keep_too()</script></body>"
    assert without_analytics(page) == "<body><script>keep()</script><script>keep_too()</script></body>"


def test_without_node_the_error_says_how_to_get_it(monkeypatch) -> None:
    """Without Node, or with one too old, the error says what is there and what to install."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(site, "find_spec", lambda name: None)
    with pytest.raises(ReportToolMissing, match=r"no Node on the PATH: install Node 20.*modellab\[node\]"):
        find_node()


def test_an_old_node_is_passed_over(monkeypatch, tmp_path) -> None:
    """A Node too old to draw the report is not used."""
    for name in ("node", "npm"):
        script(tmp_path / name, "echo v18.1.0")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(site, "find_spec", lambda name: None)
    with pytest.raises(ReportToolMissing, match="the Node on the PATH is 18"):
        find_node()


def test_a_failed_installation_says_why_and_is_tried_again(tmp_path) -> None:
    """When npm fails, the error ends with its words, and the cache is not taken for whole."""
    npm = script(tmp_path / "npm", "echo getaddrinfo ENOTFOUND >&2; exit 1")
    node = Node(node=("node",), npm=(str(npm),))
    for _ in range(2):
        with pytest.raises(ReportToolMissing, match=r"(?s)needs the npm registry.*ENOTFOUND"):
            install_allure(node, tmp_path / "cache")
    script(npm, "exit 0")
    assert install_allure(node, tmp_path / "cache").name == "cli.js"


def test_the_lock_names_no_registry() -> None:
    """The lock file pins versions and hashes, and leaves to npm's settings where they come from."""
    lock = json.loads((Path(__file__).parents[3] / "reports" / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages["node_modules/allure"]["version"] == "3.18.0"
    assert all("integrity" in entry and "resolved" not in entry for entry in packages.values())


def test_no_results_are_no_report(tmp_path) -> None:
    """Allure is not drawn from an empty folder, and the error says how to fill it."""
    with pytest.raises(ReportToolMissing, match="--alluredir="):
        render_allure(tmp_path / "none", tmp_path, {"name": "x"}, history=tmp_path / "h")


def test_drawing_a_run_again_replaces_its_line_of_history(tmp_path) -> None:
    """A run drawn twice is one point of history; other runs keep theirs."""
    history = tmp_path / "history.jsonl"
    history.write_text('{"name": "one"}\n{"name": "two"}\n')
    drawn = """
        mkdir -p "$6/awesome" "$6/single"
        echo "<head></head>" | tee "$6/awesome/index.html" > "$6/single/index.html"
        echo '{"name": "two"}' >> history.jsonl
    """
    node = script(tmp_path / "node", drawn)
    npm = script(tmp_path / "npm", "exit 0")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a-result.json").write_text("{}")
    made = render_allure(
        tmp_path / "results",
        tmp_path / "out",
        {"name": "two"},
        history=history,
        cache=tmp_path / "cache",
        node=Node(node=(str(node),), npm=(str(npm),)),
    )
    assert made.single_file.is_file()
    assert history.read_text().splitlines() == ['{"name": "one"}', '{"name": "two"}']


def test_a_failed_drawing_leaves_history_as_it_was(tmp_path) -> None:
    """When Allure fails, its words are in the error, and history loses nothing."""
    history = tmp_path / "history.jsonl"
    history.write_text('{"name": "two"}\n')
    (tmp_path / "a-result.json").write_text("{}")
    tool = Node(
        node=(str(script(tmp_path / "node", "echo bad config; exit 3")),),
        npm=(str(script(tmp_path / "npm", "exit 0")),),
    )
    with pytest.raises(ReportToolMissing, match=r"(?s)could not draw.*ended with 3.*bad config"):
        render_allure(tmp_path, tmp_path / "out", {"name": "two"}, history=history, cache=tmp_path / "cache", node=tool)
    assert history.read_text() == '{"name": "two"}\n'
    assert list((tmp_path / "out").iterdir()) == []


def test_the_rest_is_made_without_allure(tmp_path, run, record) -> None:
    """Where Allure cannot be drawn, table, page and plots are made, and the reason is printed and returned."""
    store = Store(tmp_path / "run")
    made = run(1)
    store.open_session(made.sessions[0], made.environment, dict(made.corpora), ())
    for fact in (record("a"), record("a", lane="timing", transcribe_s=(0.1, 0.1, 0.2))):
        store.append(fact)
    store.close()
    with (tmp_path / "table.txt").open("w") as target:
        published = make_report(
            tmp_path / "run", tmp_path / "out", Console(file=target, width=100), allure_results=tmp_path / "none"
        )
    assert published.site is None
    assert "--alluredir" in published.unmade[0]
    assert "Not made: Allure" in (tmp_path / "table.txt").read_text()
    assert [path.name for path in published.plots] == ["latency-tones.png", "rtf-tones.png"]
    for path in published.plots:
        assert f"(plots/{path.name})" in published.markdown.read_text()


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path

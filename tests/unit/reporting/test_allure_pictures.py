"""The pictures of scenarios in Allure: those of a claim at its test, those of the run beside all tests."""

import io
import json
import sys

from rich.console import Console

from modellab.records.store import Store
from modellab.reporting.allure import attach_performed, write_plots
from modellab.reporting.publish import make_report

MODEL = "faster-whisper:whisper-tiny.en:cpu:int8"


def test_each_scenario_has_its_picture(performed_by) -> None:
    """Of all that was performed there is a PNG each, and of the streams the three that ended last."""
    attached = {}
    attach_performed(lambda body, name, *kind: attached.update({name: (body, kind)}), performed_by(MODEL))
    streams = [name for name in attached if name.startswith("stream of ")]
    assert len(streams) == 3
    assert set(attached) == {"single-stream", "offline", "server", "memory", *streams}
    assert {kind for _, kind in attached.values()} == {("image/png", "png")}
    assert all(body.startswith(b"\x89PNG") for body, _ in attached.values())


def test_without_matplotlib_the_reason_is_attached(performed_by, monkeypatch) -> None:
    """Where nothing can be drawn the claim stands, and says what is missing."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    attached = []
    facts = [fact for fact in performed_by(MODEL) if fact.kind == "growth"]
    attach_performed(lambda *attachment: attached.append(attachment), facts)
    ((text, *rest),) = attached
    assert "pip install 'modellab[report]'" in text
    assert rest == ["memory", "text/plain", "txt"]


def test_plots_of_the_run_belong_to_no_test(tmp_path) -> None:
    """Each plot is copied beside the results under its title, and those of an earlier report are gone."""
    results, plot = tmp_path / "results", tmp_path / "tradeoff-tones.png"
    results.mkdir()
    plot.write_bytes(b"\x89PNG")
    (results / "modellab-gone-attachment.png").write_bytes(b"")
    write_plots({"What errors are bought with": plot}, results)
    (entry,) = json.loads((results / "modellab-globals.json").read_text())["attachments"]
    assert entry["name"] == "What errors are bought with"
    assert (results / entry["source"]).read_bytes() == b"\x89PNG"
    assert sorted(path.name for path in results.iterdir()) == [
        "modellab-globals.json",
        "modellab-tradeoff-tones-attachment.png",
    ]
    write_plots({}, results)
    assert list(results.iterdir()) == []


def test_what_errors_are_bought_with_is_published(performed_by, record, run, tmp_path) -> None:
    """A report of a run with scenarios has the picture in its folder, on its page and beside Allure's results."""
    store = Store(tmp_path / "run")
    store.open_session(run().sessions[0], run().environment, {}, ())
    for fact in (record(), *performed_by(MODEL)):
        store.append(fact)
    store.close()
    results = tmp_path / "results"
    made = make_report(tmp_path / "run", tmp_path / "out", Console(file=io.StringIO()), allure_results=results)
    assert "tradeoff-tones.png" in [path.name for path in made.plots]
    assert "(plots/tradeoff-tones.png)" in made.markdown.read_text()
    attached = json.loads((results / "modellab-globals.json").read_text())["attachments"]
    assert "What errors are bought with on tones" in [entry["name"] for entry in attached]
    assert all((results / entry["source"]).exists() for entry in attached)

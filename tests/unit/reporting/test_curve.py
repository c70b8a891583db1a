"""Curve: error rates against the strength of a condition, and against clean speech."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from modellab.records.record import Record
from modellab.records.run import CorpusFacts, Run
from modellab.records.store import Store
from modellab.reporting.curve import Curve, curves, pictures
from modellab.reporting.markdown import markdown
from modellab.reporting.plots import plot_curve
from modellab.reporting.publish import make_report
from modellab.reporting.summary import Report, summarize
from modellab.speech.effect import Condition

MODEL = "faster-whisper:whisper-tiny.en:cpu:int8"
OTHER = "openai-whisper:whisper-tiny.en:cpu:float32"
SAID = "the quick brown fox jumps over that lazy dog today"
NOISE = {db: Condition(kind="noise", strength=db, unit="dB") for db in (20.0, 10.0, -5.0)}
TELEPHONE = Condition(kind="telephone")
UNDER: dict[str, tuple[Condition, ...]] = {
    "tones": (),
    "tones+noise:20dB": (NOISE[20.0],),
    "tones+noise:10dB": (NOISE[10.0],),
    "tones+noise:-5dB": (NOISE[-5.0],),
    "tones+telephone": (TELEPHONE,),
    "tones+noise:10dB+telephone": (NOISE[10.0], TELEPHONE),
}
WRONG = dict(zip(UNDER, (1, 1, 3, 8, 2, 5), strict=True))

MakeRun = Callable[..., Run]
MakeRecord = Callable[..., Record]


def wrong(words: int) -> str:
    """Give what was said with so many words wrong."""
    return " ".join(["xxx"] * words + SAID.split()[words:])


@pytest.fixture
def heard(run: MakeRun, record: MakeRecord) -> Callable[..., tuple[Run, list[Record]]]:
    """A maker of runs of two models on these corpora: two utterances each, one of them without a fault."""

    def make(names: tuple[str, ...] = tuple(UNDER)) -> tuple[Run, list[Record]]:
        facts = {
            name: CorpusFacts(
                revision=f"revision of {name}",
                utterances=2,
                duration_s=4.0,
                languages=("en",),
                clean="tones" if UNDER[name] else "",
                conditions=UNDER[name],
            )
            for name in names
        }
        records = [
            record(utterance, SAID, wrong(errors), corpus=name, model=model)
            for model in (MODEL, OTHER)
            for name in names
            for utterance, errors in (("a", WRONG[name]), ("b", 0))
        ]
        return replace(run(models=(MODEL, OTHER)), corpora=facts), records

    return make


@pytest.fixture
def report(heard: Callable[..., tuple[Run, list[Record]]]) -> Report:
    """The report of all corpora."""
    return summarize(*heard())


def only(found: tuple[Curve, ...], kind: str) -> Curve:
    """Give the first model's curve of one condition."""
    return next(curve for curve in found if (curve.model, curve.kind) == (MODEL, kind))


def test_a_curve_rises_with_the_strength(report: Report) -> None:
    """A curve holds every strength of one condition from the weakest number on, with rate and interval."""
    curve = only(curves(report), "noise")
    assert (curve.corpus, curve.unit, curve.metric) == ("tones", "dB", "wer")
    assert [(point.strength, point.rate) for point in curve.points] == [(-5.0, 0.4), (10.0, 0.15), (20.0, 0.05)]
    assert curve.points[0].interval is not None
    assert (curve.points[0].interval.low, curve.points[0].interval.high) == (0.0, 0.8)


def test_the_clean_rate_stands_beside(report: Report) -> None:
    """A curve knows the clean rate of its own model, and how many times that each point is."""
    curve = only(curves(report), "noise")
    assert curve.clean is not None
    assert curve.clean.rate == 0.05
    assert [curve.ratio(point) for point in curve.points] == pytest.approx([8.0, 3.0, 1.0])


def test_what_has_no_strength_is_a_point(report: Report) -> None:
    """A condition without a strength, and several at once, are one point each and no picture."""
    found = curves(report)
    for kind in ("telephone", "noise:10dB + telephone"):
        assert [point.strength for point in only(found, kind).points] == [None]
    assert {key: len(alike) for key, alike in pictures(found).items()} == {("tones", "noise"): 2}


def test_each_model_has_curves_of_its_own(report: Report) -> None:
    """Two models on two conditions and a combination have six curves."""
    assert len(curves(report)) == 6
    assert {curve.model for curve in curves(report)} == {MODEL, OTHER}


def test_without_clean_speech_there_is_nothing_to_compare_with(heard: Callable[..., Any]) -> None:
    """Where the clean corpus was not heard the curve stands alone, and the page has a dash."""
    report = summarize(*heard(("tones+noise:20dB", "tones+noise:10dB")))
    curve = only(curves(report), "noise")
    assert curve.clean is None
    assert [curve.ratio(point) for point in curve.points] == [None, None]
    assert plot_curve(pictures(curves(report))["tones", "noise"]).startswith(b"\x89PNG")


def test_a_clean_rate_of_nothing_has_no_multiple(heard: Callable[..., Any], record: MakeRecord) -> None:
    """Where the model made no error on clean speech there is no number of times that."""
    run, _ = heard(("tones", "tones+telephone"))
    facts = [record("a", corpus=name, said=SAID, heard=SAID) for name in run.corpora]
    (curve,) = curves(summarize(run, facts))
    assert curve.ratio(curve.points[0]) is None


def test_clean_speech_has_no_curve(heard: Callable[..., Any]) -> None:
    """A run without conditions has no curves, and its page no section of them."""
    report = summarize(*heard(("tones",)))
    assert curves(report) == ()
    assert "under conditions" not in markdown(report, {})


def test_the_page_lists_each_point(report: Report) -> None:
    """The section has a line a model and condition: the clean rate, the rate with its interval, and the multiple."""
    page = markdown(report, {})
    assert "## WER under conditions" in page
    section = page.partition("under conditions")[2].partition("##")[0]
    line = next(line for line in section.splitlines() if "openai-whisper" in line and "noise:-5dB" in line)
    cells = [cell.strip().replace("\\", "") for cell in line.strip("|").split("|")]
    assert cells == [OTHER, "tones", "noise:-5dB", "5.00 %", "40.00 % [0.0, 80.0], 2 utterances", "8.00"]
    assert len(section.strip().splitlines()) == 2 + 10


def test_one_picture_a_corpus_and_condition(heard: Callable[..., Any], tmp_path: Path) -> None:
    """A published report holds the picture of the curve and names it on its page."""
    run, records = heard()
    store = Store(tmp_path / "run")
    store.open_session(run.sessions[0], run.environment, dict(run.corpora), ())
    for record in records:
        store.append(record)
    store.close()
    published = make_report(tmp_path / "run", tmp_path / "report", Console(file=io.StringIO()))
    assert [path.name for path in published.plots] == ["curve-tones-noise.png"]
    assert "![tones under noise](plots/curve-tones-noise.png)" in published.markdown.read_text()

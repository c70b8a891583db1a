"""The table, the Markdown page, the page of an utterance, and the plots."""

import io
import re
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
import soundfile
from rich.console import Console

from modellab.errors import ReportToolMissing
from modellab.records.record import ColdStart
from modellab.records.run import Skipped
from modellab.reporting.accuracy import judge_utterance
from modellab.reporting.figure import NOT_MEASURED
from modellab.reporting.html import encode_flac, utterance_page
from modellab.reporting.markdown import markdown
from modellab.reporting.plots import plot_latency, plot_rtf
from modellab.reporting.summary import summarize
from modellab.reporting.table import print_report
from modellab.reporting.timing import timings
from modellab.speech.audio import Audio
from modellab.verdicts.budget import Budget, Verdict

MODEL = "faster-whisper:whisper-tiny.en:cpu:int8"
OTHER = "openai-whisper:whisper-tiny.en:cpu:float32"
EVIL = '<script>alert("x")</script> | **&'


@pytest.fixture
def report(run, record):
    facts = [
        record("a", heard="the cat sat"),
        record("b", heard=None),
        record("a", lane="timing", transcribe_s=(0.2, 0.3, 0.25) * 5),
        ColdStart(model=MODEL, session=1, total_s=3.21, peak_memory_bytes=300 << 20),
    ]
    skipped = (Skipped(model=OTHER, corpus="", reason="openai-whisper is not installed"),)
    made = run(3, models=(MODEL,), skipped=skipped, not_honoured=("temperatures",), outcome="partial")
    return summarize(made, facts, torn=1)


@pytest.fixture
def printed(report):
    target = io.StringIO()
    print_report(report, Console(file=target, width=100))
    return target.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "whisper-tiny.en",
        "faster-whisper",
        "cpu, int8",
        "66.67 %",
        "1 S, 3 D, 0 I",
        "0.125",
        f"{NOT_MEASURED} (15 < 130)",
        "3.21 s",
        "300 MiB",
        "ERROR",
        "1 of 3 heard",
    ],
)
def test_table_shows_every_figure(printed, text) -> None:
    """The table shows model, rate, errors by kind, speed, start, memory and verdict, and says what it refuses."""
    assert text in printed


@pytest.mark.parametrize(
    "text",
    [
        "Failures: 1",
        "no memory left",
        "openai-whisper is not installed",
        "temperatures",
        "session 1 is partial",
        "1 utterances were never tried",
        "1 line(s) of the record file were cut short",
    ],
)
def test_nothing_lost_goes_unsaid(printed, report, text) -> None:
    """What failed, was skipped, could not be honoured or is missing stands below the table and on the page."""
    assert text in " ".join(printed.split())
    assert text.replace("_", "\\_") in markdown(report, {})


def test_table_fits_a_hundred_columns_without_colour(printed) -> None:
    """On a pipe, the table has no control characters and no line beyond a hundred columns."""
    assert "\x1b" not in printed
    assert max(map(len, printed.splitlines())) <= 100


def test_a_rate_has_its_interval_and_what_that_rests_on(run, record, printed) -> None:
    """Beneath a rate stand the bounds in percent and the clusters drawn from, in the table and on the page."""
    for text in ("95 % interval", "[33.3, 100.0]", "2 utterances"):
        assert text in printed
    facts = [record(f"u{n}", heard="the cat sat" if n % 2 else "the hat sat", speaker=f"s{n}") for n in range(40)]
    assert re.search(r"16\.67 % \\\[\d+\.\d, \d+\.\d\\\], 40 speakers", markdown(summarize(run(40), facts), {}))


@pytest.mark.parametrize("claim", [field.name for field in fields(Budget)])
def test_whatever_is_claimed_has_a_name(report, claim) -> None:
    """A row that fails names the claim, whichever it is, and shows it."""
    target = io.StringIO()
    row = replace(report.rows[0], verdicts={claim: Verdict.ERROR})
    print_report(replace(report, rows=(row,)), Console(file=target, width=100))
    assert "ERROR" in target.getvalue()


def test_an_empty_report_says_so(run) -> None:
    """A report without rows says that nothing was heard."""
    target = io.StringIO()
    print_report(summarize(run(), []), Console(file=target))
    assert "nothing was heard" in target.getvalue()


def test_markdown_names_what_the_figures_depend_on(report) -> None:
    """The page names the machine, the commit and its state, the versions, the corpora and the hashes of weights."""
    page = markdown(report, {"Latency on tones": "plots/latency-tones.png"})
    for text in ("Some CPU @ 2 GHz", "0123abc (with uncommitted changes)", "1.2.3", "feedbeef", "60.0 s", "f00d"):
        assert text in page
    assert "![Latency on tones](plots/latency-tones.png)" in page


def test_markdown_has_every_rate_that_follows_from_the_counts(report) -> None:
    """Match error rate and word information lost stand beside the error rate, with the length of the reference."""
    (line,) = [line for line in markdown(report, {}).splitlines() if "whisper-en@1" in line]
    assert line.endswith("| WER | whisper-en@1 | 6 | 66.67 % | 66.67 % | 77.78 % |")


def test_markdown_names_no_path_of_this_machine(report) -> None:
    """The folder in which the weights lie is nobody's business."""
    assert "/home/me" not in markdown(report, {})


def test_text_of_others_stays_text(run, record) -> None:
    """Names and messages with tags, bars or stars show as they are, on the Markdown page too."""
    page = markdown(summarize(run(), [record(EVIL, heard=None, corpus=EVIL)]), {})
    assert not re.search(r"(?<!\\)<script", page)
    rows = [line for line in page.splitlines() if line.startswith("| whisper")]
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == 15


def test_utterance_page_escapes_all_text(record) -> None:
    """A transcript that holds a script shows it and does not run it."""
    evil = record(EVIL, EVIL, EVIL, model=EVIL, corpus=EVIL)
    page = utterance_page(judge_utterance(evil), None, why_silent=EVIL)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 6


def test_utterance_page_tells_kinds_of_errors_apart(record) -> None:
    """Substitutions, deletions and insertions each have a mark of their own, and the numbers stand above."""
    judged = judge_utterance(record(said="the hat sat down", heard="a the cat sat", transcribe_s=(0.5,)))
    page = utterance_page(judged, None)
    for operation in ("substitute", "delete", "insert"):
        assert page.count(f'class="pair {operation}"') == 2
    for text in ("3 of 4", "75.00 %", "1 S, 1 D, 1 I", "0.250"):
        assert text in page


def test_utterance_page_asks_nothing_of_the_network(record) -> None:
    """The page holds its audio and its style, and no address."""
    audio = Audio(samples=np.zeros(16_000, dtype=np.float32))
    page = utterance_page(judge_utterance(record()), audio)
    assert "//" not in re.sub(r"base64,[^\"]*", "", page)
    assert 'src="data:audio/flac;base64,' in page


def test_attached_audio_is_the_audio() -> None:
    """What a listener hears is what the model heard, to 16 bits."""
    samples = np.random.default_rng(0).uniform(-1, 1, 8_000).astype(np.float32)
    heard, rate_hz = soundfile.read(io.BytesIO(encode_flac(Audio(samples=samples))), dtype="float32")
    assert rate_hz == 16_000
    np.testing.assert_allclose(heard, samples, atol=1 / 32_000)


@pytest.mark.parametrize("plot", [plot_latency, plot_rtf])
@pytest.mark.parametrize("count", [1, 12])
def test_plots_are_pictures(plot, count, record) -> None:
    """A plot of one utterance or of many models is a PNG, the same for the same facts."""
    timed = timings(
        record(f"u{n}", model=f"b:c{n}:cpu:int8", lane="timing", transcribe_s=(0.1, 0.2)) for n in range(count)
    )
    assert plot(timed).startswith(b"\x89PNG")
    assert plot(timed) == plot(timed)


def test_plots_say_that_matplotlib_is_missing(monkeypatch, record) -> None:
    """Without matplotlib the error says what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ReportToolMissing, match=r"pip install 'modellab\[report\]'"):
        plot_rtf(timings([record(lane="timing", transcribe_s=(0.1,))]))

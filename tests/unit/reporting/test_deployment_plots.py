"""What deployment meets, drawn: each picture is looked into before it becomes a PNG."""

import sys
from dataclasses import replace

import pytest

from modellab.errors import ReportToolMissing
from modellab.records.failure import Failure
from modellab.records.scenario import Growth
from modellab.reporting import picture
from modellab.reporting.deployment_plots import (
    plot_growth,
    plot_latencies,
    plot_rates,
    plot_throughput,
    plot_tradeoffs,
)
from modellab.reporting.performed import Performed
from modellab.reporting.stream_plot import MOST_ROWS, plot_stream
from modellab.reporting.tradeoff import Tradeoff

FAST, SLOW = "faster-whisper:whisper-tiny.en:cpu:int8", "transformers:whisper-tiny.en:cpu:float32"


@pytest.fixture
def drawn(monkeypatch):
    """Give the figures that become PNGs."""
    figures = []
    from matplotlib.figure import Figure

    save = Figure.savefig

    def keep(figure, *args, **options):
        figures.append(figure)
        return save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


@pytest.fixture
def performed(performed_by) -> Performed:
    """Two models, of which the slow one lost calls and memory."""
    return Performed.of([*performed_by(FAST, pace=0.1), *performed_by(SLOW, pace=0.8, failed=14)])


def legend(figure):
    """Give what the legend of a figure says."""
    return [text.get_text() for own in figure.legends for text in own.get_texts()]


def bought(model: str, **figures: float) -> Tradeoff:
    """Give a tradeoff."""
    return Tradeoff(model=model, corpus="tones", metric="WER", **figures)


def test_every_axis_has_its_unit(drawn, performed) -> None:
    """Each axis that says anything says in which unit, and every picture is a PNG, the same for the same facts."""
    stream = performed.streams["transformers:whisper-tiny.en:cpu:float32", "tones"]["tone-0"]
    plots = [
        lambda: plot_tradeoffs([bought(FAST, error_rate=0.1, rtf=0.2), bought(SLOW, error_rate=0.05, rtf=0.9)]),
        lambda: plot_latencies(performed.scenario("single-stream", "tones")),
        lambda: plot_throughput(performed.scenario("offline", "tones")),
        lambda: plot_rates(performed.scenario("server", "tones")),
        lambda: plot_growth([performed.growths[FAST]["transcribe"]]),
        lambda: plot_stream(stream),
    ]
    for plot in plots:
        assert plot().startswith(b"\x89PNG")
    assert plots[0]() == plots[0]()
    labels = [axes.get_xlabel() for figure in drawn for axes in figure.axes] + [
        axes.get_ylabel() for figure in drawn for axes in figure.axes
    ]
    unitless = {label for label in labels if label and "[" not in label}
    assert unitless == {"calls", "transcriptions"}


def test_tradeoffs_have_a_front_each(drawn) -> None:
    """A panel for each cost has a point a model and the front; what was not measured says so, and a price is told."""
    models = [bought(FAST, error_rate=0.1, rtf=0.2, peak_bytes=2**28), bought(SLOW, error_rate=0.05, rtf=0.9)]
    plot_tradeoffs(models)
    rtf, memory, cost = drawn[-1].axes
    assert [line.get_label() for line in rtf.lines] == ["Pareto front: on it no model is beaten both ways"]
    assert [(round(x, 3), round(y, 3)) for x, y in rtf.lines[0].get_xydata()[1:3]] == [(0.2, 10.0), (0.9, 5.0)]
    assert {text.get_text() for text in rtf.texts} == {"faster-whisper\nint8", "transformers\nfloat32"}
    assert memory.get_xlabel() == "peak memory [MiB]"
    assert [text.get_text() for text in cost.texts] == ["not measured"]
    assert legend(drawn[-1])[:2] == [FAST, SLOW]
    plot_tradeoffs([replace(each, price=0.5) for each in models], "EUR")
    assert drawn[-1].axes[2].get_xlabel() == "price of an hour of audio [EUR]"


def test_the_curve_of_failed_calls_ends_early(drawn, performed) -> None:
    """A model that lost a tenth of its calls answers nine tenths at most, and only supported quantiles are told."""
    plot_latencies(performed.scenario("single-stream", "tones"))
    *histograms, shares = drawn[-1].axes
    assert [line.get_ydata().max() for line in shares.lines if len(line.get_xdata())] == pytest.approx([100, 90])
    titles = [axes.get_title(loc="left") for axes in histograms]
    assert "p50" in titles[0]
    assert "p95" in titles[0]
    assert "p99" not in titles[0]
    assert "p95" not in titles[1], "126 answers support no 95th percentile"
    assert "14 failed" in titles[1]


def test_a_wide_spread_is_logarithmic(drawn, performed_by) -> None:
    """Latencies that differ thirtyfold are on a logarithmic axis whose name says so, its ticks plain numbers."""
    facts = [*performed_by(FAST, pace=0.01), *performed_by(SLOW, pace=2.0)]
    plot_latencies(Performed.of(facts).scenario("single-stream", "tones"))
    axes = drawn[-1].axes[-1]
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel().endswith("logarithmic")
    assert all(not text.get_text().startswith("$") for text in axes.get_xticklabels())


def test_throughput_has_a_line_for_each_sharing(drawn, performed) -> None:
    """Each number of replicas and threads has a line; what was not ordered by length is hollow, what failed crossed."""
    plot_throughput(performed.scenario("offline", "tones"))
    assert set(legend(drawn[-1])) == {
        "1 replica × 1 thread",  # noqa: RUF001
        "1 replica × 2 threads",  # noqa: RUF001
        "2 replicas × 1 thread",  # noqa: RUF001
        "hollow: not ordered by length",
        "failed",
    }
    fast = drawn[-1].axes[0]
    assert [text.get_text() for text in fast.get_xticklabels()] == ["1", "4", "8"]


def test_rates_mark_bound_and_confirmed(drawn, performed) -> None:
    """The bound and the rate that kept it are marked, and the title says both with their units."""
    plot_rates(performed.scenario("server", "tones"))
    assert {"bound of p95", "highest rate confirmed", "each call"} <= set(legend(drawn[-1]))
    assert drawn[-1].axes[0].get_title(loc="left").startswith(f"{FAST}: p95 below 1.00 s at ")


def test_growth_tells_the_slope_and_its_bounds(drawn, performed) -> None:
    """The slope is told with its bounds; of too few turns there is the memory alone."""
    growth = performed.growths[FAST]["transcribe"]
    plot_growth([growth])
    assert any("KiB a transcription [" in text for text in legend(drawn[-1]))
    plot_growth([Growth(model=FAST, session=1, turn="reload", resident_bytes=(2**20, 2**21))])
    assert legend(drawn[-1]) == ["held [MiB]"]


def test_a_stream_tells_what_was_agreed_on(drawn, performed) -> None:
    """Each partial has a row with its moment, agreed words dark and upright and the others slanted."""
    stream = performed.streams[FAST, "tones"]["tone-0"]
    plot_stream(stream)
    texts = drawn[-1].axes[1].texts
    shown = [text.get_text() for text in texts if text.get_style() != "italic"]
    assert "the cat sat" in shown
    assert f"{stream.partials[0].at_s:.2f} s" in [text.strip() for text in shown]
    assert "on the what" in [text.get_text() for text in texts if text.get_style() == "italic"]
    assert {"partial", "final", "end of the audio"} == set(legend(drawn[-1]))


def test_a_long_stream_is_thinned(drawn, performed) -> None:
    """Of very many partials forty are drawn, the first and the last among them, and the title says so."""
    stream = performed.streams[FAST, "tones"]["tone-0"]
    many = tuple(replace(stream.partials[0], at_s=0.1 * n, text="ho " * n) for n in range(1, 200))
    plot_stream(replace(stream, partials=many))
    assert f"{MOST_ROWS} of 199 partials" in drawn[-1].get_suptitle()
    moments = [text.get_text().strip() for text in drawn[-1].axes[1].texts]
    assert {"0.10 s", "19.90 s"} <= set(moments)


@pytest.mark.parametrize("text", ["$\\frac{", "_^{}$$", "<b>&"])
def test_hostile_text_is_drawn_as_it_is(text, performed) -> None:
    """What looks like a formula is none."""
    stream = performed.streams[FAST, "tones"]["tone-0"]
    assert plot_stream(
        replace(stream, utterance=text, partials=(replace(stream.partials[0], text=text, agreed=0),))
    ).startswith(b"\x89PNG")


def test_what_failed_at_once_can_be_drawn(performed) -> None:
    """A scenario without a single call is no reason to draw nothing of the others."""
    own = performed.scenario("offline", "tones")
    lost = replace(own[0], calls=(), failure=Failure(stage="load", kind="MemoryError", message="none left"))
    assert plot_throughput([lost]).startswith(b"\x89PNG")


def test_names_are_cut_to_where_they_differ() -> None:
    """Models of one checkpoint and device are told apart by runtime and precision alone."""
    assert picture.short_names([FAST, SLOW]) == {FAST: "faster-whisper · int8", SLOW: "transformers · float32"}
    assert picture.short_names([FAST]) == {FAST: "whisper-tiny.en"}


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, performed) -> None:
    """Without matplotlib the error names the remedy."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ReportToolMissing, match=r"pip install 'modellab\[report\]'"):
        plot_latencies(performed.scenario("single-stream", "tones"))

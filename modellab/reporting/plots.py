"""Plot: latency against duration, the spread of the real-time factor, and error rates under conditions, as PNG."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from modellab.reporting.curve import Curve, Point
from modellab.reporting.picture import COLOURS, LINES, MARKERS, WIDE_SPREAD, draw_png, legend_below, logarithmic
from modellab.reporting.timing import Timing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_latency(timings: Sequence[Timing]) -> bytes:
    """Draw the median seconds each utterance took against its length; on the dashed line a model keeps up.

    Raises:
        ReportToolMissing: without matplotlib.
    """

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        longest = max((timing.audio_duration_s for timing in timings), default=1.0)
        slowest = 0.0
        for place, (model, own) in enumerate(_by_model(timings).items()):
            took = [median(timing.transcribe_s) for timing in own]
            slowest = max(slowest, *took)
            axes.scatter(
                [timing.audio_duration_s for timing in own],
                took,
                s=26,
                alpha=0.85,
                linewidths=0.4,
                edgecolors="white",
                color=COLOURS[place % len(COLOURS)],
                marker=MARKERS[place % len(MARKERS)],
                label=f"{model} (n = {len(own)})",
            )
        axes.plot([0, longest], [0, longest], color="#666666", linestyle="--", linewidth=1, label="RTF 1: real time")
        axes.set(
            xlim=(0, longest * 1.05),
            ylim=(0, slowest * 1.15 or 1),
            xlabel="utterance [seconds of audio]",
            ylabel="latency, median of rounds [s]",
            title="Latency of each utterance",
        )
        legend_below(figure, axes)

    return draw_png(draw, height=4.6 + 0.2 * len(_by_model(timings)))


def plot_rtf(timings: Sequence[Timing]) -> bytes:
    """Draw the real-time factor of every round by model: the box holds the middle half, the whiskers all of it.

    Raises:
        ReportToolMissing: without matplotlib.
    """
    models = _by_model(timings)

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        samples = {model: [rtf for timing in own for rtf in timing.rtf] for model, own in models.items()}
        for place, values in enumerate(samples.values()):
            _box(axes, place, values, COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)])
        axes.set_yticks(
            range(len(samples)), [f"{model}\nn = {len(values)} rounds" for model, values in samples.items()]
        )
        axes.invert_yaxis()
        everything = [value for values in samples.values() for value in values]
        if everything and max(everything) > WIDE_SPREAD * min(everything) > 0:
            logarithmic(axes.xaxis)
        else:
            axes.set_xlim(left=0)
        axes.set_xlabel("RTF [seconds of work per second of audio], lower is better")
        axes.set_title("Real-time factor")
        axes.grid(visible=False, axis="y")

    return draw_png(draw, height=1.6 + 0.75 * max(1, len(models)))


def plot_curve(curves: Sequence[Curve]) -> bytes:
    """Draw the error rate of each model against the strength of one condition, beside that of clean speech.

    The bars are the intervals of the rates. All curves are of one corpus and one condition.

    Raises:
        ReportToolMissing: without matplotlib.
    """
    first = curves[0]

    def draw(figure: "Figure") -> None:
        clean, under = figure.subplots(1, 2, sharey=True, width_ratios=(1, 7))
        for place, curve in enumerate(curves):
            aside = (place - (len(curves) - 1) / 2) * min(0.3, 0.8 / len(curves))
            _errors(clean, place, {aside: curve.clean} if curve.clean else {})
            _errors(under, place, {point.strength or 0.0: point for point in curve.points}, curve.model)
        clean.set(xticks=[0], xticklabels=["clean"], xlim=(-0.6, 0.6), ylabel=f"{first.metric.upper()} [%]")
        clean.grid(visible=False, axis="x")
        unit = "multiple" if first.unit == "x" else first.unit
        under.set(xlabel=f"{first.kind} [{unit}]", title=f"{first.metric.upper()} of {first.corpus} under {first.kind}")
        under.set_xticks(sorted({point.strength or 0.0 for curve in curves for point in curve.points}))
        under.set_ylim(bottom=0)
        legend_below(figure, under)

    return draw_png(draw, height=4.6 + 0.2 * len(curves))


def _errors(axes: "Axes", place: int, points: Mapping[float, Point], label: str | None = None) -> None:
    known = {where: point for where, point in points.items() if point.rate is not None}
    rates = [100 * (point.rate or 0.0) for point in known.values()]
    bounds = [(point.interval.low, point.interval.high) if point.interval else None for point in known.values()]
    away = [
        (0.0, 0.0) if b is None else (rate - 100 * b[0], 100 * b[1] - rate)
        for rate, b in zip(rates, bounds, strict=True)
    ]
    axes.errorbar(
        list(known),
        rates,
        yerr=np.maximum(0.0, np.array(away).reshape(-1, 2).T),
        color=COLOURS[place % len(COLOURS)],
        marker=MARKERS[place % len(MARKERS)],
        linestyle=LINES[place % len(LINES)],
        linewidth=1.4,
        markersize=6,
        elinewidth=0.8,
        capsize=3,
        label=label,
    )


def _box(axes: "Axes", place: int, values: Sequence[float], colour: str, marker: str) -> None:
    axes.boxplot(
        [values],
        positions=[place],
        orientation="horizontal",
        widths=0.5,
        whis=(0, 100),
        showfliers=False,
        medianprops={"color": "#111111", "linewidth": 2},
        boxprops={"color": "#555555"},
        whiskerprops={"color": "#555555"},
        capprops={"color": "#555555"},
        manage_ticks=False,
    )
    spread = np.random.default_rng(0).uniform(-0.16, 0.16, len(values))
    axes.scatter(values, place + spread, s=12, alpha=0.45, linewidths=0, color=colour, marker=marker, zorder=3)
    axes.annotate(
        f"{median(values):#.3g}",
        (median(values), place - 0.27),
        ha="center",
        va="bottom",
        fontsize=9,
        annotation_clip=False,
    )


def _by_model(timings: Iterable[Timing]) -> Mapping[str, list[Timing]]:
    models: dict[str, list[Timing]] = defaultdict(list)
    for timing in timings:
        models[timing.model].append(timing)
    return dict(sorted(models.items()))

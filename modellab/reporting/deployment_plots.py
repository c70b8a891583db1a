"""Plot: what deployment meets: what errors are bought with, latency, throughput, the rate of a server, memory."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from modellab.records.scenario import Growth, Performance
from modellab.reporting.pareto import front
from modellab.reporting.performance import Served, point, served
from modellab.reporting.picture import (
    COLOURS,
    DIM,
    WIDE_SPREAD,
    draw_png,
    legend_below,
    line,
    logarithmic,
    look,
    name_points,
    short_names,
)
from modellab.reporting.tradeoff import Tradeoff
from modellab.scoring.growth import WARM_UP, Slope
from modellab.scoring.quantile import percentile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MEBIBYTE = 1024 * 1024
_MARKED = {0.5: ("-", "solid"), 0.95: ("--", "dashed"), 0.99: (":", "dotted")}
_BINS = 30
_TURNS = {"transcribe": "transcription", "reload": "reload"}


def plot_tradeoffs(tradeoffs: Sequence[Tradeoff], currency: str = "") -> bytes:
    """Draw the error rate against speed, memory and cost, each with its front: no model beats one that is on it.

    Cost is the price of an hour of audio where any has one, and else hours of a core. All are of one corpus.

    Raises:
        ReportToolMissing: without matplotlib.
    """
    ordered = sorted(tradeoffs, key=lambda each: each.model)
    priced = any(each.price is not None for each in ordered)
    ways: tuple[tuple[str, Callable[[Tradeoff], float | None]], ...] = (
        ("real-time factor of one caller [seconds of work per second of audio]", lambda each: each.rtf),
        ("peak memory [MiB]", lambda each: each.peak_bytes / _MEBIBYTE if each.peak_bytes else None),
        (f"price of an hour of audio [{currency or 'as the machine is paid'}]", lambda each: each.price)
        if priced
        else ("cost of an hour of audio [core-hours]", lambda each: each.core_hours),
    )

    def draw(figure: "Figure") -> None:
        panels = figure.subplots(len(ways), 1, sharey=True)
        points = [_bought(axes, ordered, name, cost) for axes, (name, cost) in zip(panels, ways, strict=True)]
        panels[0].set_title(f"What {_metric(ordered)} is bought with on {ordered[0].corpus}; lower is better both ways")
        legend_below(figure, panels[0], columns=1 if len(ordered) < 5 else 2)  # noqa: PLR2004 - as many fit in a column
        for axes, own in zip(panels, points, strict=True):
            name_points(figure, axes, own)

    return draw_png(draw, height=8.2 + 0.2 * min(len(ordered), 5 + len(ordered) // 2))


def plot_latencies(performances: Sequence[Performance]) -> bytes:
    """Draw how long single callers waited: by model how many calls, and below what share of all was answered by then.

    A call that failed is never answered: its model's curve ends below 100 %.

    Raises:
        ReportToolMissing: without matplotlib.
    """
    models = _by_model(performances)
    waited = {model: sorted(s for each in own for s in each.latencies_s) for model, own in models.items()}
    names = short_names(models)

    def draw(figure: "Figure") -> None:
        panels = figure.subplots(
            len(waited) + 1, 1, sharex=True, height_ratios=(*[1.0] * len(waited), 3.2), squeeze=False
        )[:, 0]
        bins, log = _bins([s for own in waited.values() for s in own if isfinite(s)])
        for place, (axes, (model, own)) in enumerate(zip(panels[:-1], waited.items(), strict=True)):
            _histogram(axes, place, [s for s in own if isfinite(s)], bins)
            axes.set_title(_called(names[model], own), fontsize=9, fontweight="normal")
        _shares(panels[-1], waited)
        panels[-1].set_xlabel(f"latency from due to answered [s]{', logarithmic' if log else ''}")
        if log:
            logarithmic(panels[-1].xaxis)
        else:
            panels[-1].set_xlim(left=0)
        figure.suptitle("Latency of a single caller", x=0.01, ha="left", fontsize=12, fontweight="bold")
        legend_below(figure, panels[-1])

    return draw_png(draw, height=4.4 + 1.3 * len(waited))


def plot_throughput(performances: Sequence[Performance]) -> bytes:
    """Draw seconds of audio a second by batch size, a line for each number of replicas and threads, by model.

    Batches of like lengths are joined by the line; a hollow marker has them in the corpus's order, a cross failed.

    Raises:
        ReportToolMissing: without matplotlib.
    """
    models = _by_model(performances)

    def draw(figure: "Figure") -> None:
        def panel(axes: "Axes", own: Sequence[Performance]) -> None:
            for place, (shared, alike) in enumerate(_by_sharing(own).items()):
                _throughput(axes, place, alike, shared)
            sizes = sorted({int(each.setting.get("batch_size", 1)) for each in own})
            axes.set_xscale("log", base=2)
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.minorticks_off()
            axes.set_ylim(bottom=0)
            axes.set_ylabel("throughput\n[s of audio per s]")

        _panels(figure, models, panel, "Throughput with all asked for at once", "batch [utterances]")

    return draw_png(draw, height=1.8 + 2.6 * len(models))


def plot_rates(performances: Sequence[Performance]) -> bytes:
    """Draw the latency of every call against the rate at which they arrived, with the bound and the rate that kept it.

    A filled marker is the quantile where the bound was kept, a hollow one where it was not; where too few calls
    support the quantile there are only the calls.

    Raises:
        ReportToolMissing: without matplotlib.
    """
    models = _by_model(performances)

    def draw(figure: "Figure") -> None:
        def panel(axes: "Axes", own: Sequence[Performance]) -> None:
            axes.set_ylabel("latency [s]")
            found = served(own)
            if found:
                axes.set_title(_kept(own[0].model, found), fontsize=9, fontweight="normal")
                _rates(axes, own, found)

        _panels(figure, models, panel, "Latency under a rate of requests", "rate [requests per s]")

    return draw_png(draw, height=1.8 + 3.0 * len(models))


def plot_growth(growths: Sequence[Growth]) -> bytes:
    """Draw what a process held after each turn, and the slope with its bounds; the turns in grey are left out of it.

    Raises:
        ReportToolMissing: without matplotlib.
    """

    def draw(figure: "Figure") -> None:
        panels = figure.subplots(len(growths), 1, squeeze=False)[:, 0]
        for axes, growth in zip(panels, growths, strict=True):
            _growth(axes, growth)
            axes.set_title(f"Memory after each {_TURNS[growth.turn]}: {growth.model}", fontsize=10)
        legend_below(figure, list(panels))

    return draw_png(draw, height=0.9 + 3.2 * len(growths))


def _bought(
    axes: "Axes", tradeoffs: Sequence[Tradeoff], name: str, cost: Callable[[Tradeoff], float | None]
) -> list[tuple[float, float, str]]:
    """Draw one panel and give its points."""
    names = short_names(each.model for each in tradeoffs)
    pairs = [(cost(each), None if each.error_rate is None else 100 * each.error_rate) for each in tradeoffs]
    found = []
    for place, (each, (x, y)) in enumerate(zip(tradeoffs, pairs, strict=True)):
        known = [(x, y, names[each.model])] if x is not None and y is not None else []
        axes.scatter([x for x, _, _ in known], [y for _, y, _ in known], s=_size(place), linewidths=0.6,
                     edgecolors="white", zorder=3, label=each.model, clip_on=False, **look(place))  # fmt: skip
        found += known
    if not found:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=DIM)
    _scale(axes, [x for x, _, _ in found])
    axes.set_xlabel(name + (", logarithmic" if axes.get_xscale() == "log" else ""))
    axes.set_ylabel(f"{_metric(tradeoffs)} [%]")
    axes.set_ylim(0, max(*axes.get_ylim(), *(1.3 * y for _, y, _ in found)))
    _front(axes, pairs)
    return found


def _size(place: int) -> int:
    """Give the area of a marker in points squared; a star of the same one looks smaller than the others."""
    return 130 if look(place)["marker"] == "*" else 64


def _front(axes: "Axes", pairs: Sequence[tuple[float | None, float | None]]) -> None:
    """Draw the stairs between what some model reaches and what none does, from edge to edge."""
    best = [(x, y) for x, y in map(pairs.__getitem__, front(pairs)) if x is not None and y is not None]
    if not best:
        return
    edge, top = axes.get_xlim()[1], axes.get_ylim()[1]
    stairs = [(best[0][0], top), *best, (edge, best[-1][1])]
    axes.step([x for x, _ in stairs], [y for _, y in stairs], where="post", color=DIM, linewidth=1.2, linestyle="--",
              zorder=1, label="Pareto front: on it no model is beaten both ways")  # fmt: skip


def _scale(axes: "Axes", values: Sequence[float]) -> None:
    if values and max(values) > 10 * min(values) > 0:
        logarithmic(axes.xaxis)
        axes.set_xlim(min(values) / 1.6, max(values) * 2.2)
    else:
        axes.set_xlim(0, max(values, default=1.0) * 1.25 or 1.0)


def _metric(tradeoffs: Sequence[Tradeoff]) -> str:
    return "/".join(sorted({each.metric for each in tradeoffs if each.metric})) or "error rate"


def _bins(seconds: Sequence[float]) -> tuple["np.ndarray", bool]:
    low, high = min(seconds, default=0.0), max(seconds, default=1.0)
    if high > WIDE_SPREAD * low > 0:
        return np.geomspace(low, high * 1.001, _BINS + 1), True
    return np.linspace(0, high * 1.001 or 1.0, _BINS + 1), False


def _histogram(axes: "Axes", place: int, seconds: Sequence[float], bins: "np.ndarray") -> None:
    axes.hist(seconds, bins=list(bins), color=look(place)["color"], alpha=0.55, edgecolor="white", linewidth=0.5)
    axes.set_ylabel("calls", fontsize=9)
    for q, value in _quantiles(seconds).items():
        axes.axvline(value, color="#111111", linewidth=1.2, linestyle=_MARKED[q][0])


def _shares(axes: "Axes", waited: Mapping[str, Sequence[float]]) -> None:
    for place, (model, seconds) in enumerate(waited.items()):
        answered = [s for s in seconds if isfinite(s)]
        shares = [100 * number / len(seconds) for number in range(1, len(answered) + 1)]
        axes.step(answered, shares, where="post", color=look(place)["color"], linestyle=line(place),
                  linewidth=1.6)  # fmt: skip
        axes.plot([], [], linestyle=line(place), label=model, **look(place))
        marks = [(value, 100 * q * len(answered) / len(seconds)) for q, value in _quantiles(answered).items()]
        axes.scatter([x for x, _ in marks], [y for _, y in marks], s=30, zorder=3, edgecolors="white",
                     linewidths=0.5, **look(place))  # fmt: skip
    axes.set(ylim=(0, 103), ylabel="calls answered by then [%]", yticks=(0, 25, 50, 75, 95, 100))


def _quantiles(seconds: Sequence[float]) -> Mapping[float, float]:
    """Give those quantiles that so many calls support."""
    return {q: value for q in _MARKED if (value := percentile(seconds, q)) is not None}


def _called(name: str, seconds: Sequence[float]) -> str:
    answered = [s for s in seconds if isfinite(s)]
    texts = [f"p{q * 100:.0f} {value:#.3g} s ({_MARKED[q][1]})" for q, value in _quantiles(answered).items()]
    failed = [f"{len(seconds) - len(answered)} failed"] if len(seconds) > len(answered) else []
    return f"{name}, {len(seconds)} calls: {', '.join([*texts, *failed])}".removesuffix(": ")


def _panels(
    figure: "Figure",
    models: Mapping[str, Sequence[Performance]],
    paint: "Callable[[Axes, Sequence[Performance]], None]",
    title: str,
    x: str,
) -> None:
    """Draw a panel for each model, below each other on one scale of x."""
    panels = figure.subplots(len(models), 1, squeeze=False)[:, 0]
    for axes, (model, own) in zip(panels, models.items(), strict=True):
        axes.set_title(model, fontsize=9, fontweight="normal")
        paint(axes, own)
    panels[-1].set_xlabel(x)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    legend_below(figure, list(panels), columns=3)


def _by_sharing(performances: Iterable[Performance]) -> Mapping[str, list[Performance]]:
    found: dict[str, list[Performance]] = defaultdict(list)
    for each in performances:
        replicas, threads = each.setting.get("replicas", 1), each.setting.get("threads", 1)
        found[f"{_counted(replicas, 'replica')} × {_counted(threads, 'thread')}"].append(each)  # noqa: RUF001
    return found


def _counted(number: float | str, one: str) -> str:
    return f"{number} {one}" if number == 1 else f"{number} {one}s"


def _throughput(axes: "Axes", place: int, alike: Sequence[Performance], shared: str) -> None:
    style = look(place)
    tried = [(int(each.setting.get("batch_size", 1)), bool(each.setting.get("by_length")), point(each))
             for each in sorted(alike, key=lambda each: int(each.setting.get("batch_size", 1)))]  # fmt: skip
    whole = [(size, by_length, own.rtfx) for size, by_length, own in tried if own.failure is None and own.rtfx]
    axes.plot([size for size, by_length, _ in whole if by_length], [rtfx for _, by_length, rtfx in whole if by_length],
              linestyle=line(place), linewidth=1.4, markersize=6, label=shared, **style)  # fmt: skip
    loose = [(size, rtfx) for size, by_length, rtfx in whole if not by_length]
    axes.plot([size for size, _ in loose], [rtfx for _, rtfx in loose], linestyle="", markersize=8,
              markerfacecolor="white", markeredgewidth=1.5, **style,
              label="hollow: not ordered by length" if loose and not place else None)  # fmt: skip
    failed = [size for size, _, own in tried if own.failure is not None]
    if failed:
        axes.plot(failed, [0.0] * len(failed), linestyle="", marker="x", color="#111111", markersize=8, clip_on=False,
                  label="failed")  # fmt: skip


def _rates(axes: "Axes", performances: Sequence[Performance], found: Served) -> None:
    waited = [(float(each.setting["rate_per_s"]), s) for each in performances for s in each.latencies_s if isfinite(s)]
    axes.scatter([rate for rate, _ in waited], [s for _, s in waited], s=10, alpha=0.4, linewidths=0, color=DIM,
                 zorder=1, label="each call")  # fmt: skip
    name = f"p{found.quantile * 100:.0f}"
    ordered = sorted(found.tried, key=lambda tried: tried[0])
    _quantile(axes, 0, "p50", [(rate, own.p50_s, kept) for rate, own, kept in ordered])
    _quantile(axes, 1, name, [(rate, own.p95_s, kept) for rate, own, kept in ordered])
    axes.axhline(found.bound_s, color="#111111", linewidth=1.2, linestyle="--", label=f"bound of {name}")
    if found.rate_per_s is not None:
        axes.axvline(found.rate_per_s, color="#111111", linewidth=1.2, linestyle=":", label="highest rate confirmed")
    if waited and max(s for _, s in waited) > WIDE_SPREAD * min(s for _, s in waited) > 0:
        logarithmic(axes.yaxis)
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)


def _quantile(axes: "Axes", place: int, name: str, tried: Sequence[tuple[float, float | None, bool]]) -> None:
    known = [(rate, value, kept) for rate, value, kept in tried if value is not None]
    axes.plot([rate for rate, _, _ in known], [value for _, value, _ in known], linewidth=1.2, linestyle=line(place),
              color=COLOURS[place], zorder=2)  # fmt: skip
    for kept in (True, False):
        own = [(rate, value) for rate, value, same in known if same == kept]
        if own:
            axes.plot([rate for rate, _ in own], [value for _, value in own], linestyle="", markersize=7, zorder=3,
                      markerfacecolor=COLOURS[place] if kept else "white",
                      label=f"{name}, bound {'kept' if kept else 'not kept'}", **look(place))  # fmt: skip


def _kept(model: str, found: Served) -> str:
    rate = "no rate" if found.rate_per_s is None else f"{found.rate_per_s:#.3g} requests per s"
    return f"{model}: p{found.quantile * 100:.0f} below {found.bound_s:#.3g} s at {rate}"


def _growth(axes: "Axes", growth: Growth) -> None:
    held = np.asarray(growth.resident_bytes, np.float64) / _MEBIBYTE
    turns = np.arange(1, len(held) + 1)
    axes.plot(turns, held, color=COLOURS[0], marker=".", markersize=4, linewidth=0.8, label="held [MiB]")
    slope = Slope.of(growth.resident_bytes)
    first = int(len(held) * WARM_UP)
    if slope and first:
        axes.axvspan(0.5, first + 0.5, color="#000000", alpha=0.07, linewidth=0)
    if slope:
        kept, middle, height = turns[first:], float(np.median(turns[first:])), float(np.median(held[first:]))
        rates = [each / _MEBIBYTE for each in (slope.bytes_per_turn, slope.low_bytes, slope.high_bytes)]
        fitted, low, high = (height + rate * (kept - middle) for rate in rates)
        axes.fill_between(kept, np.minimum(low, high), np.maximum(low, high), color=COLOURS[1], alpha=0.25, linewidth=0)
        unit = 1024
        per, least, most = (rate * unit for rate in rates)
        axes.plot(kept, fitted, color=COLOURS[1], linewidth=1.6, linestyle="--",
                  label=f"{per:+.3g} KiB a {_TURNS[growth.turn]} [{least:+.3g}, {most:+.3g}], "
                  f"{slope.level:.0%} bounds")  # fmt: skip
    axes.set(xlabel=f"{_TURNS[growth.turn]}s", ylabel="resident memory [MiB]", xlim=(0.5, len(held) + 0.5))
    axes.ticklabel_format(axis="y", useOffset=False)


def _by_model(performances: Iterable[Performance]) -> Mapping[str, list[Performance]]:
    models: dict[str, list[Performance]] = defaultdict(list)
    for each in performances:
        models[each.model].append(each)
    return dict(sorted(models.items()))

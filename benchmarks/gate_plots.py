"""The figures of docs/gates.md, in the style of the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from gate_report import RUNS, Comparisons, plans
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from modellab.gating.proof import Trial, by_metric, replay_family, rivals, scatter, tally
from modellab.gating.rules import SPEED_METRICS, Rules
from modellab.measuring.inject import Injection
from modellab.reporting.plots import draw_png
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding
from modellab.verdicts.rate import Rate
from modellab.verdicts.replay import replay

BLUE, RED, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
GREY = "#555555"
LOOKS = {Decision.PASS: (BLUE, "o"), Decision.REGRESSED: (RED, "X"), Decision.INCONCLUSIVE: (ORANGE, "D")}
_OURS = 2  # rows of the gate itself, the first ones
CURVE = np.linspace(0, 0.1, 21)


def draw_estimates(trials: Sequence[Trial], rules: Rules) -> bytes:
    """Draw what each comparison of identical code estimated, with its bounds, in order."""
    found = {metric: own for metric, own in by_metric(trials).items() if metric in SPEED_METRICS}

    def draw(figure: Figure) -> None:
        rows = figure.subplots(len(found), 1, sharex=True)
        for axes, (metric, findings) in zip(rows, found.items(), strict=True):
            _estimates(axes, findings)
            plan = plans(rules)[metric]
            for limit, style, name in ((plan.floor, ":", "floor"), (plan.interest, "--", "interest")):
                axes.axhline(100 * limit, color=GREY, linestyle=style, linewidth=1, label=name)
            axes.set_title(metric, fontsize=10)
            axes.set_ylabel("change [%]")
        rows[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        rows[-1].set_xlabel("comparison of identical code, in the order of measuring")
        handles = {label: handle for handle, label in zip(*rows[0].get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside lower left", fontsize=9, ncols=len(handles))

    return draw_png(draw, height=1.9 * len(found) + 0.7)


def _estimates(axes: Axes, findings: Sequence[Finding]) -> None:
    axes.axhline(0, color="#111111", linewidth=0.8)
    for decision, (colour, marker) in LOOKS.items():
        own = [(n, f) for n, f in enumerate(findings, start=1) if f.decision is decision and f.estimate is not None]
        if own:
            places, estimates = [n for n, _ in own], np.array([f.estimate for _, f in own])
            bounds = np.array([(f.low, f.high) for _, f in own]).T
            axes.errorbar(
                places,
                100 * estimates,
                yerr=100 * np.abs(bounds - estimates),
                fmt=marker,
                color=colour,
                markersize=4,
                elinewidth=0.9,
                label=f"{decision}, with 95 % bounds",
            )


def draw_power(comparisons: Comparisons, rules: Rules, live: Mapping[float, Rate]) -> bytes:
    """Draw how often a slower candidate is called so: in replays, by other tools, and where it was measured."""
    plan = plans(rules)["rtf"]
    good = np.array(scatter(comparisons, "rtf").good)
    count = len(plans(rules))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        alone = [replay(good, plan, slower=slower, runs=RUNS).regressed.share or 0 for slower in CURVE]
        among = [
            replay_family(good, plan, gates=count, alpha=rules.family_alpha, slower=slower, runs=RUNS).confirmed.share
            or 0
            for slower in CURVE
        ]
        others = [rivals(comparisons, slower=slower) for slower in CURVE]
        lines = (
            ("the gate alone (replay)", alone, BLUE, "-"),
            (f"the gate among {count} (replay)", among, GREEN, "--"),
            ("pytest-benchmark mean:5%, stored baseline", [o.stored.share or 0 for o in others], RED, "-."),
            ("asv, both arms of one comparison", [o.asv.share or 0 for o in others], ORANGE, ":"),
        )
        for name, shares, colour, style in lines:
            axes.plot(100 * CURVE, 100 * np.array(shares), color=colour, linestyle=style, linewidth=1.8, label=name)
        for slower, rate in live.items():
            low, high = rate.interval()
            middle = rate.share or 0.0
            axes.errorbar(
                100 * slower,
                100 * middle,
                yerr=[[100 * (middle - low)], [100 * (high - middle)]],
                fmt="s",
                color="#111111",
                capsize=3,
                label="the gate, measured (95 % bounds)" if slower == min(live) else None,
            )
        axes.set(
            xlabel="the candidate is slower by [%]",
            ylabel="comparisons that call it so [%]",
            title="What is seen of a slower candidate (rtf)",
            ylim=(-2, 102),
        )
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", fontsize=9, ncols=2)

    return draw_png(draw, height=5.2)


def draw_alarms(trials: Sequence[Trial], comparisons: Comparisons) -> bytes:
    """Draw the false alarms of the gate beside those of other rules, on identical code."""
    said, ours = rivals(comparisons, apart=1), tally(finding for trial in trials for finding in trial.findings)
    rtf = tally(by_metric(trials).get("rtf", ()))
    rows = {
        "the gate, all decisions": ours.regressed,
        "the gate, rtf": rtf.regressed,
        "asv, both arms of one comparison": said.asv,
        "asv, the next comparison": said.asv_stored,
        "pytest-benchmark mean:5%,\nboth arms of one comparison": said.beside,
        "pytest-benchmark mean:5%,\nstored, the next comparison": said.stored,
    }

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, rate in enumerate(rows.values()):
            low, high = rate.interval()
            share = rate.share or 0.0
            colour, hatch = (BLUE, None) if place < _OURS else (RED, "//")
            axes.barh(place, 100 * share, height=0.55, color=colour, hatch=hatch, edgecolor="white")
            axes.plot([100 * low, 100 * high], [place, place], color="#111111", linewidth=1.2, marker="|", markersize=8)
            axes.annotate(f"  {rate.hits} of {rate.of}", (100 * high, place), va="center", fontsize=9)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.invert_yaxis()
        axes.set(
            xlim=(0, 100),
            xlabel="comparisons of identical code that were called slower [%], with 95 % bounds",
            title="False alarms on the same blocks",
        )
        axes.grid(visible=False, axis="y")

    return draw_png(draw, height=3.6)


def write(
    folder: Path, trials: Sequence[Trial], comparisons: Comparisons, rules: Rules, slowed: Sequence[Trial]
) -> None:
    """Write all figures."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = sorted({trial.injected for trial in slowed})
    live = {
        Injection.read(kind).slow - 1: tally(
            f for trial in slowed if trial.injected == kind for f in trial.findings if f.gate.metric == "rtf"
        ).regressed
        for kind in kinds
    }
    (folder / "gate-aa.png").write_bytes(draw_estimates(trials, rules))
    (folder / "gate-power.png").write_bytes(draw_power(comparisons, rules, live))
    (folder / "gate-alarms.png").write_bytes(draw_alarms(trials, comparisons))

"""Plot: the estimates of gates over time, as PNG."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from modellab.gating.history import Entry
from modellab.reporting.picture import draw_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {"pass": "#009E73", "regressed": "#D55E00", "inconclusive": "#E69F00", "informs": "#56B4E9"}
_MARKERS = {"pass": "o", "regressed": "X", "inconclusive": "D", "informs": "v"}
_INCHES_A_GATE = 1.6


def plot_history(entries: Sequence[Entry]) -> bytes:
    """Draw each gate's estimates with their bounds in a row of its own, oldest first; above zero is worse.

    Raises:
        ReportToolMissing: without matplotlib.
    """
    gates: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.estimate is not None:
            gates[entry.gate].append(entry)

    def draw(figure: "Figure") -> None:
        rows = figure.subplots(max(1, len(gates)), 1, squeeze=False)
        for axes, (gate, own) in zip(rows[:, 0], gates.items(), strict=False):
            axes.axhline(0, color="#555555", linewidth=0.8)
            for place, entry in enumerate(own):
                estimate = 100 * (entry.estimate or 0.0)
                bounds = [[0.0], [0.0]]
                if entry.low is not None and entry.high is not None:
                    bounds = [[estimate - 100 * entry.low], [100 * entry.high - estimate]]
                axes.errorbar(
                    place,
                    estimate,
                    yerr=bounds,
                    fmt=_MARKERS.get(entry.decision, "s"),
                    color=_COLOURS.get(entry.decision, "#000000"),
                    capsize=3,
                )
            unit = "points" if gate.startswith(("drift", "quality")) else "%"
            axes.set_title(gate, fontsize=8)
            axes.set_ylabel(f"change [{unit}]", fontsize=8)
            axes.set_xticks(range(len(own)), [entry.candidate[:7] for entry in own], fontsize=7)

    return draw_png(draw, height=_INCHES_A_GATE * max(1, len(gates)) + 0.6)

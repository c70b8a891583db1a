"""Picture: one style for all that is drawn, on paper and in grey."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modellab.backends.spec import parse_spec
from modellab.errors import ReportToolMissing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

# Okabe and Ito's colours differ in lightness too, and each model has a marker of its own, so that both survive grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", "h")  # of another number, so that 70 models differ
LINES = ("-", "--", "-.", ":")
DIM = "#666666"
WIDE_SPREAD = 30  # times the least value: from here on a logarithmic axis shows more
GAP = 3  # pixels between two names

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "text.parse_math": False,
}
# Where a name may stand beside its point: points to the right and up, and which corner of it is there.
_BESIDE = ((8, 3, "left", "bottom"), (-8, 3, "right", "bottom"), (8, -3, "left", "top"), (-8, -3, "right", "top"),
           (9, 0, "left", "center"), (-9, 0, "right", "center"), (0, 9, "center", "bottom"), (0, -9, "center", "top"),
           (10, 16, "left", "bottom"), (10, -16, "left", "top"))  # fmt: skip


def look(place: int) -> Mapping[str, Any]:
    """Give the colour and the marker of the model at a place."""
    return {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}


def line(place: int) -> str:
    """Give how the line of the model at a place is dashed."""
    return LINES[place % len(LINES)]


def short_names(models: Iterable[str]) -> Mapping[str, str]:
    """Give each model's id cut down to the parts in which they differ; the checkpoint where there is one model.

    Raises:
        UnknownName: when one is no model id.
    """
    parts = {
        model: (spec.checkpoint, spec.backend, spec.device, spec.compute_type)
        for model in models
        for spec in [parse_spec(model)]
    }
    differing = [place for place in range(4) if len({own[place] for own in parts.values()}) > 1] or [0]
    return {model: " · ".join(own[place] for place in differing) for model, own in parts.items()}


def legend_below(figure: "Figure", axes: "Axes | Sequence[Axes]", columns: int = 1) -> None:
    """Put the legend of some axes below all of them, each label once."""
    every = [axes] if not isinstance(axes, Sequence) else axes
    entries = {label: handle for own in every for handle, label in zip(*own.get_legend_handles_labels(), strict=True)}
    figure.legend(entries.values(), entries.keys(), loc="outside lower left", fontsize=9, ncols=columns)


def logarithmic(axis: "XAxis | YAxis") -> None:
    """Make an axis logarithmic, its ticks plain numbers."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_formatter(NullFormatter())


def name_points(figure: "Figure", axes: "Axes", points: Sequence[tuple[float, float, str]]) -> None:
    """Write each name beside its point, given as (x, y, name), where no other name or point is; the legend has all."""
    from matplotlib.patheffects import withStroke

    figure.draw_without_rendering()  # which settles where everything is
    inside, halo = axes.get_window_extent(), [withStroke(linewidth=3, foreground="white")]
    taken = [_around(*axes.transData.transform((x, y))) for x, y, _ in points]
    for x, y, name in points:
        for right, up, ha, va in _BESIDE:
            text = axes.annotate(
                name.replace(" · ", "\n", 1), (x, y), (right, up), textcoords="offset points", ha=ha, va=va, fontsize=8,
                multialignment=ha, linespacing=1.05, in_layout=False, path_effects=halo,
            )  # fmt: skip
            box = text.get_window_extent().padded(GAP)
            if _within(box, inside) and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def draw_png(draw: Callable[["Figure"], None], *, height: float) -> bytes:
    """Give what is drawn as a PNG in the house's style, 8.2 inches wide and `height` inches high.

    Raises:
        ReportToolMissing: without matplotlib.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ReportToolMissing(f"plots need matplotlib: pip install 'modellab[report]' ({error})") from error
    target = io.BytesIO()
    with rc_context(_STYLE):
        figure = Figure(figsize=(8.2, height), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        figure.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()


def _around(x: float, y: float) -> "Bbox":
    from matplotlib.transforms import Bbox

    return Bbox.from_bounds(x - 7, y - 7, 14, 14)


def _within(box: "Bbox", frame: "Bbox") -> bool:
    return bool(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1)

"""Plot: one utterance as it was heard while it was spoken, as PNG."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modellab.records.scenario import Partial, Stream
from modellab.reporting.picture import COLOURS, DIM, draw_png, legend_below
from modellab.scoring.unit import joined, units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 40
_LETTERS = 64  # of a text fit beside the timeline
_FONT_POINTS = 7.0
_LETTER_POINTS = 4.2  # how wide each letter of this font is: seven pixels of 120 an inch
_ROW_INCHES = 0.23


def plot_stream(stream: Stream) -> bytes:
    """Draw a row for each partial: how much audio it had heard, when it was there, and its words.

    Words that will not change any more are dark and upright, the others light and slanted. Where there are more than
    40 partials, evenly many are left out.

    Raises:
        ReportToolMissing: without matplotlib.
    """
    rows = _rows(stream.partials)

    def draw(figure: "Figure") -> None:
        lanes, texts = figure.subplots(1, 2, sharey=True, width_ratios=(4, 5))
        _lanes(lanes, stream, rows)
        _texts(texts, stream, rows)
        legend_below(figure, lanes, columns=3)
        left_out = f"; {len(rows)} of {len(stream.partials)} partials" if len(rows) < len(stream.partials) else ""
        figure.suptitle(
            f"{stream.utterance} by {stream.model}, {stream.method}{left_out}",
            x=0.01, ha="left", fontsize=10, fontweight="bold",
        )  # fmt: skip

    return draw_png(draw, height=1.6 + _ROW_INCHES * (len(rows) + 1))


def _rows(partials: Sequence[Partial]) -> tuple[Partial, ...]:
    """Give at most so many partials, the first and the last among them."""
    if len(partials) <= MOST_ROWS:
        return tuple(partials)
    return tuple(partials[round(place * (len(partials) - 1) / (MOST_ROWS - 1))] for place in range(MOST_ROWS))


def _lanes(axes: "Axes", stream: Stream, rows: Sequence[Partial]) -> None:
    axes.barh(0, stream.audio_duration_s, height=0.7, color="#9a9a9a")
    axes.text(stream.audio_duration_s / 2, 0, "audio", ha="center", va="center", fontsize=8, color="black")
    for row, partial in enumerate(rows, start=1):
        axes.barh(row, partial.heard_s, height=0.5, color="#d9e6f2", edgecolor="#b4c8da", linewidth=0.5)
        axes.plot([partial.heard_s, partial.at_s], [row, row], color=COLOURS[0], linewidth=1.1)
    for where, marker, label in ((rows[:-1], "o", "partial"), (rows[-1:], "D", "final")):
        places = range(1, len(rows)) if marker == "o" else [len(rows)]
        axes.scatter([each.at_s for each in where], list(places), s=22, marker=marker, color=COLOURS[0], zorder=3,
                     label=label)  # fmt: skip
    axes.axvline(stream.audio_duration_s, color="#111111", linewidth=1.1, linestyle="--", label="end of the audio")
    axes.set_ylim(len(rows) + 0.6, -0.6)
    axes.set_xlim(0, max([stream.audio_duration_s, *(each.at_s for each in rows)]) * 1.06)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("time since the start of the audio [s]")


def _texts(axes: "Axes", stream: Stream, rows: Sequence[Partial]) -> None:
    axes.set_axis_off()
    _write(axes, 0, "agreed on;", "may change still")
    for row, partial in enumerate(rows, start=1):
        agreed, rest = _cut(partial, stream.language)
        _write(axes, row, agreed, rest, f"{partial.at_s:.2f} s")


def _cut(partial: Partial, language: str) -> tuple[str, str]:
    """Give the words agreed on and the others, without what does not fit before them."""
    written = units(partial.text, language)
    agreed, rest = (joined(part, language) for part in (written[: partial.agreed], written[partial.agreed :]))
    room = _LETTERS - len(rest)
    if room >= len(agreed):
        return agreed, rest
    if room > 1:
        return _end(agreed, room), rest
    return "", _end(rest, _LETTERS)


def _end(text: str, letters: int) -> str:
    """Give the end of a text that fits into so many letters, from the start of a word where there are spaces."""
    end = text[1 - letters :] if len(text) >= letters else text
    return f"…{end.partition(' ')[2] or end}"


def _write(axes: "Axes", row: int, agreed: str, rest: str, when: str = "") -> None:
    parts: tuple[tuple[int, str, dict[str, Any]], ...] = (
        (0, f"{when:>8}", {"color": DIM}),
        (9, agreed, {"color": "#000000"}),
        (9 + len(agreed) + bool(agreed), rest, {"color": "#767676", "style": "italic"}),
    )
    for letters, text, look in parts:
        axes.annotate(
            text, (0, row), (letters * _LETTER_POINTS, 0), textcoords="offset points", fontfamily="DejaVu Sans Mono",
            fontsize=_FONT_POINTS, va="center", annotation_clip=False, in_layout=False, **look,
        )  # fmt: skip

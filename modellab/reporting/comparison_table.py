"""The terminal's view of a comparison: a table of differences, and the utterances behind them."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from modellab.reporting.compare import Comparison
from modellab.reporting.figure import NOT_MEASURED, percent
from modellab.scoring.difference import Difference

_POINTS = 100


def print_comparison(comparisons: Sequence[Comparison], alone: Sequence[str], console: Console, *, most: int) -> None:
    """Print what changed between two runs, and up to `most` changed utterances of each model and corpus."""
    table = Table("model", "corpus", "compared", "changed", "before", "after", "change in points", box=None)
    for one in comparisons:
        gap = one.difference
        table.add_row(
            Text(one.model),
            Text(one.corpus),
            f"{one.compared}",
            f"{len(one.changed)}",
            percent(gap.before if gap else None),
            percent(gap.after if gap else None),
            change(gap),
        )
    console.print(table)
    for one in comparisons:
        for line in _utterances(one, most):
            console.print(Text(line))
    for name in alone:
        console.print(Text(f"In one run only: {name}"))


def change(gap: Difference | None) -> str:
    """Write a difference in points with its interval, and whether that leaves out no change at all."""
    if gap is None:
        return NOT_MEASURED
    if gap.low is None or gap.high is None:
        return f"{gap.change * _POINTS:+.2f} (one {gap.unit}: no interval)"
    bounds = f"{gap.low * _POINTS:+.2f} to {gap.high * _POINTS:+.2f}"
    sure = "" if gap.settled else ", still open"
    return f"{gap.change * _POINTS:+.2f}\n{gap.level:.0%}: {bounds}\n{gap.clusters} {gap.unit}s{sure}"


def _utterances(one: Comparison, most: int) -> Iterator[str]:
    lost = one.only_before + one.only_after
    if not (one.changed or lost):
        return
    yield f"\n{one.model} on {one.corpus}"
    if lost:
        yield f"  not compared: {one.only_before} heard before only, {one.only_after} after only"
    for changed in one.changed[:most]:
        yield f"  {changed.utterance}: {changed.errors_before} errors, then {changed.errors_after}"
        yield f"    said    {changed.reference}"
        yield f"    before  {changed.before}"
        yield f"    after   {changed.after}"
    if len(one.changed) > most:
        yield f"  and {len(one.changed) - most} more (--most {len(one.changed)} shows all)"

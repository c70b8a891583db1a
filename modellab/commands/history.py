"""modellab history: the estimates of each gate over time, as a table and a plot."""

import argparse
from pathlib import Path

from rich.table import Table
from rich.text import Text

from modellab.commands.console import console

SHOWN = 30


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    history = commands.add_parser("history", help="show and draw the estimates of each gate over time")
    history.add_argument("--gates", type=Path, default=Path("gates"), metavar="DIR", help="where gates keep evidence")
    history.add_argument("--gate", default="*", metavar="GLOB", help="the gates to show, such as 'rtf of *'")
    history.add_argument("--plot", type=Path, metavar="PNG", help="draw them here")
    history.add_argument("--csv", type=Path, metavar="FILE", help="write them here, a row a gate and comparison")
    history.set_defaults(run=_history)


def _history(options: argparse.Namespace) -> None:
    from fnmatch import fnmatchcase

    from modellab.gating.history import FILE, as_csv, read_history

    entries = [each for each in read_history(options.gates / FILE) if fnmatchcase(each.gate, options.gate)]
    table = Table("at", "gate", "decision", "change", "evidence", box=None)
    table.columns[1].overflow = "fold"
    for each in entries[-SHOWN:]:
        change = "" if each.estimate is None else f"{100 * each.estimate:+.2f}"
        table.add_row(each.at, Text(each.gate), each.decision, change, f"{each.count} {each.counted}s")
    console().print(table)
    if len(entries) > SHOWN:
        console().print(f"and {len(entries) - SHOWN} earlier")
    if options.plot:
        from modellab.gating.plots import plot_history

        options.plot.write_bytes(plot_history(entries))
        print(f"plot: {options.plot}")
    if options.csv:
        options.csv.write_text(as_csv(entries), encoding="utf-8")
        print(f"csv: {options.csv}")

"""modellab query: ask the records of all runs, in SQL."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from modellab.commands.console import console
from modellab.errors import BadQuery

if TYPE_CHECKING:
    from modellab.records.query import Answer

RUNS = Path("runs")
ROWS_SHOWN = 50


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    query = commands.add_parser(
        "query",
        help="ask the records of all runs, in SQL",
        description="Ask the records of all runs, in SQL, and change nothing. What can be asked: --schema. Error rates "
        "are no part of records: `modellab report` and `modellab rescore` work them out.",
    )
    query.add_argument("statement", nargs="?", metavar="SQL", help="one SELECT; - reads it from standard input")
    query.add_argument("--runs", type=Path, default=RUNS, metavar="FOLDER", help=f"where the runs are ({RUNS})")
    query.add_argument("--limit", type=_count, metavar="N", help=f"rows to print (table: {ROWS_SHOWN}; else all)")
    form = query.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object a row")
    form.add_argument("--csv", action="store_true", help="print comma-separated values")
    form.add_argument("--schema", action="store_true", help="print what can be asked: views and their columns")
    query.set_defaults(run=_query)


def _count(written: str) -> int:
    count = int(written)
    if count < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return count


def _query(options: argparse.Namespace) -> None:
    from modellab.records.query import ask

    if options.schema:
        _print_schema()
        return
    if options.statement is None:
        raise BadQuery("what is asked? Name a SELECT, or --schema for what there is")
    statement = sys.stdin.read() if options.statement == "-" else options.statement
    shown = None if options.json or options.csv else ROWS_SHOWN
    answer = ask(options.runs, statement, limit=options.limit or shown)
    if options.json:
        _print_json(answer)
    elif options.csv:
        _print_csv(answer)
    else:
        _print_table(answer)
    for note in _notes(answer):
        print(note, file=sys.stderr)


def _print_table(answer: "Answer") -> None:
    table = Table(box=None)
    for column in answer.columns:
        table.add_column(Text(column), overflow="fold")
    for row in answer.rows:
        table.add_row(*(Text("NULL", style="dim") if value is None else Text(str(value)) for value in row))
    console().print(table)


def _print_json(answer: "Answer") -> None:
    for row in answer.rows:
        print(_json(dict(zip(answer.columns, row, strict=True))))


def _print_csv(answer: "Answer") -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    for row in answer.rows:
        writer.writerow([_json(value) if isinstance(value, list | dict) else value for value in row])


def _json(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)


def _notes(answer: "Answer") -> Sequence[str]:
    notes = [f"{answer.more} more rows: --limit prints more of them"] if answer.more else []
    if answer.passed_over:
        notes.append(f"{answer.passed_over} lines hold no fact, as one that a crash cut short, and were passed over")
    return [*notes, *(f"not in the view runs: {reason}" for reason in answer.unread)]


def _print_schema() -> None:
    from modellab.records.view import VIEWS

    for view in VIEWS:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
        for column in view.columns:
            table.add_row(Text(column.name), Text(column.type), Text(column.meaning))
        console().print(Text(f"{view.name}: {view.row}", style="bold"), table, "")

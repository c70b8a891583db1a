"""Query: SQL over the records of many runs, read where they lie. Nothing is written and nothing else is read."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from glob import escape
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from pydantic_core import to_json

from modellab.errors import BadQuery, BadRecord, QueryTimeout
from modellab.records.environment import usable_cores
from modellab.records.run import Run
from modellab.records.store import Store
from modellab.records.view import LINE, VIEWS, View

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_LIMIT = "1GiB"
_ROWS_AT_ONCE = 1000
_RUNS_AT_ONCE = 500
_DEAF_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a statement gave: `more` rows than these were left out.

    `passed_over` counts lines that hold no fact, as those that a crash cut short; `unread` says which runs have no
    row in `runs`, and why.
    """

    columns: tuple[str, ...]
    rows: Iterable[tuple[object, ...]]
    more: int
    passed_over: int
    unread: tuple[str, ...]


def ask(
    runs: Path,
    statement: str,
    *,
    limit: int | None = None,
    timeout_s: float | None = None,
    only: Collection[str] | None = None,
) -> Answer:
    """Give what one SELECT over the runs of a folder gives, of its rows no more than `limit`.

    `only` names the runs that are asked about, by their folders; None means all: each costs the opening of a file.

    The statement sees the views of VIEWS and nothing else: it is a query in brackets, which can change nothing, in a
    database in memory that opens no file but the runs' records. Where there is a `timeout_s`, the answer is whole by
    then or there is none; without a `limit` its rows are read as they are gone through, for which nothing is bounded.

    Raises:
        QueryTimeout: when it takes longer than `timeout_s`.
        BadQuery: when there are no runs, DuckDB is not installed or refuses the statement, or it needs more memory
            than MEMORY_LIMIT.
    """
    stores = _stores(runs, only)
    database = _open(stores)
    with _within(database, timeout_s) as late, _named():
        unread = tuple(_describe(database, stores, late))
        _shut(database, stores)
        query = f"FROM ({_single(statement)}\n)"
        (passed_over,) = _row(database, "SELECT count(*) FROM lines WHERE kind IS NULL")
        cursor = database.execute(query)
        columns = tuple(column[0] for column in cursor.description or ())
        if limit is None:
            return Answer(columns=columns, rows=_all(cursor), more=0, passed_over=passed_over, unread=unread)
        rows = tuple(cursor.fetchmany(limit))
        count = _row(database, f"SELECT count(*) FROM ({query})")[0] if len(rows) == limit else len(rows)  # noqa: S608
    return Answer(columns=columns, rows=rows, more=count - len(rows), passed_over=passed_over, unread=unread)


def _stores(runs: Path, only: Collection[str] | None) -> list[Store]:
    """Give the runs of a folder by name; links, as `latest`, name a run once more and are passed over."""
    folders = sorted(path for path in runs.glob("*/") if path.is_dir() and not path.is_symlink())
    folders = [folder for folder in folders if only is None or folder.name in only]
    stores = [Store(folder.resolve()) for folder in folders]
    found = [store for store in stores if store.run_path.is_file() or store.records_path.is_file()]
    if not found:
        raise BadQuery(f"{runs} holds no runs: name the folder that they are in with --runs")
    return found


def _open(stores: Sequence[Store]) -> "DuckDBPyConnection":
    """Give a database in memory with every line of the runs in the view `lines`, and the views made of it."""
    try:
        import duckdb
    except ImportError as error:
        raise BadQuery("SQL over runs needs DuckDB: pip install 'modellab[query]'") from error
    with _named():
        database = duckdb.connect(
            ":memory:", config={"memory_limit": MEMORY_LIMIT, "threads": usable_cores(), "temp_directory": ""}
        )
        database.execute(_lines([store.records_path for store in stores if store.records_path.is_file()]))
        for view in VIEWS[:-1]:
            chosen = ", ".join(f'{column.source} AS "{column.name}"' for column in view.columns)
            database.execute(f"CREATE VIEW {view.name} AS SELECT {chosen} FROM ({_rows_of(view)})")  # noqa: S608
    return database


def _rows_of(view: View) -> str:
    """Give the statement for the lines that a view's rows are made of, each with one item of the list it names."""
    unnested = f", unnest({view.each}) AS item, generate_subscripts({view.each}, 1) AS place" if view.each else ""
    return f"SELECT *{unnested} FROM lines WHERE kind = '{view.kind}'"  # noqa: S608


def _lines(paths: Sequence[Path]) -> str:
    """Give the statement that makes `lines`; DuckDB gives a line that it cannot read as one of nothing but NULL."""
    if not paths:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in LINE.items())
        return f"CREATE TABLE lines (run VARCHAR, {columns})"
    columns = ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in LINE.items())
    files = ", ".join(_text(escape(str(path))) for path in paths)
    return (
        "CREATE VIEW lines AS SELECT parse_filename(parse_dirpath(filename)) AS run, * EXCLUDE filename FROM read_json("  # noqa: S608
        f"[{files}], format = 'newline_delimited', ignore_errors = true, filename = true, columns = {{{columns}}})"
    )


def _describe(database: "DuckDBPyConnection", stores: Sequence[Store], late: Event) -> Iterator[str]:
    """Make the table of runs; say of which there is no row, and why. Where it is late, the rest is left out."""
    columns = VIEWS[-1].columns
    database.execute(f"CREATE TABLE runs ({', '.join(f'{column.name} {column.type}' for column in columns)})")
    structure = json.dumps([{column.name: column.type for column in columns}])
    for start in range(0, len(stores), _RUNS_AT_ONCE):
        described: list[Mapping[str, object]] = []
        for store in stores[start : start + _RUNS_AT_ONCE]:
            if late.is_set():
                return
            try:
                described.append(_facts(store.folder.name, store.run()))
            except BadRecord as error:
                yield str(error)
        facts = to_json(described).decode()
        database.execute(
            "INSERT INTO runs SELECT unnest(run) FROM (SELECT unnest(from_json(?::JSON, ?)) AS run)", [facts, structure]
        )


def _facts(folder: str, run: Run) -> Mapping[str, object]:
    own = {field.name: getattr(run.environment, field.name) for field in fields(run.environment)}
    about = {"run": folder, "id": run.id, "created_at": run.created_at, "sessions": len(run.sessions)}
    return {**own, **about, "outcome": "partial" if run.partial else "complete"}


@contextmanager
def _within(database: "DuckDBPyConnection", timeout_s: float | None) -> Iterator[Event]:
    """Interrupt a database after so many seconds, over and over, since it is deaf between two statements.

    Raises:
        QueryTimeout: in place of what the body raises then.
    """
    late, done = Event(), Event()

    def interrupt() -> None:
        if not done.wait(timeout_s):
            late.set()
        while not done.wait(_DEAF_S):
            database.interrupt()

    watch = Thread(target=interrupt, name="query", daemon=True)
    if timeout_s is not None:
        watch.start()
    try:
        yield late
    except BadQuery as error:
        if not late.is_set():
            raise
        raise QueryTimeout(f"it took longer than {timeout_s:g} s: ask for less, or with `modellab query`") from error
    finally:
        done.set()
        if timeout_s is not None:
            watch.join()


def _shut(database: "DuckDBPyConnection", stores: Iterable[Store]) -> None:
    """Let nothing be opened from here on but the records, and no setting be changed."""
    paths = [str(store.records_path) for store in stores]
    files = ", ".join(map(_text, {*paths, *map(escape, paths)}))
    database.execute(f"SET allowed_paths = [{files}]")
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")


def _single(statement: str) -> str:
    """Give a statement without what ends it, if it is one and a query."""
    from duckdb import StatementType, extract_statements

    found = extract_statements(statement)
    if len(found) != 1 or found[0].type != StatementType.SELECT:
        raise BadQuery(
            "one statement that only reads is allowed: SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW"
        )
    return found[0].query.rstrip().rstrip(";")


def _row(database: "DuckDBPyConnection", statement: str) -> tuple[int, ...]:
    row = database.execute(statement).fetchone()
    assert row is not None, "a count has a row"
    return row


def _all(cursor: "DuckDBPyConnection") -> Iterator[tuple[object, ...]]:
    with _named():
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield from rows


@contextmanager
def _named() -> Iterator[None]:
    """Raise what DuckDB says as an error of ours."""
    from duckdb import Error

    try:
        yield
    except Error as error:
        raise BadQuery(str(error)) from error


def _text(text: str) -> str:
    """Write a text for SQL."""
    return "'" + text.replace("'", "''") + "'"

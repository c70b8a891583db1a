"""Query: SQL over the records of many runs, read where they lie. Nothing is written and nothing else is read."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from modellab.errors import BadQuery, BadRecord
from modellab.records.environment import usable_cores
from modellab.records.run import Run
from modellab.records.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_LIMIT = "1GiB"
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a view has for each of its rows; `source` is where a line of the records has it."""

    name: str
    type: str
    meaning: str
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What can be asked: a name after `from`, what one row is, and its columns. `kind` is that of its facts.

    Where `each` names a list, one item of it is a row: `item`, at `place` counted from 1.
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    kind: str = ""
    each: str = ""


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


_WORDS = 'STRUCT("text" VARCHAR, start_s DOUBLE, end_s DOUBLE)[]'
_SEGMENTS = f'STRUCT("text" VARCHAR, start_s DOUBLE, end_s DOUBLE, words {_WORDS})[]'
_FAILURE = "STRUCT(stage VARCHAR, kind VARCHAR, message VARCHAR)"
_CALLS = (
    "STRUCT(utterances VARCHAR[], audio_duration_s DOUBLE, due_s DOUBLE, issued_s DOUBLE, begun_s DOUBLE, "
    f"ended_s DOUBLE, seconds DOUBLE, caller INTEGER, worker INTEGER, texts VARCHAR[], failure {_FAILURE})[]"
)
_FOOTPRINTS = "STRUCT(loaded_bytes BIGINT, peak_bytes BIGINT, ended_bytes BIGINT, gpu_bytes BIGINT)[]"
_PARTIALS = 'STRUCT(at_s DOUBLE, heard_s DOUBLE, "text" VARCHAR, agreed INTEGER)[]'
_DEVICE = (
    'STRUCT("name" VARCHAR, kind VARCHAR, hardware VARCHAR, memory_bytes BIGINT, capability VARCHAR, uuid VARCHAR)'
)
_DEVICES = (
    f"STRUCT(device {_DEVICE}, driver VARCHAR, clock_mhz INTEGER, clock_limit_mhz INTEGER, memory_clock_mhz INTEGER, "
    "memory_clock_limit_mhz INTEGER, power_limit_w DOUBLE, persistence BOOLEAN, governor VARCHAR)[]"
)

# What a line may hold, of any kind of fact. The types are fixed: what few lines or odd ones hold changes none.
_LINE: Mapping[str, str] = {
    "kind": "VARCHAR",
    "schema": "INTEGER",
    "model": "VARCHAR",
    "session": "INTEGER",
    "failure": _FAILURE,
    "corpus": "VARCHAR",
    "utterance": "VARCHAR",
    "audio_duration_s": "DOUBLE",
    "reference": "VARCHAR",
    "lane": "VARCHAR",
    "language": "VARCHAR",
    "speaker": "VARCHAR",
    "transcript": f'STRUCT("text" VARCHAR, segments {_SEGMENTS}, "language" VARCHAR)',
    "transcribe_s": "DOUBLE[]",
    "batch_size": "INTEGER",
    "reference_words": _WORDS,
    "facts": "MAP(VARCHAR, VARCHAR)",
    "variation": "VARCHAR",
    "cached": "BOOLEAN",
    "process_s": "DOUBLE",
    "import_s": "DOUBLE",
    "load_s": "DOUBLE",
    "first_call_s": "DOUBLE",
    "total_s": "DOUBLE",
    "steady_call_s": "DOUBLE",
    "cached_share": "DOUBLE",
    "peak_memory_bytes": "BIGINT",
    "replicas": "INTEGER",
    "threads": "INTEGER",
    "trials": "STRUCT(replicas INTEGER, threads INTEGER, audio_s DOUBLE, work_s DOUBLE)[]",
    "scenario": "VARCHAR",
    "setting": "MAP(VARCHAR, VARCHAR)",
    "calls": _CALLS,
    "took_s": "DOUBLE",
    "cpu_s": "DOUBLE",
    "memory": _FOOTPRINTS,
    "energy_j": "DOUBLE",
    "energy_of": "VARCHAR",
    "method": "VARCHAR",
    "step_s": "DOUBLE",
    "partials": _PARTIALS,
    "turn": "VARCHAR",
    "resident_bytes": "BIGINT[]",
    "loaded_bytes": "BIGINT",
    "unloaded_bytes": "BIGINT",
}


def _written(name: str, meaning: str) -> Column:
    return Column(name=name, type=_LINE[name], meaning=meaning, source=f'"{name}"')


def _of_item(name: str, type: str, meaning: str) -> Column:  # noqa: A002
    return Column(name=name, type=type, meaning=meaning, source=f'item."{name}"')


_RUN = Column(name="run", type="VARCHAR", meaning="the run's folder under runs/", source="run")
_MODEL = _written("model", "backend:checkpoint:device:precision")
_SESSION = _written("session", "which call of pytest in the run, from 1")
_FAILED = _written("failure", "stage, kind and message; NULL where it did not fail")
_SCHEMA = _written("schema", "the version of the line's form")
_CORPUS = _written("corpus", "the corpus's name")
_PERFORMED = (
    _RUN,
    _MODEL,
    _CORPUS,
    _SESSION,
    _written("scenario", "single-stream, concurrent, offline or server"),
    _written("setting", "what was chosen, as texts: setting['replicas']"),
)

VIEWS: tuple[View, ...] = (
    View(
        name="records",
        kind="utterance",
        row="one model and one utterance, as written down; of several of one utterance the last counts in a report",
        columns=(
            _RUN,
            _MODEL,
            _CORPUS,
            _written("utterance", "the utterance's id in the corpus"),
            _written("lane", "accuracy, timing or variation"),
            Column(
                name="variation",
                type="VARCHAR",
                meaning="what was done in another way; '' in the other lanes",
                source="coalesce(variation, '')",
            ),
            _SESSION,
            _written("language", "of the utterance, '' where unknown"),
            _written("speaker", "NULL where unknown"),
            _written("audio_duration_s", "seconds of audio"),
            _written("reference", "what was said; '' where nobody speaks"),
            Column(
                name="hypothesis",
                type="VARCHAR",
                meaning="what the model wrote; NULL where it failed",
                source='transcript."text"',
            ),
            Column(
                name="segments",
                type=_SEGMENTS,
                meaning="what it wrote by stretches, with times and words",
                source="transcript.segments",
            ),
            Column(
                name="heard_language",
                type="VARCHAR",
                meaning="what the model was told or detected",
                source='transcript."language"',
            ),
            _written("transcribe_s", "seconds of work, one figure a round"),
            _written("batch_size", "how many utterances shared these seconds"),
            Column(
                name="cached",
                type="BOOLEAN",
                meaning="written by an equal model in an earlier run",
                source="coalesce(cached, false)",
            ),
            _FAILED,
            _written("reference_words", "the reference's words with their times"),
            _written("facts", "what else the corpus says: facts['name']"),
            _SCHEMA,
        ),
    ),
    View(
        name="cold_starts",
        kind="cold_start",
        row="one start of a model in a fresh process",
        columns=(
            _RUN,
            _MODEL,
            _SESSION,
            _written("process_s", "seconds from the start of the process to its first own line"),
            _written("import_s", "seconds to import the runtime"),
            _written("load_s", "seconds to read the weights"),
            _written("first_call_s", "seconds for the first utterance"),
            _written("total_s", "seconds from the start of the process to its first transcript"),
            _written("steady_call_s", "seconds for the same utterance once warm"),
            _written("cached_share", "share of the weights that lay in the page cache before"),
            _written("peak_memory_bytes", "the most memory it held"),
            _FAILED,
            _SCHEMA,
        ),
    ),
    View(
        name="arrangements",
        kind="arrangement",
        row="how many replicas of a model heard a corpus, and with how many threads each",
        columns=(
            _RUN,
            _MODEL,
            _CORPUS,
            _SESSION,
            _written("replicas", "how many heard it side by side"),
            _written("threads", "of each replica"),
            _written("trials", "what was tried on the way: seconds of audio, and of work on them"),
            _SCHEMA,
        ),
    ),
    View(
        name="performances",
        kind="performance",
        row="one scenario under one setting, played once",
        columns=(
            *_PERFORMED,
            _written("took_s", "seconds from the first call's being due to the last answer"),
            Column(name="calls", type="BIGINT", meaning="how many there were; see calls", source="len(calls)"),
            Column(
                name="answered",
                type="BIGINT",
                meaning="how many of them have an answer",
                source="len([call for call in calls if call.failure is null])",
            ),
            Column(
                name="answered_audio_s",
                type="DOUBLE",
                meaning="seconds of audio in these",
                source="list_sum([call.audio_duration_s for call in calls if call.failure is null])",
            ),
            _written("cpu_s", "processor seconds of all workers; NULL where not known"),
            _written("memory", "of each worker: loaded, at its peak, at the end"),
            _written("energy_j", "joules that the machine's meters counted; NULL where there are none"),
            _written("energy_of", "what these meters are of"),
            _FAILED,
            _SCHEMA,
        ),
    ),
    View(
        name="calls",
        kind="performance",
        each="calls",
        row="one request of a performance; times are seconds from the performance's start",
        columns=(
            *_PERFORMED,
            Column(name="place", type="BIGINT", meaning="which call of its performance, from 1", source="place"),
            _of_item("utterances", "VARCHAR[]", "what was asked for"),
            _of_item("audio_duration_s", "DOUBLE", "seconds of audio in all of them"),
            _of_item("due_s", "DOUBLE", "when the schedule has it"),
            _of_item("issued_s", "DOUBLE", "when the generator sent it"),
            _of_item("begun_s", "DOUBLE", "when a worker took it"),
            _of_item("ended_s", "DOUBLE", "when its answer, or its failure, was there"),
            _of_item("seconds", "DOUBLE", "how long it took by the worker's clock; NULL where it failed"),
            Column(
                name="latency_s",
                type="DOUBLE",
                meaning="from when it was due to its answer",
                source="item.ended_s - item.due_s",
            ),
            Column(
                name="late_s",
                type="DOUBLE",
                meaning="by which the generator missed the schedule",
                source="item.issued_s - item.due_s",
            ),
            Column(
                name="harness_s",
                type="DOUBLE",
                meaning="from when a worker took it to its answer, less the worker's own time",
                source="item.ended_s - item.begun_s - item.seconds",
            ),
            _of_item("caller", "INTEGER", "who asked, from 0"),
            _of_item("worker", "INTEGER", "who answered, from 0"),
            _of_item("texts", "VARCHAR[]", "what was written"),
            _of_item("failure", _FAILURE, "stage, kind and message; NULL where it did not fail"),
        ),
    ),
    View(
        name="streams",
        kind="stream",
        row="one utterance that came as fast as it was spoken",
        columns=(
            _RUN,
            _MODEL,
            _CORPUS,
            _written("utterance", "the utterance's id in the corpus"),
            _SESSION,
            _written("language", "of the utterance, '' where unknown"),
            _written("speaker", "NULL where unknown"),
            _written("audio_duration_s", "seconds of audio"),
            _written("reference", "what was said"),
            _written("method", "native or local-agreement-2"),
            _written("step_s", "the least audio between two partials, in seconds"),
            _written("partials", "what was shown, oldest first; partials[-1] is final"),
            _FAILED,
            _written("facts", "what else the corpus says: facts['name']"),
            _SCHEMA,
        ),
    ),
    View(
        name="growths",
        kind="growth",
        row="the memory of one process after each of many equal turns, in bytes",
        columns=(
            _RUN,
            _MODEL,
            _SESSION,
            _written("turn", "what was done over and over: transcribe or reload"),
            _written("resident_bytes", "what it held after each turn"),
            _written("loaded_bytes", "before the first"),
            _written("unloaded_bytes", "after the model was closed; NULL where it was not"),
            _FAILED,
            _SCHEMA,
        ),
    ),
    View(
        name="runs",
        row="one run: where and with what it was made",
        columns=(
            _RUN,
            Column(name="id", type="VARCHAR", meaning="as it stands in run.json and in reports"),
            Column(name="created_at", type="VARCHAR", meaning="ISO 8601 in UTC"),
            Column(name="outcome", type="VARCHAR", meaning="complete, or partial where something planned was not done"),
            Column(name="sessions", type="INTEGER", meaning="how many calls of pytest"),
            Column(name="python", type="VARCHAR", meaning="the interpreter's version"),
            Column(name="platform", type="VARCHAR", meaning="the operating system"),
            Column(name="machine", type="VARCHAR", meaning="the processor's architecture"),
            Column(name="processor", type="VARCHAR", meaning="the processor's name"),
            Column(name="cores", type="INTEGER", meaning="cores it might use"),
            Column(name="memory_bytes", type="BIGINT", meaning="memory of the machine"),
            Column(name="packages", type="MAP(VARCHAR, VARCHAR)", meaning="versions: packages['numpy']"),
            Column(name="git_commit", type="VARCHAR", meaning="NULL outside a checkout"),
            Column(name="git_dirty", type="BOOLEAN", meaning="whether the checkout was changed"),
            Column(name="devices", type=_DEVICES, meaning="what models ran on, and how it was set"),
            Column(name="unreadable", type="MAP(VARCHAR, VARCHAR)", meaning="sensors that were not read, and why"),
        ),
    ),
)


def ask(runs: Path, statement: str, *, limit: int | None = None) -> Answer:
    """Give what one SELECT over the runs of a folder gives, of its rows no more than `limit`.

    The statement sees the views of VIEWS and nothing else: it is a query in brackets, which can change nothing, in a
    database in memory that opens no file but the runs' records.

    Raises:
        BadQuery: when there are no runs, DuckDB is not installed or refuses the statement, or it needs more memory
            than MEMORY_LIMIT.
    """
    stores = _stores(runs)
    database = _open(stores)
    unread = tuple(_describe(database, stores))
    with _named():
        _shut(database, stores)
        query = f"FROM ({_single(statement)}\n)"
        (passed_over,) = _row(database, "SELECT count(*) FROM lines WHERE kind IS NULL")
        cursor = database.cursor().execute(query)
        columns = tuple(column[0] for column in cursor.description or ())
        if limit is None:
            return Answer(columns=columns, rows=_all(cursor), more=0, passed_over=passed_over, unread=unread)
        rows = tuple(cursor.fetchmany(limit))
        count = _row(database, f"SELECT count(*) FROM ({query})")[0] if len(rows) == limit else len(rows)  # noqa: S608
    return Answer(columns=columns, rows=rows, more=count - len(rows), passed_over=passed_over, unread=unread)


def _stores(runs: Path) -> list[Store]:
    """Give the runs of a folder by name; links, as `latest`, name a run once more and are passed over."""
    folders = sorted(path for path in runs.glob("*/") if path.is_dir() and not path.is_symlink())
    stores = [Store(folder.resolve()) for folder in folders]
    found = [store for store in stores if store.run_path.exists() or store.records_path.exists()]
    if not found:
        raise BadQuery(f"{runs} holds no runs: name the folder that they are in with --runs")
    return found


def _open(stores: Sequence[Store]) -> "DuckDBPyConnection":
    """Give a database in memory with every line of the runs in the view `lines`, and the views made of it."""
    try:
        import duckdb  # noqa: PLC0415
    except ImportError as error:
        raise BadQuery("SQL over runs needs DuckDB: pip install 'modellab[query]'") from error
    with _named():
        database = duckdb.connect(
            ":memory:", config={"memory_limit": MEMORY_LIMIT, "threads": usable_cores(), "temp_directory": ""}
        )
        database.execute(_lines([store.records_path for store in stores if store.records_path.exists()]))
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
        columns = ", ".join(f'"{name}" {kind}' for name, kind in _LINE.items())
        return f"CREATE TABLE lines (run VARCHAR, {columns})"
    columns = ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in _LINE.items())
    files = ", ".join(_text(escape(str(path))) for path in paths)
    return (
        "CREATE VIEW lines AS SELECT parse_filename(parse_dirpath(filename)) AS run, * EXCLUDE filename FROM read_json("  # noqa: S608
        f"[{files}], format = 'newline_delimited', ignore_errors = true, filename = true, columns = {{{columns}}})"
    )


def _describe(database: "DuckDBPyConnection", stores: Iterable[Store]) -> Iterator[str]:
    """Make the table of runs; say of which there is no row, and why."""
    columns = VIEWS[-1].columns
    with _named():
        database.execute(f"CREATE TABLE runs ({', '.join(f'{column.name} {column.type}' for column in columns)})")
    structure = json.dumps({column.name: column.type for column in columns})
    for store in stores:
        try:
            facts = json.dumps(_facts(store.folder.name, store.run()))
        except BadRecord as error:
            yield str(error)
            continue
        with _named():
            database.execute("INSERT INTO runs SELECT unnest(from_json(?::JSON, ?))", [facts, structure])


def _facts(folder: str, run: Run) -> Mapping[str, object]:
    about = {"run": folder, "id": run.id, "created_at": run.created_at, "sessions": len(run.sessions)}
    environment = asdict(run.environment)
    return {**environment, **about, "outcome": "partial" if run.partial else "complete"}


def _shut(database: "DuckDBPyConnection", stores: Iterable[Store]) -> None:
    """Let nothing be opened from here on but the records, and no setting be changed."""
    paths = [str(store.records_path) for store in stores]
    files = ", ".join(map(_text, {*paths, *map(escape, paths)}))
    database.execute(f"SET allowed_paths = [{files}]")
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")


def _single(statement: str) -> str:
    """Give a statement without what ends it, if it is one and a query."""
    from duckdb import StatementType, extract_statements  # noqa: PLC0415

    found = extract_statements(statement)
    if len(found) != 1 or found[0].type != StatementType.SELECT:
        raise BadQuery(
            "one statement that only reads is allowed: SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW"
        )
    return found[0].query.rstrip().rstrip(";")


def _row(database: "DuckDBPyConnection", statement: str) -> tuple[int, ...]:
    row = database.cursor().execute(statement).fetchone()
    assert row is not None, "a count has a row"
    return row


def _all(cursor: "DuckDBPyConnection") -> Iterator[tuple[object, ...]]:
    with _named():
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield from rows


@contextmanager
def _named() -> Iterator[None]:
    """Raise what DuckDB says as an error of ours."""
    from duckdb import Error  # noqa: PLC0415

    try:
        yield
    except Error as error:
        raise BadQuery(str(error)) from error


def _text(text: str) -> str:
    """Write a text for SQL."""
    return "'" + text.replace("'", "''") + "'"

"""Index: the runs in the database, so that a page of 10,000 costs no more than a page of ten."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    Row,
    Select,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy import Index as SqlIndex

from modellab.server.database import METADATA, Database
from modellab.server.library.cursor import read_cursor, write_cursor
from modellab.server.library.entry import Entry, State
from modellab.server.library.labels import Labels

Sort = Literal[
    "created_at", "-created_at", "utterances", "-utterances", "records_bytes", "-records_bytes",
    "size_bytes", "-size_bytes",
]  # fmt: skip

_AT_ONCE = 500
_runs = Table(
    "runs",
    METADATA,
    Column("id", String(26), primary_key=True),
    Column("folder", Text, nullable=False, unique=True),
    Column("created_at", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("utterances", BigInteger, nullable=False),
    Column("records_bytes", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("label", Text, nullable=False),
    Column("models", JSON, nullable=False),
    Column("corpora", JSON, nullable=False),
    Column("languages", JSON, nullable=False),
    Column("signature", Text, nullable=False),
    Column("text", Text, nullable=False),
)
_words = Table(
    "run_words",
    METADATA,
    Column("kind", String(16), primary_key=True),
    Column("word", Text, primary_key=True),
    Column("run", String(26), primary_key=True, index=True),
)
_revision = Table("runs_revision", METADATA, Column("revision", Integer, nullable=False))

_ORDERS = tuple(sort for sort in get_args(Sort) if not sort.startswith("-"))
for _order in _ORDERS:
    SqlIndex(f"runs_by_{_order}", _runs.c[_order], _runs.c.id)

_Text = Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")]
_Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_TEXTS: TypeAdapter[tuple[str, str]] = TypeAdapter(tuple[_Text, _Text])
_NUMBERS: TypeAdapter[tuple[int, str]] = TypeAdapter(tuple[_Whole, _Text])


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs: those of which everything that is not None is true; `words` stand in a name, an id or a label."""

    model: str | None = None
    corpus: str | None = None
    tag: str | None = None
    state: State | None = None
    pinned: bool | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the `total` runs that were wanted, in their order; `next` is the cursor of those after them."""

    entries: tuple[Entry, ...]
    total: int
    next: str | None


class Index:
    """The table of the runs. It holds nothing that is not in their folders. Any thread may use it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, wanted: Wanted, sort: Sort, cursor: str | None, limit: int) -> Page:
        """Give the runs after a cursor. Those that come or go meanwhile are not told twice, nor hide others.

        Raises:
            Refused: when the cursor is none of this order.
            DatabaseUnavailable: when the database cannot be asked.
        """
        order = sort.removeprefix("-")
        column, falling = _runs.c[order], sort.startswith("-")
        chosen = _chosen(wanted)
        asked = chosen.order_by(*(each.desc() if falling else each.asc() for each in (column, _runs.c.id)))
        if cursor is not None:
            here, there = tuple_(column, _runs.c.id), tuple_(*_place(cursor, sort))
            asked = asked.where(here < there if falling else here > there)
        with self._database.reading() as connection:
            total = connection.scalar(select(func.count()).select_from(chosen.subquery())) or 0
            rows = connection.execute(asked.limit(limit + 1)).all()
        shown = rows[:limit]
        last = shown[-1] if len(rows) > limit else None
        return Page(
            entries=tuple(map(_entry, shown)),
            total=total,
            next=write_cursor(sort, (getattr(last, order), last.id)) if last else None,
        )

    def find(self, run: str) -> Entry | None:
        """Give the run of an id; None where there is none."""
        with self._database.reading() as connection:
            row = connection.execute(select(_runs).where(_runs.c.id == run)).one_or_none()
        return _entry(row) if row else None

    def known(self) -> Mapping[str, tuple[str, str]]:
        """Give the id and the signature of every run, by its folder."""
        with self._database.reading() as connection:
            rows = connection.execute(select(_runs.c.folder, _runs.c.id, _runs.c.signature))
            return {row.folder: (row.id, row.signature) for row in rows}

    def revision(self) -> int:
        """Give a number that is another after every change."""
        with self._database.reading() as connection:
            return connection.scalar(select(_revision.c.revision)) or 0

    def change(self, gone: Collection[str], entries: Sequence[Entry]) -> None:
        """Take folders out, and put entries in, in place of what there was of their folders and ids; all or nothing."""
        if not gone and not entries:
            return
        with self._database.writing() as connection:
            _remove(connection, _runs.c.folder, (*gone, *(entry.folder for entry in entries)))
            _remove(connection, _runs.c.id, tuple(entry.id for entry in entries))
            if entries:
                connection.execute(insert(_runs), [_row(entry) for entry in entries])
                words = [word for entry in entries for word in _words_of(entry)]
                if words:
                    connection.execute(insert(_words), words)
            if not connection.execute(update(_revision).values(revision=_revision.c.revision + 1)).rowcount:
                connection.execute(insert(_revision).values(revision=1))


def _place(cursor: str, sort: Sort) -> tuple[str, str] | tuple[int, str]:
    if sort.endswith("created_at"):
        return read_cursor(cursor, sort, _TEXTS)
    return read_cursor(cursor, sort, _NUMBERS)


def _chosen(wanted: Wanted) -> Select[Any]:
    chosen = select(_runs)
    for kind in ("model", "corpus", "tag"):
        word = getattr(wanted, kind)
        if word is not None:
            named = select(_words.c.run).where(_words.c.kind == kind, _words.c.word == word)
            chosen = chosen.where(_runs.c.id.in_(named))
    if wanted.state is not None:
        chosen = chosen.where(_runs.c.state == wanted.state)
    if wanted.pinned is not None:
        chosen = chosen.where(_runs.c.pinned == wanted.pinned)
    if wanted.words:
        chosen = chosen.where(_runs.c.text.contains(wanted.words.lower(), autoescape=True))
    return chosen


def _remove(connection: Connection, column: "Column[Any]", values: Sequence[str]) -> None:
    for start in range(0, len(values), _AT_ONCE):
        some = column.in_(values[start : start + _AT_ONCE])
        connection.execute(delete(_words).where(_words.c.run.in_(select(_runs.c.id).where(some))))
        connection.execute(delete(_runs).where(some))


def _row(entry: Entry) -> Mapping[str, Any]:
    own = {name: getattr(entry, name) for name in _runs.c.keys() if hasattr(entry, name)}  # noqa: SIM118 - of columns
    labels = {"pinned": entry.labels.pinned, "tags": entry.labels.tags, "label": entry.labels.label}
    told = (entry.folder, entry.id, *entry.models, *entry.corpora, *entry.labels.tags, entry.labels.label)
    return {**own, **labels, "text": "\n".join(told).lower()}


def _words_of(entry: Entry) -> Iterator[Mapping[str, str]]:
    kinds: Mapping[str, Iterable[str]] = {"model": entry.models, "corpus": entry.corpora, "tag": entry.labels.tags}
    for kind, words in kinds.items():
        yield from ({"kind": kind, "word": word, "run": entry.id} for word in words)


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        id=row.id,
        folder=row.folder,
        created_at=row.created_at,
        state=row.state,
        models=tuple(row.models),
        corpora=tuple(row.corpora),
        languages=tuple(row.languages),
        utterances=row.utterances,
        records_bytes=row.records_bytes,
        size_bytes=row.size_bytes,
        labels=Labels(pinned=row.pinned, tags=tuple(row.tags), label=row.label),
        signature=row.signature,
    )

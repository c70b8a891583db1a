"""Database: what the server remembers beside the runs. SQLite in a file, or PostgreSQL by URL."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, create_engine, event, func, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from modellab.errors import DatabaseUnavailable
from modellab.write_ahead import write_ahead

METADATA = MetaData()
SCHEMA = 1
BUSY_S = 5.0
_LOCK = 0x6D6C6162  # any number that nobody else takes

_schema = Table("schema_version", METADATA, Column("version", Integer, primary_key=True))


class Database:
    """A database whose tables are those of METADATA. All methods may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """Open a database and make what tables are missing.

        Every module that keeps a table is to be imported before.

        Raises:
            DatabaseUnavailable: when it cannot be reached, or is of a later version than this one knows.
        """
        database = cls(_engine(url))
        try:
            database._make_tables()
        except BaseException:
            database.close()
            raise
        return database

    def _make_tables(self) -> None:
        with self.writing() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))  # another server may be at it, too
            METADATA.create_all(connection)
            version = connection.scalar(select(_schema.c.version))
            if version is None:
                connection.execute(insert(_schema).values(version=SCHEMA))
            elif version > SCHEMA:
                raise DatabaseUnavailable(
                    f"{self} is of version {version}, this server knows {SCHEMA}: upgrade modellab"
                )

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database; None of another."""
        url = self.engine.url
        return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database, and changes nothing.

        Raises:
            DatabaseUnavailable: when it cannot be reached, or others hold it for longer than BUSY_S.
        """
        with self._naming(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection whose changes are kept together, or not at all where the body raises.

        Two bodies never write at once in SQLite. Raises what `reading` raises.
        """
        with self._naming(), self.engine.connect() as connection:
            writer = connection.execution_options(modellab_writes=True)
            with writer.begin():
                yield writer

    def close(self) -> None:
        """Close its connections; the next question opens new ones."""
        self.engine.dispose()

    def __str__(self) -> str:
        return f"the database {self.engine.url.render_as_string(hide_password=True)}"

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, PoolTimeout) as error:
            raise DatabaseUnavailable(f"{self} cannot be used: {_words(error)}") from error
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            raise DatabaseUnavailable(f"{self} cannot be used: {_words(error)}") from error


def _words(error: Exception) -> str:
    return str(error.orig if isinstance(error, DBAPIError) else error).strip().partition("\n")[0]


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, pool_timeout=BUSY_S)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_S}, pool_timeout=BUSY_S)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    """Let readers go on while one writes, keep what is committed through a crash, and begin when we say so."""
    connection.isolation_level = None
    write_ahead(connection, BUSY_S)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Take the lock before the first change: a reader that becomes a writer could not wait for it."""
    writes = connection.get_execution_options().get("modellab_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

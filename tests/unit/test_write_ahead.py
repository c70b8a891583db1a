"""Write-ahead: processes that open a new database at once wait for one another."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from modellab.server.database import Database
from modellab.write_ahead import write_ahead


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a new database is to be."""
    return tmp_path / "new.db"


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """Another process that makes it, and does not write ahead."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield database


def test_a_writer_is_waited_for(path: Path, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the other has ended, the database writes ahead."""
    monkeypatch.setattr("modellab.write_ahead.time.sleep", lambda _: other.execute("COMMIT"))
    with closing(sqlite3.connect(path, timeout=0)) as database:
        write_ahead(database, 60)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert not other.in_transaction


def test_a_server_waits_for_another_that_starts(
    path: Path, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is started together with another does not fail for that."""
    monkeypatch.setattr("modellab.write_ahead.time.sleep", lambda _: other.execute("COMMIT"))
    with closing(Database.open(f"sqlite:///{path}")) as database, database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_one_that_never_ends_is_waited_for_no_longer_than_is_said(
    path: Path, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After that time it is SQLite's own error; what is no database is one at once."""
    paused: list[float] = []
    monkeypatch.setattr("modellab.write_ahead.time.sleep", paused.append)
    with closing(sqlite3.connect(path, timeout=0)) as database, pytest.raises(sqlite3.OperationalError, match="locked"):
        write_ahead(database, 1.0)
    assert 0.9 <= sum(paused) <= 1.0
    assert other.in_transaction
    path.with_name("words").write_text("no database " * 100)
    with (
        closing(sqlite3.connect(path.with_name("words"))) as database,
        pytest.raises(sqlite3.DatabaseError, match="not a"),
    ):
        write_ahead(database, 1.0)
    assert sum(paused) <= 1.0

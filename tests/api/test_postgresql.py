"""The server on PostgreSQL: a real one, for these tests alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text
from sqlalchemy.exc import IntegrityError

from modellab.errors import DatabaseUnavailable
from modellab.server.app import create_app
from modellab.server.database import Database

ADDED = Table("added", MetaData(), Column("number", Integer, primary_key=True))


@pytest.fixture
def database(postgresql: str) -> Iterator[Database]:
    """Give the database, opened, and emptied afterwards."""
    opened = Database.open(postgresql)
    yield opened
    with opened.writing() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    opened.close()


def test_tables_are_made_once(database: Database, postgresql: str) -> None:
    """Opening it again finds what is there, and changes nothing."""
    again = Database.open(postgresql)
    with again.reading() as connection:
        assert connection.scalar(text("SELECT count(*) FROM schema_version")) == 1
    again.close()


def test_a_later_version_is_refused(database: Database, postgresql: str) -> None:
    """A database that a later server wrote is left alone."""
    with database.writing() as connection:
        connection.execute(text("UPDATE schema_version SET version = 99"))
    with pytest.raises(DatabaseUnavailable, match="upgrade modellab"):
        Database.open(postgresql)


def test_what_fails_is_taken_back(database: Database) -> None:
    """Rows of a body that raises are not kept, and those of one that does not are."""
    ADDED.metadata.create_all(database.engine)
    with pytest.raises(IntegrityError), database.writing() as connection:
        connection.execute(insert(ADDED), [{"number": 1}, {"number": 1}])
    with database.writing() as connection:
        connection.execute(insert(ADDED).values(number=2))
    with database.reading() as connection:
        assert list(connection.scalars(select(ADDED.c.number))) == [2]


def test_a_server_that_is_gone(tmp_path: Path) -> None:
    """A database that nobody serves is one that cannot be used, without its password in the reason."""
    url = f"postgresql+psycopg://me:hidden@/postgres?host={tmp_path}"
    with pytest.raises(DatabaseUnavailable) as caught:
        Database.open(url)
    assert "hidden" not in str(caught.value)


def test_two_servers_open_an_empty_one_at_once(database: Database, postgresql: str) -> None:
    """Both find their tables."""
    with database.writing() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    with ThreadPoolExecutor(2) as threads:
        for opened in threads.map(Database.open, [postgresql, postgresql]):
            opened.close()


def test_the_whole_server(database: Database, postgresql: str, settings: Any, tmp_path: Path) -> None:
    """Runs are listed, keys are asked for and jobs are queued, as on SQLite."""
    (tmp_path / "runs").mkdir(exist_ok=True)
    app = create_app(settings(database_url=SecretStr(postgresql)))
    with TestClient(app, base_url="http://localhost") as client:
        assert client.get("/api/runs").json()["runs"] == []
        sent = {"models": ["toy"], "backends": ["fake"], "corpora": ["silence"]}
        placed = client.post("/api/evaluations", json=sent, headers={"Idempotency-Key": "one"})
        again = client.post("/api/evaluations", json=sent, headers={"Idempotency-Key": "one"})
        assert (placed.status_code, again.json()["id"]) == (202, placed.json()["id"])
        client.post(f"/api/evaluations/{placed.json()['id']}/cancel")
        _, plain = app.state.service.keys.create("me", ("read",), datetime(2100, 1, 1, tzinfo=UTC))
        assert client.get("/api/runs").status_code == 401
        assert client.get("/api/runs", headers={"Authorization": f"Bearer {plain}"}).status_code == 200
        assert client.get("/health/ready").json()["checks"]["database"]["ok"] is True

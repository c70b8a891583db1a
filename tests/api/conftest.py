"""A server in this process, over a small bench in a folder of its own."""

from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from minute import Minute
from patience import PATIENCE_S
from small_bench import write_bench
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from modellab.server.app import create_app
from modellab.server.database import Database
from modellab.server.readiness import Readiness
from modellab.server.settings import ServerSettings

HOST = "http://localhost"

Settings = Callable[..., ServerSettings]


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """Give the lines that are logged, as their facts; nothing is printed, which is slow where a traceback is drawn."""
    with capture_logs(processors=[merge_contextvars]) as lines:
        yield lines


@pytest.fixture(autouse=True)
def _patient_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check takes as long as a slow machine needs: a test that is about its time says so."""
    monkeypatch.setitem(Readiness.__init__.__kwdefaults__, "timeout_s", PATIENCE_S)


@pytest.fixture(autouse=True)
def _databases_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the databases that a test opened: not every server in it is started, and so ended."""
    opened: list[Database] = []
    open_one = Database.open

    def open_and_note(url: str) -> Database:
        opened.append(open_one(url))
        return opened[-1]

    monkeypatch.setattr(Database, "open", open_and_note)
    yield
    for database in opened:
        database.close()


@pytest.fixture
def minute(monkeypatch: pytest.MonkeyPatch) -> Minute:
    """Give the time by which requests are counted, which stands until it is moved."""
    return Minute.counted_by(monkeypatch)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Give settings of a server in a folder of its own; what is named is set otherwise."""
    monkeypatch.chdir(tmp_path)

    def make(**changed: Any) -> ServerSettings:
        fixtures = changed.pop("fixtures", None) or write_bench(tmp_path)
        (tmp_path / "runs").mkdir(exist_ok=True)
        places = {"runs": tmp_path / "runs", "data": tmp_path / "data", "cache_dir": tmp_path / "cache"}
        return ServerSettings(_env_file=None, fixtures=fixtures, **(places | changed))

    return make


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> ServerSettings:
    """Give settings of a server that all tests of a file share and leave as it was, asked as often as need be."""
    folder = tmp_path_factory.mktemp("lasting")
    return ServerSettings(
        _env_file=None,
        fixtures=write_bench(folder),
        benchmarks=folder / "benchmarks",
        runs=folder / "runs",
        data=folder / "data",
        cache_dir=folder / "cache",
        rate={"per_minute": 100_000},
    )


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """Give an application as it is by default."""
    return create_app(settings())


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Give a client of a started application; what a route raises unforeseen is an answer, as over a socket."""
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield client

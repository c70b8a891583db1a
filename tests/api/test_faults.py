"""A server on a machine that fails it: a full disk, a database that others hold, an end without warning."""

import resource
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx2
import psutil
import pytest
from patience import PATIENCE_S, until
from small_bench import write_bench
from test_speech_api import MODEL, wav

from modellab.server.process import ServerProcess

ORDER = {"models": ["toy"], "backends": ["fake"], "corpora": ["silence"]}
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Give a server that a test may harm, as long as it is whole again afterwards."""
    folder = tmp_path_factory.mktemp("faults")
    settings = {"FIXTURES": str(write_bench(folder)), "POOL__REPLICAS": "1", "RATE__PER_MINUTE": "10000"}
    with ServerProcess(folder=folder / "server", settings=settings) as process:
        yield process


def client_of(server: ServerProcess) -> httpx2.Client:
    """Give a client."""
    return httpx2.Client(base_url=server.url, timeout=PATIENCE_S)


def processes(server: ServerProcess) -> list[psutil.Process]:
    """Give the processes that a server began, but for those of an evaluation, which goes on without it."""
    begun = psutil.Process(server.pid).children()
    own = [child for child in begun if "pytest" not in words(child)]
    return [*own, *(each for child in own for each in child.children(recursive=True))]


def words(process: psutil.Process) -> list[str]:
    """Give how a process was called; nothing where it has ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def alive(process: psutil.Process) -> bool:
    """Say whether a process has not ended yet, waited for or not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def transcribe(client: httpx2.Client, duration_s: float = 1.0) -> Any:
    """Ask for a transcription."""
    files = {"file": ("a.wav", wav(duration_s))}
    return client.post("/v1/audio/transcriptions", data={"model": MODEL}, files=files)


@contextmanager
def no_file_beyond(process: psutil.Process, size_bytes: int) -> Iterator[None]:
    """Let no file of a process grow beyond a size, as long as the context lasts."""
    whole = process.rlimit(resource.RLIMIT_FSIZE)
    process.rlimit(resource.RLIMIT_FSIZE, (size_bytes, whole[1]))
    try:
        yield
    finally:
        process.rlimit(resource.RLIMIT_FSIZE, whole)


@pytest.mark.skipif(sys.platform != "linux", reason="the bound of another process can be set on Linux alone")
def test_a_full_disk(server: ServerProcess) -> None:
    """Where no file can grow a request is a 507, nothing of it stays, and the server works once there is room."""
    with client_of(server) as client:
        assert transcribe(client).status_code == 200
        with no_file_beyond(psutil.Process(server.pid), 100_000):
            for duration_s in (20.0, 60.0):  # a form beyond 1 MiB is put on the disk as it comes
                answer = transcribe(client, duration_s)
                assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
            assert client.get("/health").status_code == 200
        assert transcribe(client, 20.0).status_code == 200
    assert not list((server.folder / "data" / "uploads").glob("*"))


def test_a_database_that_others_hold(server: ServerProcess) -> None:
    """What needs to write is a 503 that says when to come again; what does not goes on, and all does afterwards."""
    with client_of(server) as client:
        assert transcribe(client).status_code == 200
        with closing(sqlite3.connect(server.folder / "data" / "server.sqlite3", timeout=PATIENCE_S)) as other:
            other.execute("BEGIN EXCLUSIVE")
            answer = client.post("/api/evaluations", json=ORDER)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.headers["Content-Type"] == PROBLEM
            assert client.get("/api/runs").status_code == 200
            assert transcribe(client).status_code == 200
        assert client.post("/api/evaluations", json=ORDER).status_code == 202


def test_an_end_without_warning(server: ServerProcess) -> None:
    """A server that is killed leaves no process behind, and one that is started anew knows its jobs."""
    with client_of(server) as client:
        assert transcribe(client).status_code == 200
        job = client.post("/api/evaluations", json=ORDER).json()["id"]
    ours = processes(server)
    assert ours
    server.kill()
    until(lambda: not any(map(alive, ours)))
    server.start()
    with client_of(server) as client:
        assert client.get(f"/api/evaluations/{job}").json()["id"] == job
        assert transcribe(client).status_code == 200
        client.post(f"/api/evaluations/{job}/cancel")

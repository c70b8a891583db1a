"""A server on a machine that fails it: a full disk, a database that others hold, an end without warning."""

import resource
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from small_bench import write_bench
from test_speech_api import MODEL, wav

from modellab.machine.clock import MONOTONIC
from modellab.server.process import ServerProcess

ORDER = {"models": ["toy"], "backends": ["fake"], "corpora": ["silence"]}
PROBLEM = "application/problem+json"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Give a server that a test may harm."""
    settings = {"FIXTURES": str(write_bench(tmp_path)), "POOL__REPLICAS": "1", "RATE__PER_MINUTE": "10000"}
    with ServerProcess(folder=tmp_path / "server", settings=settings) as process:
        yield process


def client_of(server: ServerProcess) -> httpx2.Client:
    """Give a client."""
    return httpx2.Client(base_url=server.url, timeout=60)


def transcribe(client: httpx2.Client, duration_s: float = 1.0) -> Any:
    """Ask for a transcription."""
    files = {"file": ("a.wav", wav(duration_s))}
    return client.post("/v1/audio/transcriptions", data={"model": MODEL}, files=files)


@pytest.mark.skipif(sys.platform != "linux", reason="the bound of another process can be set on Linux alone")
def test_a_full_disk(server: ServerProcess) -> None:
    """Where no file can grow a request is a 507, nothing of it stays, and the server works once there is room."""
    with client_of(server) as client:
        assert transcribe(client).status_code == 200
        process = psutil.Process(server.pid)
        whole = process.rlimit(resource.RLIMIT_FSIZE)
        process.rlimit(resource.RLIMIT_FSIZE, (100_000, whole[1]))
        for duration_s in (20.0, 60.0):  # a form beyond 1 MiB is put on the disk as it comes
            answer = transcribe(client, duration_s)
            assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
        assert client.get("/health").status_code == 200
        process.rlimit(resource.RLIMIT_FSIZE, whole)
        assert transcribe(client, 20.0).status_code == 200
    assert not list((server.folder / "data" / "uploads").glob("*"))


def test_a_database_that_others_hold(server: ServerProcess) -> None:
    """What needs to write is a 503 that says when to come again; what does not goes on, and all does afterwards."""
    with client_of(server) as client:
        assert transcribe(client).status_code == 200
        other = sqlite3.connect(server.folder / "data" / "server.sqlite3")
        other.execute("BEGIN EXCLUSIVE")
        answer = client.post("/api/evaluations", json=ORDER)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.headers["Content-Type"] == PROBLEM
        assert client.get("/api/runs").status_code == 200
        assert transcribe(client).status_code == 200
        other.rollback()
        other.close()
        assert client.post("/api/evaluations", json=ORDER).status_code == 202


def test_an_end_without_warning(server: ServerProcess) -> None:
    """A server that is killed leaves no process behind, and one that is started anew knows its jobs."""
    with client_of(server) as client:
        assert transcribe(client).status_code == 200
        job = client.post("/api/evaluations", json=ORDER).json()["id"]
    children = psutil.Process(server.pid).children(recursive=True)
    assert children
    server.kill()
    deadline_s = MONOTONIC() + 20
    ours = [child for child in children if "pytest" not in " ".join(_words(child))]
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in ours):
        assert MONOTONIC() < deadline_s, "a process was left"
        time.sleep(0.05)
    server.start()
    with client_of(server) as client:
        assert client.get(f"/api/evaluations/{job}").json()["id"] == job
        assert transcribe(client).status_code == 200
        client.post(f"/api/evaluations/{job}/cancel")


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []

"""Health: alive whatever else is wrong, and ready only where nothing is."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from patience import PATIENCE_S, until

from modellab.server.app import create_app
from modellab.server.readiness import CACHED_S, Readiness, memory_free

HOST = "http://localhost"
NAMES = {"database", "runs", "data", "disk", "memory", "models"}


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Give the time in seconds."""
        return self.now_s


@pytest.fixture
def app(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """Give an application on a machine that has room, whatever else runs on it."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8 << 30, total=16 << 30))
    app = create_app(settings(min_free_bytes=1))
    app.state.service.readiness.add("memory", memory_free(tmp_path))
    return app


@pytest.fixture
def clock(app: FastAPI) -> Clock:
    """Give the clock by which a finding holds."""
    clock = Clock()
    app.state.service.readiness._clock = clock
    return clock


def reasons(client: TestClient) -> dict[str, str | None]:
    """Give what is wrong, and see that the answer is as it should be for that."""
    answer = client.get("/health/ready")
    body = answer.json()
    found = {name: check["reason"] for name, check in body["checks"].items() if not check["ok"]}
    assert answer.status_code == (503 if found else 200)
    assert body["status"] == ("not ready" if found else "ready")
    assert ("Retry-After" in answer.headers) is bool(found)
    return found


@pytest.mark.parametrize("path", ["/health", "/api/health"])
def test_alive(client: TestClient, path: str) -> None:
    """The server says that it lives, of which version it is, and which models it holds."""
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": "0.1.0", "models": []}


def test_models_that_are_held(app: FastAPI, client: TestClient) -> None:
    """A model that is held shows up with its state."""
    with app.state.service.listeners.pool.lease("fake:toy:cpu:float32"):
        assert client.get("/health").json()["models"] == [{"id": "fake:toy:cpu:float32", "state": "leased"}]
    assert client.get("/health").json()["models"] == [{"id": "fake:toy:cpu:float32", "state": "idle"}]


def test_ready(client: TestClient) -> None:
    """Where nothing is wrong every check says so."""
    answer = client.get("/health/ready").json()
    assert set(answer["checks"]) >= NAMES
    assert reasons(client) == {}


@pytest.mark.parametrize("path", ["/health", "/api/health", "/health/ready", "/metrics"])
def test_probes_need_no_key(app: FastAPI, client: TestClient, path: str) -> None:
    """Whoever looks after the server needs none, though there are keys; and nothing but GET is answered."""
    app.state.service.keys.create("a", ["read"])
    assert client.get(path).status_code == 200
    assert client.post(path).status_code == 405


def test_the_database_is_gone(app: FastAPI, client: TestClient, clock: Clock, tmp_path: Path) -> None:
    """A file that was taken away, or cannot be opened, is told of; and it is ready again once it is back."""
    until(lambda: app.state.service.library.complete)
    assert reasons(client) == {}
    file = tmp_path / "data" / "server.sqlite3"
    file.rename(tmp_path / "away")
    clock.now_s += CACHED_S
    assert set(reasons(client)) == {"database"}
    file.mkdir()
    app.state.service.database.close()
    clock.now_s += CACHED_S
    assert "cannot be used" in str(reasons(client)["database"])
    assert client.get("/health").status_code == 200
    file.rmdir()
    (tmp_path / "away").rename(file)
    clock.now_s += CACHED_S
    assert reasons(client) == {}


@contextmanager
def nobody() -> Iterator[None]:
    """Be somebody for whom permissions hold, where the tests are run by root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_the_runs_cannot_be_written(app: FastAPI, client: TestClient, tmp_path: Path) -> None:
    """A folder that is for reading only is told of, without where it is."""
    runs = tmp_path / "runs"
    runs.chmod(0o555)
    with nobody():
        found = reasons(client)
    runs.chmod(0o755)
    assert "runs" in found
    assert "Permission denied" in str(found["runs"])
    assert str(tmp_path) not in str(found)


def test_the_runs_are_no_folder(client: TestClient, tmp_path: Path) -> None:
    """A file where the folder of the runs should be is told of."""
    (tmp_path / "runs").rmdir()
    (tmp_path / "runs").write_text("")
    assert "cannot be written to" in str(reasons(client)["runs"])


def test_the_runs_are_gone_for_a_while(client: TestClient, tmp_path: Path, clock: Clock) -> None:
    """A folder that vanishes is told of until it is back: nobody makes an empty one where a disk belongs."""
    (tmp_path / "runs").rename(tmp_path / "away")
    assert "No such file or directory" in str(reasons(client)["runs"])
    clock.now_s += CACHED_S
    assert set(reasons(client)) == {"runs"}
    assert not (tmp_path / "runs").exists()
    (tmp_path / "away").rename(tmp_path / "runs")
    clock.now_s += CACHED_S
    assert reasons(client) == {}


def test_the_disk_is_nearly_full(settings: Any) -> None:
    """Below the floor of the settings the server is not ready, and says how much is left."""
    app = create_app(settings(min_free_bytes=1 << 62))
    with TestClient(app, base_url=HOST) as client:
        found = reasons(client)
    assert "disk" in found
    assert "MiB of the disk are free" in str(found["disk"])


def test_memory_is_nearly_gone(app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without memory takes no model."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1 << 20, total=1 << 30))
    assert "the machine's" in str(reasons(client)["memory"])


def test_memory_of_a_control_group(tmp_path: Path) -> None:
    """What a container may use counts, not what its machine has; the pages of files do not."""
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "proc/self/mountinfo").write_text("30 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    (group / "memory.max").write_text(f"{1 << 30}\n")
    (group / "memory.current").write_text(f"{(1 << 30) - (1 << 20)}\n")
    assert "the control group's" in str(memory_free(tmp_path)())
    (group / "memory.stat").write_text(f"anon 5\ninactive_file {1 << 28}\nactive_file {1 << 28}\n")
    assert memory_free(tmp_path)() is None


def test_the_pool_is_closed(app: FastAPI, client: TestClient) -> None:
    """A server that is being stopped lends no model, and is not ready."""
    app.state.service.listeners.pool.drain(0)
    assert set(reasons(client)) == {"models"}


def test_a_part_adds_its_own_check(app: FastAPI, client: TestClient) -> None:
    """What a part of the server adds is asked as well, and told in its words."""
    app.state.service.readiness.add("jobs", lambda: "the runner has died")
    assert reasons(client) == {"jobs": "the runner has died"}


def test_a_check_that_breaks(app: FastAPI, client: TestClient) -> None:
    """A check that raises has failed; the others are told all the same."""

    def broken() -> None:
        raise ZeroDivisionError("oh")

    app.state.service.readiness.add("jobs", broken)
    assert reasons(client) == {"jobs": "ZeroDivisionError: oh"}
    assert set(client.get("/health/ready").json()["checks"]) >= NAMES


def test_a_check_that_hangs() -> None:
    """It has failed once the time is up, is not begun again while it hangs, and counts anew once it ends."""
    clock, end, begun = Clock(), threading.Event(), []
    readiness = Readiness(timeout_s=0.05, clock=clock)

    def hanging() -> None:
        begun.append(1)
        end.wait()

    readiness.add("disk", hanging)
    readiness.add("fine", lambda: None)

    def found() -> dict[str, str | None]:
        clock.now_s += CACHED_S
        return dict(readiness.find().reasons)

    for _ in range(3):
        assert found()["disk"] == "no answer in time"
    until(lambda: found() == {"disk": "no answer in time", "fine": None})
    assert len(begun) == 1
    end.set()
    for thread in threading.enumerate():
        if thread.name == "check-disk":
            thread.join()
    readiness._timeout_s = PATIENCE_S
    assert not any(found().values())
    assert len(begun) == 2


def test_a_finding_holds_for_a_moment(app: FastAPI, client: TestClient, clock: Clock) -> None:
    """However many ask, the checks are run once every CACHED_S."""
    asked: list[int] = []
    app.state.service.readiness.add("jobs", lambda: asked.append(1))
    for _ in range(5):
        client.get("/health/ready")
    assert len(asked) == 1
    clock.now_s += CACHED_S - 0.01
    client.get("/health/ready")
    assert len(asked) == 1
    clock.now_s += 0.01
    client.get("/health/ready")
    assert len(asked) == 2


def test_alive_while_every_thread_is_taken(app: FastAPI, client: TestClient) -> None:
    """Routes that wait for something take no thread from health, readiness, metrics and keys."""
    end, taken = threading.Event(), threading.Semaphore(0)

    @app.get("/api/wait")
    def wait() -> None:
        taken.release()
        end.wait()

    app.state.service.keys.create("a", ["read"])
    threads = [threading.Thread(target=client.get, args=("/api/wait",)) for _ in range(45)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        assert taken.acquire(timeout=30)
    began_s = perf_counter()
    try:
        answers = [client.get(path).status_code for path in ("/health", "/health/ready", "/metrics")]
        refused = client.get("/api/models").status_code
    finally:
        end.set()
        for thread in threads:
            thread.join()
    assert answers == [200, 200, 200]
    assert refused == 401
    assert perf_counter() - began_s < 30

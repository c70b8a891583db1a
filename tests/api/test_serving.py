"""Serving in a process of its own: where it says it is, and how it ends with requests of every kind under way."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import monotonic
from urllib.parse import urlsplit

import psutil
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from patience import PATIENCE_S, until

from modellab.server.serving import LAST_S
from modellab.server.settings import ServerSettings

MARGIN_S = 10
"""What a busy machine may add to the seconds that are claimed."""

SCRIPT = """
import subprocess, sys, time
from contextlib import contextmanager
from pathlib import Path

import anyio
from fastapi.responses import StreamingResponse

from modellab.server import serving
from modellab.server.app import create_app
from modellab.server.service import Service
from modellab.server.settings import ServerSettings


class Noting(Service):
    @contextmanager
    def running(self):
        with super().running():
            if Path("fails").exists():
                raise RuntimeError("no room to begin")
            child = subprocess.Popen(["sleep", "600"], stderr=subprocess.DEVNULL)
            Path("child").write_text(str(child.pid))
            yield self
            child.kill()
            child.wait()
        Path("ended").touch()


def app_of(settings):
    service = Noting.of(settings)
    app = create_app(settings, service)

    async def until_stopped():
        yield b"begun\\n"
        while not service.stopping.is_set():
            await anyio.sleep(0.01)
        yield b"stopping\\n"

    async def endless():
        while True:
            yield b"more\\n"
            await anyio.sleep(0.01)

    @app.get("/stream")
    def stream():
        return StreamingResponse(until_stopped())

    @app.get("/endless")
    def without_end():
        return StreamingResponse(endless())

    @app.get("/soon")
    async def soon():
        Path("arrived").touch()
        while not service.stopping.is_set():
            await anyio.sleep(0.01)
        await anyio.sleep(0.3)
        return {"done": True}

    @app.get("/hangs")
    async def hangs():
        Path("arrived").touch()
        await anyio.sleep(600)

    @app.get("/hangs-in-a-thread")
    def hangs_in_a_thread():
        Path("arrived").touch()
        time.sleep(600)

    @app.get("/blocks-the-loop")
    async def blocks_the_loop():
        Path("arrived").touch()
        time.sleep(600)

    return app


settings = ServerSettings(
    _env_file=None, port=0, fixtures="fixtures", runs="runs", data="data", cache_dir="cache", drain_s=float(sys.argv[1])
)
serving.LAST_S = float(sys.argv[2])
serving.serve(settings, lambda line: print(line, file=sys.stderr, flush=True), app_of)
"""


class Running:
    """A server process, and where it is."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder
        assert process.stderr
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("Model Lab at http://127.0.0.1:"):
                break
        else:
            pytest.fail("".join(said))
        self.port = urlsplit(said[-1].split()[-1]).port
        self.connections: list[http.client.HTTPConnection] = []

    def connection(self) -> http.client.HTTPConnection:
        """Give a connection, which is closed after the test."""
        made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        self.connections.append(made)
        return made

    def close(self) -> None:
        """End the process, whatever it does, and all connections to it."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.communicate()
        for connection in self.connections:
            connection.close()

    def open(self, path: str) -> http.client.HTTPResponse:
        """Ask, and give the answer once it has begun."""
        connection = self.connection()
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer

    def ask_aside(self, path: str) -> list[object]:
        """Ask in a thread, and return once the server is at it; what came of it is in the list later."""
        came: list[object] = []

        def ask() -> None:
            connection = self.connection()
            try:
                connection.request("GET", path)
                with connection.getresponse() as answer:
                    came.append(answer.read())
            except (OSError, http.client.HTTPException) as error:
                came.append(error)

        thread = Thread(target=ask, daemon=True)
        thread.start()
        self.asked = thread
        until((self.folder / "arrived").exists)
        return came

    def stop(self, *, signals: tuple[int, ...] = (signal.SIGTERM,)) -> float:
        """Send the signals and give how long it took to end, in seconds."""
        begun = monotonic()
        for each in signals:
            self.process.send_signal(each)
            if len(signals) > 1:
                until(self.is_refusing)
        self.process.wait(PATIENCE_S)
        return monotonic() - begun

    def is_refusing(self) -> bool:
        """Whether nobody listens any more."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S).close()
        except OSError:
            return True
        return False

    def has_no_child(self) -> bool:
        """Whether no child lives that the server began; one that was killed may take a moment to end."""
        try:
            child = psutil.Process(int((self.folder / "child").read_text()))
            return child.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    @property
    def ended_orderly(self) -> bool:
        """Whether all that was begun with the server was ended with it."""
        return (self.folder / "ended").exists()


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path, settings: Callable[[], ServerSettings]) -> Iterator[Start]:
    """Start servers of a small bench, told how long they may drain, and how long their end may take after that."""
    assert settings().fixtures.is_dir()
    (tmp_path / "runs").mkdir(exist_ok=True)
    (tmp_path / "script.py").write_text(SCRIPT)
    started: list[Running] = []

    def start(drain_s: float, last_s: float = PATIENCE_S) -> Running:
        command = [sys.executable, "script.py", str(drain_s), str(last_s)]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        started.append(Running(process, tmp_path))
        return started[-1]

    yield start
    for running in started:
        running.close()
    child = tmp_path / "child"
    if child.exists():
        with suppress(ProcessLookupError):
            os.kill(int(child.read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    ("host", "fails", "words"),
    [
        ("127.0.0.1", True, ("the server could not start", "no room to begin")),
        ("0.0.0.0", False, ("there is no key", "modellab server keys create")),
    ],
)
def test_a_server_that_cannot_begin(
    tmp_path: Path, start: Start, *, host: str, fails: bool, words: tuple[str, ...]
) -> None:
    """Where a part cannot be started, or everybody could come in, the process ends with 1 and says why."""
    if fails:
        (tmp_path / "fails").touch()
    done = subprocess.run(
        [sys.executable, "script.py", "10", str(LAST_S)],
        cwd=tmp_path,
        env=os.environ | {"MODELLAB_SERVER_HOST": host},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Model Lab at" not in done.stderr
    assert all(each in done.stderr for each in words), done.stderr


def test_a_server_that_stops_is_not_ready(app: FastAPI, client: TestClient) -> None:
    """Who may still ask is told that it stops, whatever was found a moment ago."""
    assert "stopping" not in client.get("/health/ready").json()["checks"]
    app.state.service.stopping.set()
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["stopping"] == {"ok": False, "reason": "the server was told to stop"}


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_orderly(start: Start, told: int) -> None:
    """Told to stop with an idle connection open, it ends with 0, and all that it began is ended."""
    server = start(10)
    idle = server.connection()
    idle.request("GET", "/nothing")
    with idle.getresponse() as answer:
        assert answer.read()
    assert server.stop(signals=(told,)) < MARGIN_S
    assert server.process.returncode == 0
    assert server.ended_orderly


def test_what_is_under_way_is_drained(start: Start) -> None:
    """A stream says its last word and a request its answer; who comes meanwhile is refused."""
    server = start(10)
    with server.open("/stream") as stream:
        assert stream.readline() == b"begun\n"
        came = server.ask_aside("/soon")
        assert server.stop() < MARGIN_S
        server.asked.join()
        assert stream.read() == b"stopping\n"
    assert came == [b'{"done":true}']
    assert server.is_refusing()
    assert server.process.returncode == 0
    assert server.ended_orderly


@pytest.mark.parametrize(("path", "last_s"), [("/hangs", PATIENCE_S), ("/hangs-in-a-thread", 3.0)])
def test_what_does_not_end_is_cut(start: Start, path: str, last_s: float) -> None:
    """An endless stream and a request that hangs are cut after `drain_s`, and the server still ends orderly."""
    drain_s = 0.5
    server = start(drain_s, last_s)
    with server.open("/endless") as endless:
        came = server.ask_aside(path)
        spent_s = server.stop()
        server.asked.join()
        with pytest.raises((OSError, http.client.HTTPException)):
            endless.read()
    assert drain_s <= spent_s < drain_s + MARGIN_S
    assert server.process.returncode == 0
    assert server.ended_orderly
    assert isinstance(came[0], OSError | http.client.HTTPException), "it was answered, as if it had been done"


def test_a_blocked_loop_does_not_keep_it(start: Start) -> None:
    """Where a route blocks everything the process ends all the same, and its children with it."""
    server = start(0.5, LAST_S)
    server.ask_aside("/blocks-the-loop")
    assert server.stop() < 0.5 + LAST_S + MARGIN_S
    assert server.process.returncode == 0
    assert not server.ended_orderly
    until(server.has_no_child)


def test_a_second_signal_cuts_at_once(start: Start) -> None:
    """Nobody needs to wait for `drain_s`: a second signal cuts, and what the server began is still ended."""
    server = start(600)
    server.ask_aside("/hangs")
    assert server.stop(signals=(signal.SIGTERM, signal.SIGTERM)) < MARGIN_S
    assert server.process.returncode == 0
    assert server.ended_orderly
    assert server.has_no_child()

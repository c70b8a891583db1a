"""Who is gone in the middle, a client or its model: the work ends, and the next request is served."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest
from patience import PATIENCE_S, until
from small_bench import write_bench
from test_speech_api import wav

from modellab.server.process import ServerProcess

MODEL = "gated:toy:cpu:float32"
GATED = """
import os
from pathlib import Path
from time import sleep

from modellab.testing import FakeBackend


class Gated(FakeBackend):
    def transcribe(self, audios, language=None):
        gate = Path(os.environ["GATE"])
        with (gate / "begun").open("a") as begun:
            begun.write("x")
        while (gate / "shut").exists():
            sleep(0.01)
        return super().transcribe(audios, language)
"""


class Gate:
    """What models stand at as long as it is shut: work begins when it is told to, and ends when a test lets it."""

    def __init__(self, folder: Path) -> None:
        self._shut, self._begun = folder / "shut", folder / "begun"

    @property
    def begun(self) -> int:
        """How many audios a model has begun to hear."""
        return len(self._begun.read_bytes())

    def shut(self) -> None:
        """Let nothing end that begins from now on."""
        self._shut.touch()

    def open(self) -> None:
        """Let all end that has begun."""
        self._shut.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with an installed backend whose models stand at a gate, and that gate."""
    folder = tmp_path_factory.mktemp("site")
    about = folder / "gated-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: gated\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[modellab.backends]\ngated = gated:Gated\n")
    (folder / "gated.py").write_text(GATED)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Iterator[ServerProcess]:
    """Give a server of one model that stands at the gate."""
    folder = tmp_path_factory.mktemp("gone")
    settings = {
        "FIXTURES": str(write_bench(folder)),
        "POOL__SERVE": MODEL,
        "POOL__REPLICAS": "1",
        "RATE__PER_MINUTE": "100000",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site))
        patch.setenv("GATE", str(site))
        with ServerProcess(folder=folder / "server", settings=settings) as process:
            yield process


@pytest.fixture
def gate(site: Path) -> Iterator[Gate]:
    """Give the gate, which is open before the test and after it."""
    made = Gate(site)
    yield made
    made.open()


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx2.Client]:
    """Give a client that stays."""
    with httpx2.Client(base_url=server.url, timeout=PATIENCE_S) as made:
        yield made


def request(audio: bytes, *, stream: bool = False) -> bytes:
    """Give a request for a transcription, byte by byte."""
    fields = {"model": MODEL, "stream": "true" if stream else "false"}
    form = b"".join(
        b'--edge\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value.encode())
        for name, value in fields.items()
    )
    form += b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%s\r\n--edge--\r\n' % audio
    head = (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
        b"Content-Type: multipart/form-data; boundary=edge\r\n\r\n"
    )
    return head % len(form) + form


def call(server: ServerProcess, sent: bytes) -> socket.socket:
    """Give a connection on which this was sent."""
    line = socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port), timeout=PATIENCE_S)
    line.sendall(sent)
    return line


def hang_up(line: socket.socket) -> None:
    """Cut a connection, as the network does when a client dies."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


def held(client: httpx2.Client) -> dict[str, Any]:
    """Give how the model is held; nothing where it is not."""
    (found,) = [model["held"] for model in client.get("/api/models").json()["models"] if model["id"] == MODEL]
    return found or {}


def models(server: ServerProcess) -> set[int]:
    """Give the processes of models."""
    return {child.pid for child in psutil.Process(server.pid).children(recursive=True) if _hosts(child)}


def _hosts(process: psutil.Process) -> bool:
    try:
        return "modellab.measuring.host" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def head(line: socket.socket) -> bytes:
    """Give the answer that comes, to the end of its headers at least."""
    came = b""
    while b"\r\n\r\n" not in came:
        piece = line.recv(65536)
        assert piece, came
        came += piece
    return came


def heard(client: httpx2.Client) -> bool:
    """Say whether a request is heard."""
    answer = client.post("/v1/audio/transcriptions", data={"model": MODEL}, files={"file": ("a.wav", wav())})
    return answer.json()["text"] == "hello world"


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99], ids=["in the head", "in the file", "before the end"])
def test_gone_while_sending(server: ServerProcess, client: httpx2.Client, share: float) -> None:
    """A request that ends before it is whole leaves no work and no file."""
    whole = request(wav(20.0))
    hang_up(call(server, whole[: round(len(whole) * share) or 40]))
    until(lambda: not any((server.folder / "data" / "uploads").glob("*")))
    assert held(client).get("leases", 0) == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_gone_while_it_is_heard(server: ServerProcess, client: httpx2.Client, gate: Gate, stream: bool) -> None:
    """The process at work for a client that is gone is ended, though it would never be done; another hears the next."""
    assert heard(client)
    before, begun = models(server), gate.begun
    gate.shut()
    line = call(server, request(wav(), stream=stream))
    until(lambda: gate.begun == begun + 1)
    assert held(client)["leases"] == 1
    hang_up(line)
    until(lambda: held(client).get("leases", 0) == 0)
    assert not models(server) & before
    gate.open()
    assert heard(client)


def test_gone_while_it_waits(server: ServerProcess, client: httpx2.Client, gate: Gate) -> None:
    """Of three clients the first is heard; the two behind it that are gone cost nothing, and nobody waits for them."""
    assert heard(client)
    before, begun = models(server), gate.begun
    gate.shut()
    first = call(server, request(wav()))
    until(lambda: gate.begun == begun + 1)
    others = [call(server, request(wav())) for _ in range(2)]
    until(lambda: held(client).get("leases") == 3)
    for line in others:
        hang_up(line)
    until(lambda: held(client).get("leases") == 1)
    gate.open()
    assert b" 200 OK" in head(first)
    first.close()
    until(lambda: held(client).get("leases", 0) == 0)
    assert heard(client)
    assert (gate.begun, models(server)) == (begun + 2, before)


def test_a_model_that_is_killed_at_work(server: ServerProcess, client: httpx2.Client, gate: Gate) -> None:
    """The request whose process is killed from outside is told to come again, and the next is heard by another."""
    assert heard(client)
    before, begun = models(server), gate.begun
    gate.shut()
    line = call(server, request(wav()))
    until(lambda: gate.begun == begun + 1)
    for pid in before:
        psutil.Process(pid).kill()
    answer = head(line).lower()
    line.close()
    assert b" 503 " in answer.partition(b"\r\n")[0]
    assert b"retry-after: " in answer
    gate.open()
    assert heard(client)
    assert not models(server) & before

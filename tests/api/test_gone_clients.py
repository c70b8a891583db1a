"""Who is gone in the middle, a client or its model: the work ends, and the next request is served."""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest
from small_bench import write_bench
from test_speech_api import MODEL, wav

from modellab.machine.clock import MONOTONIC
from modellab.server.process import ServerProcess

SLOW_S = 2.0
SOON_S = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Give a server whose model takes seconds for every audio."""
    folder = tmp_path_factory.mktemp("gone")
    fixtures = write_bench(folder, f"seconds_per_audio = {SLOW_S}")
    settings = {"FIXTURES": str(fixtures), "POOL__REPLICAS": "1", "RATE__PER_MINUTE": "10000"}
    with ServerProcess(folder=folder / "server", settings=settings) as process:
        yield process


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx2.Client]:
    """Give a client that stays."""
    with httpx2.Client(base_url=server.url, timeout=60) as made:
        yield made


def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds."""
    deadline_s = MONOTONIC() + SOON_S
    while not holds():
        assert MONOTONIC() < deadline_s, "it never held"
        time.sleep(0.05)


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
    line = socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port), timeout=SOON_S)
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
    children = psutil.Process(server.pid).children(recursive=True)
    return {child.pid for child in children if "modellab.measuring.host" in child.cmdline()}


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
def test_gone_while_it_is_heard(server: ServerProcess, client: httpx2.Client, stream: bool) -> None:
    """The process at work for a client that is gone is ended long before it would be done; another hears the next."""
    assert heard(client)
    before = models(server)
    line = call(server, request(wav(), stream=stream))
    until(lambda: held(client).get("leases") == 1)
    begun_s = MONOTONIC()
    hang_up(line)
    until(lambda: held(client).get("leases", 0) == 0)
    assert MONOTONIC() - begun_s < SLOW_S
    assert not models(server) & before


def test_gone_while_it_waits(server: ServerProcess, client: httpx2.Client) -> None:
    """Of three clients the first is heard; the two behind it that are gone cost nothing, and nobody waits for them."""
    assert heard(client)
    first, *others = [call(server, request(wav())) for _ in range(3)]
    until(lambda: held(client).get("leases") == 3)
    for line in others:
        hang_up(line)
    assert b" 200 OK" in first.recv(4096)
    first.close()
    until(lambda: held(client).get("leases", 0) == 0)
    begun_s = MONOTONIC()
    assert heard(client)
    assert MONOTONIC() - begun_s < 2 * SLOW_S


def test_a_model_that_is_killed_at_work(server: ServerProcess, client: httpx2.Client) -> None:
    """The request whose process is killed from outside is told to come again, and the next is heard by another."""
    assert heard(client)
    before = models(server)
    line = call(server, request(wav()))
    until(lambda: held(client).get("leases") == 1)
    for pid in before:
        psutil.Process(pid).kill()
    answer = line.recv(65536).lower()
    line.close()
    assert b" 503 " in answer.partition(b"\r\n")[0]
    assert b"retry-after: " in answer
    assert heard(client)
    assert not models(server) & before

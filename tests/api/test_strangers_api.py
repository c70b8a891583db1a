"""Strangers: what they send is not read before it is known who they are, nor to its end once they are answered."""

import asyncio
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from patience import PATIENCE_S
from small_bench import write_bench
from starlette.types import Message

from modellab.server.app import FORM_BYTES, create_app
from modellab.server.process import ServerProcess

HOST = "http://localhost"
FORM = "multipart/form-data; boundary=edge"
HEAD = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


def answered(app: FastAPI, path: str, headers: dict[str, str]) -> tuple[int, dict[bytes, bytes], int]:
    """Give the status and the headers of the answer to a request whose body has no end, and how often it was read."""
    sent: list[Message] = []
    reads = 0

    async def receive() -> Message:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": HEAD if reads == 1 else b"x" * 65_536, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in {"Host": "localhost", "Transfer-Encoding": "chunked", **headers}.items()
        ],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), reads


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/api/query", "/api/nowhere"])
@pytest.mark.parametrize("key", [None, "mlab_000000000000_" + "a" * 52, "mlab_ÿ"])
def test_a_body_without_a_key_is_not_read(app: FastAPI, path: str, key: str | None) -> None:
    """Once there is a key, who shows none or a wrong one is refused before a byte of what they send is taken."""
    app.state.service.keys.create("a", ["read"])
    shown = {"Authorization": f"Bearer {key}"} if key else {}
    status, headers, reads = answered(app, path, {"Content-Type": FORM, **shown})
    assert (status, reads) == (401, 0)
    assert headers[b"connection"] == b"close"
    assert headers[b"www-authenticate"].startswith(b"Bearer")


def test_a_body_without_an_end_is_read_to_the_limit(settings: Any) -> None:
    """More than a file may have is refused, and its connection ends with the answer."""
    app = create_app(settings(uploads={"max_bytes": 200_000}))
    status, headers, reads = answered(app, "/v1/audio/transcriptions", {"Content-Type": FORM})
    assert status == 413
    assert headers[b"connection"] == b"close"
    assert reads <= 3 + (200_000 + FORM_BYTES) // 65_536


def test_a_whole_body_leaves_the_connection_open(client: TestClient) -> None:
    """Who sent everything may ask again on the same connection, whatever the answer was."""
    answer = client.post("/api/query", json={})
    assert answer.status_code == 422
    assert "Connection" not in answer.headers


def _send_chunks(line: socket.socket, count: int) -> None:
    for _ in range(count):
        line.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")


def test_a_refused_stream_ends(tmp_path: Path) -> None:
    """A client that sends without end gets its 413, and cannot send for ever."""
    settings = {"FIXTURES": str(write_bench(tmp_path)), "POOL__REPLICAS": "1", "UPLOADS__MAX_BYTES": "200000"}
    with ServerProcess(folder=tmp_path / "server", settings=settings) as server:
        place = urlsplit(server.url)
        with socket.create_connection((place.hostname, place.port), timeout=PATIENCE_S) as line:
            line.sendall(
                b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: multipart/form-data; boundary=edge\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"%x\r\n%s\r\n" % (len(HEAD), HEAD)
            )
            with pytest.raises(ConnectionError):
                _send_chunks(line, 2000)


def test_a_proxy_that_names_nobody_is_not_this_machine(app: FastAPI) -> None:
    """Where no key was made only who is on this machine is let in, and not whom a proxy on it calls `unknown`."""
    with TestClient(app, base_url=HOST, client=("unknown", 0)) as client:
        assert client.get("/api/models").status_code == 200
        assert client.get("/api/models", headers={"X-Forwarded-For": "unknown"}).status_code == 401


def test_keys_that_cannot_be_checked(app: FastAPI, tmp_path: Path) -> None:
    """The 503 says when to come again."""
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "secret").write_bytes(b"short")
    with TestClient(app, base_url=HOST) as client:
        answer = client.get("/api/models", headers={"Authorization": f"Bearer mlab_000000000000_{'a' * 52}"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")

"""Observe: what is known of a request once it is over, and what is never told of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, MutableMapping
from dataclasses import replace
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from modellab.server.app import create_app
from modellab.server.service import Service
from modellab.server.settings import ServerSettings
from modellab.server.tracing import Tracing

HOST = "http://localhost"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
RUN = "01JD3Z8Q5W9K6T2M4N7P8R0S1V"
KEY = "mlab_0123456789ab_" + "a2b3" * 13

Lines = list[MutableMapping[str, Any]]


def observed(app: FastAPI) -> FastAPI:
    """Add paths that answer, fail, stream and log."""

    @app.get("/api/runs-of/{run_id}")
    def run(run_id: str) -> dict[str, str]:
        structlog.get_logger("theirs").info("looked", model="toy")
        return {"run": run_id}

    @app.post("/api/echo")
    def echo(sent: dict[str, str]) -> dict[str, str]:
        return sent

    @app.get("/api/broken")
    def broken() -> None:
        raise ZeroDivisionError("a secret")

    @app.get("/api/half")
    async def half() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield "one"
            raise ZeroDivisionError("a secret")

        return StreamingResponse(parts())

    @app.get("/api/long")
    async def long() -> None:
        await asyncio.Event().wait()

    return app


@pytest.fixture
def app(settings: Any) -> FastAPI:
    """Give an application with such paths."""
    return observed(create_app(settings()))


@pytest.fixture(scope="module")
def shared(lasting: ServerSettings) -> Iterator[TestClient]:
    """Give a client of a server that these tests leave as it was."""
    with TestClient(observed(create_app(lasting)), base_url=HOST, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield client


def requests(logged: Lines) -> Lines:
    return [line for line in logged if line["event"] == "request"]


def test_one_line_a_request(shared: TestClient, logged: Lines) -> None:
    """It says what was asked by its template, what was answered, how long it took, how much passed, and for whom."""
    sent = shared.post("/api/echo", json={"a": "b"})
    (line,) = requests(logged)
    assert (
        line.items()
        >= {
            "event": "request",
            "log_level": "info",
            "method": "POST",
            "route": "/api/echo",
            "status": 200,
            "received_bytes": len('{"a":"b"}'),
            "sent_bytes": len(sent.content),
            "client": "testclient",
            "request_id": sent.headers["X-Request-ID"],
        }.items()
    )
    assert 0 <= line["duration_s"] < 60


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/health", "/health", 200),
        ("GET", f"/api/runs-of/{RUN}", "/api/runs-of/{run_id}", 200),
        ("DELETE", "/api/echo", "/api/echo", 405),
        ("POST", "/api/echo", "/api/echo", 422),
        ("GET", "/api/openapi.json", "/api/openapi.json", 200),
        ("GET", "/no/body/lives/here", "other", 404),
        ("GET", "/api/broken", "/api/broken", 500),
    ],
)
def test_a_route_is_its_template(
    shared: TestClient, logged: Lines, *, method: str, path: str, route: str, status: int
) -> None:
    """Whatever a path holds, the line has only the template of the route that answered; there is one line."""
    shared.request(method, path)
    (line,) = requests(logged)
    assert (line["method"], line["route"], line["status"]) == (method, route, status)


@pytest.mark.usefixtures("minute")
def test_what_is_refused_on_the_way_in(app: FastAPI, client: TestClient, logged: Lines) -> None:
    """Requests that reach no route have their line as well."""
    client.get("/health", headers={"Host": "evil.example"})
    client.post("/api/echo", json={}, headers={"Origin": "https://evil.example"})
    app.state.service.keys.create("a", ["read"])
    client.get("/api/models")
    for _ in range(60):
        client.get("/nobody")
    assert [line["status"] for line in requests(logged)][:3] == [421, 403, 401]
    assert requests(logged)[-1]["status"] == 429


def test_nothing_private_is_logged(app: FastAPI, client: TestClient, logged: Lines) -> None:
    """No query, key, header, body or name of a file is in any line."""
    secret = "whisper-it-to-nobody"
    _, plain = app.state.service.keys.create("a", ["transcribe"])
    headers = {"Authorization": f"Bearer {plain}", "Cookie": secret, "User-Agent": secret, "Referer": secret}
    client.get("/api/models", params={"q": secret, "api_key": secret}, headers=headers)
    client.get(f"/{secret}", headers=headers)
    client.post("/api/echo", json={secret: secret}, headers=headers)
    file = {"file": (f"{secret}.wav", secret.encode(), "audio/wav")}
    client.post("/v1/audio/transcriptions", files=file, data={"model": "toy", "prompt": secret}, headers=headers)
    assert len(requests(logged)) == 4
    assert secret not in repr(logged)
    assert plain.rpartition("_")[2] not in repr(logged)


def test_a_key_is_told_by_its_id(app: FastAPI, client: TestClient, logged: Lines) -> None:
    """Who used a key is found in the log by the part of it that may be shown."""
    key, plain = app.state.service.keys.create("a", ["read"])
    client.get("/api/models", headers={"Authorization": f"Bearer {plain}"})
    assert requests(logged)[0]["client"] == f"key:{key.id}"


@pytest.mark.parametrize("told", ["abcdefgh", "0190d3e8-7b1c-7e44-9f3a-2d6c1b7a5e10", "a.b_c-d0"])
def test_a_sane_id_is_kept(shared: TestClient, logged: Lines, told: str) -> None:
    """A request that has an id keeps it, in the answer, the log and an error."""
    answer = shared.get("/api/broken", headers={"X-Request-ID": told})
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == told
    assert {line["request_id"] for line in logged if line["event"] in {"request", "unforeseen"}} == {told}


@pytest.mark.parametrize(
    "told", ["", "short", "a" * 65, "a b c d e f", "new\\nline-here", KEY, "../../etc/passwd", "é" * 9]
)
def test_another_id_is_made(shared: TestClient, told: str) -> None:
    """One that is none, too long, or could spoil a log or tell a secret is replaced by one of ours."""
    given = shared.get("/health", headers={"X-Request-ID": told.encode("latin-1")}).headers["X-Request-ID"]
    assert given != told
    assert len(given) == 32


def test_ids_differ(shared: TestClient) -> None:
    """No two requests without an id get the same."""
    assert len({shared.get("/health").headers["X-Request-ID"] for _ in range(20)}) == 20


def test_lines_of_a_route_belong_to_its_request(shared: TestClient, logged: Lines) -> None:
    """What a route logs, in its thread, has the id of the request and of its trace; the next request's has not."""
    answer = shared.get(f"/api/runs-of/{RUN}", headers={"traceparent": TRACEPARENT})
    shared.get("/health")
    (theirs,) = [line for line in logged if line["event"] == "looked"]
    first, second = requests(logged)
    assert theirs["request_id"] == first["request_id"] == answer.headers["X-Request-ID"]
    assert theirs["trace_id"] == first["trace_id"] == TRACE
    assert first["run_id"] == RUN
    assert "trace_id" not in second
    assert "run_id" not in second


@pytest.mark.parametrize(
    "told",
    [
        "",
        TRACE,
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7",
        TRACEPARENT + "x",
    ],
)
def test_a_trace_that_is_none(shared: TestClient, logged: Lines, told: str) -> None:
    """A header that the standard does not allow names no trace."""
    shared.get("/health", headers={"traceparent": told})
    assert "trace_id" not in requests(logged)[0]


def test_an_id_of_a_run_that_is_none(shared: TestClient, logged: Lines) -> None:
    """Only what looks like a run's id is logged as one: anybody may write anything into a path."""
    shared.get("/api/runs-of/not-a-run")
    assert "run_id" not in requests(logged)[0]


def test_an_answer_that_breaks_off(app: FastAPI, logged: Lines) -> None:
    """An error in the middle of a stream is told by its kind, and the line is there all the same."""
    with TestClient(app, base_url=HOST) as client, pytest.raises(ZeroDivisionError):
        client.get("/api/half")
    (line,) = requests(logged)
    assert (line["status"], line["error"], line["sent_bytes"]) == (200, "ZeroDivisionError", 3)


def ask(app: FastAPI, path: str, method: str = "GET") -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


def test_a_client_that_has_gone(app: FastAPI, logged: Lines) -> None:
    """A request that is cut before it is answered has a line too, with the status that stands for that."""

    async def cut() -> None:
        begun = asyncio.Event()

        async def receive() -> dict[str, Any]:
            begun.set()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            raise AssertionError(message)

        task = asyncio.create_task(app(ask(app, "/api/long"), receive, send))
        while not app.state.service.metrics._under_way._value.get():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cut())
    (line,) = requests(logged)
    assert (line["status"], line["error"]) == (499, "CancelledError")


def test_a_method_that_nobody_knows(app: FastAPI, logged: Lines) -> None:
    """What a client calls a method does not become a label: anybody could make as many as they like."""

    async def brew() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None: ...

        await app(ask(app, "/health", "BREW"), receive, send)

    asyncio.run(brew())
    (line,) = requests(logged)
    assert (line["method"], line["status"]) == ("OTHER", 405)


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(settings: Any, spans: InMemorySpanExporter) -> Iterator[TestClient]:
    """Give a client of a server whose spans are kept in memory."""
    service = replace(Service.of(settings()), tracing=Tracing(lambda: SimpleSpanProcessor(spans)))
    app = observed(create_app(service.settings, service))

    @app.get("/api/work")
    def work() -> str:
        with service.tracing.span("transcribe", model="toy"):
            return "done"

    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield client


def test_a_request_is_a_span(traced: TestClient, spans: InMemorySpanExporter, logged: Lines) -> None:
    """It has the name of its route, belongs to its client's trace, holds what was done within, and no query."""
    traced.get("/api/work?q=secret", headers={"traceparent": TRACEPARENT})
    within, request = spans.get_finished_spans()
    assert (request.name, request.kind) == ("GET /api/work", SpanKind.SERVER)
    assert f"{request.context.trace_id:032x}" == TRACE == logged[0]["trace_id"]
    assert dict(request.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/api/work",
        "http.response.status_code": 200,
    }
    assert (within.name, dict(within.attributes or {})) == ("transcribe", {"model": "toy"})
    assert within.parent is not None
    assert within.parent.span_id == request.context.span_id


def test_a_request_without_a_trace_begins_one(traced: TestClient, spans: InMemorySpanExporter, logged: Lines) -> None:
    """Each has a trace of its own, which its line names."""
    traced.get("/health")
    traced.get("/health")
    ids = [f"{span.context.trace_id:032x}" for span in spans.get_finished_spans()]
    assert [line["trace_id"] for line in requests(logged)] == ids
    assert len(set(ids)) == 2


def test_a_failure_marks_the_span(traced: TestClient, spans: InMemorySpanExporter) -> None:
    """A request that failed in the server is marked; one that was refused is not; neither says why in words."""
    traced.get("/api/broken")
    traced.get("/nobody")
    broken, refused = spans.get_finished_spans()
    assert broken.status.status_code is StatusCode.ERROR
    assert refused.status.status_code is StatusCode.UNSET
    assert "secret" not in json.dumps([json.loads(broken.to_json()), json.loads(refused.to_json())])

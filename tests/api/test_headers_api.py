"""Headers: what every answer carries, whatever it is and whoever gave it."""

import errno
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from fastapi.testclient import TestClient

from modellab.errors import DatabaseUnavailable, Refused, UnknownName
from modellab.server.app import create_app
from modellab.server.http.headers import DEFAULTS
from modellab.server.settings import ServerSettings

HOST = "http://localhost"
RAISED: dict[str, Exception] = {
    "not-found": UnknownName("model", "toi", ["toy"]),
    "database": DatabaseUnavailable("locked"),
    "disk": OSError(errno.ENOSPC, "full"),
    "bug": ZeroDivisionError("a secret path"),
    "refused": Refused("no", status=415, code="bad_kind"),
}


def raising(error: Exception) -> Callable[[], None]:
    """Give a route that raises."""

    def route() -> None:
        raise error

    return route


def empty() -> dict[str, str]:
    """Give an answer that says nothing."""
    return {}


async def events() -> AsyncIterator[str]:
    """Give a stream of one event."""
    yield "data: 1\n\n"


OWN = {"Content-Security-Policy": "sandbox", "Cache-Control": "max-age=60", "X-Frame-Options": "SAMEORIGIN"}
GIVEN: dict[str, Callable[[], Response]] = {
    "stream": lambda: StreamingResponse(events(), media_type="text/event-stream"),
    "same": lambda: Response(status_code=304, headers={"ETag": '"1"'}),
    "nothing": lambda: Response(status_code=204),
    "plain": lambda: PlainTextResponse("oh no", status_code=502),
    "report": lambda: HTMLResponse("<p>", headers=OWN),
}


@pytest.fixture(scope="module")
def app(lasting: ServerSettings) -> FastAPI:
    """Give an application with paths that answer in every way there is."""
    app = create_app(lasting)
    for prefix in ("/api", "/v1"):
        for name, error in RAISED.items():
            app.get(f"{prefix}/raise/{name}", name=f"{prefix}-{name}")(raising(error))
        app.get(f"{prefix}/read", name=f"{prefix}-read")(empty)
    for name, given in GIVEN.items():
        app.get(f"/api/{name}", response_class=Response, name=name)(given)
    app.post("/api/write")(empty)

    @app.get("/api/number/{number}")
    def number(number: int) -> int:
        return number

    return app


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield client


def missing(answer: Any) -> set[str]:
    """Give which headers an answer lacks."""
    return {name for name in (*DEFAULTS, "X-Request-ID") if name not in answer.headers}


def test_every_route_and_every_kind_of_error(app: FastAPI, client: TestClient) -> None:
    """All paths that are documented, and all ways to fail, answer with all headers."""
    seen = set()
    for path, operations in app.openapi()["paths"].items():
        for method in operations:
            answer = client.request(method, path.replace("{number}", "no"))
            assert not missing(answer), (method, path, answer.status_code)
            seen.add(answer.status_code)
    assert seen >= {200, 204, 304, 404, 415, 422, 500, 502, 503, 507}


@pytest.mark.parametrize(
    ("status", "method", "path", "headers"),
    [
        (404, "GET", "/nobody", {}),
        (404, "GET", "/v1/nobody", {}),
        (405, "DELETE", "/api/read", {}),
        (421, "GET", "/api/read", {"Host": "evil.example"}),
        (403, "POST", "/api/write", {"Origin": "https://evil.example"}),
        (413, "POST", "/api/write", {"Content-Length": str(1 << 40)}),
        (200, "OPTIONS", "/api/read", {"Origin": "http://localhost:5173", "Access-Control-Request-Method": "GET"}),
        (403, "OPTIONS", "/api/read", {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}),
        (401, "GET", "/api/models", {"Authorization": "Bearer mlab_x"}),
    ],
)
def test_answers_that_no_route_gave(
    client: TestClient, status: int, method: str, path: str, headers: dict[str, str]
) -> None:
    """What is refused on the way in carries them too."""
    answer = client.request(method, path, headers=headers)
    assert answer.status_code == status
    assert not missing(answer)


@pytest.mark.usefixtures("minute")
def test_a_client_beyond_its_rate(settings: Any) -> None:
    """A 429 carries them as well, on /api and on /v1."""
    app = create_app(settings(rate={"per_minute": 1}))
    with TestClient(app, base_url=HOST) as client:
        answers = [client.get(path) for path in ("/api/models", "/api/models", "/v1/models")]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert not any(map(missing, answers))


def test_a_body_that_is_too_large_is_a_problem(client: TestClient) -> None:
    """The refusal of a body, told by its length before it is read, is a problem and not bare text."""
    answer = client.post("/api/write", headers={"Content-Length": str(1 << 40)})
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert "RateLimit-Limit" in answer.headers


def test_a_body_that_grows_too_large_is_a_problem(settings: Any) -> None:
    """The same of a body that tells no length."""
    app = create_app(settings(uploads={"max_bytes": 1000}))

    @app.post("/api/body")
    def body(sent: dict[str, str]) -> None: ...

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    with TestClient(app, base_url=HOST) as client:
        answer = client.post("/api/body", content=pieces(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"
    assert not missing(answer)


def test_a_route_may_be_stricter(client: TestClient) -> None:
    """What a route says itself is not said again."""
    headers = client.get("/api/report").headers
    assert headers.get_list("Content-Security-Policy") == ["sandbox"]
    assert headers.get_list("Cache-Control") == ["max-age=60"]
    assert headers.get_list("X-Frame-Options") == ["SAMEORIGIN"]


def test_what_the_policy_allows(client: TestClient) -> None:
    """Scripts come from here alone, nothing frames a page, and only a client that records may use a microphone."""
    headers = client.get("/api/read").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "microphone=(self)" in headers["Permissions-Policy"]
    assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize(
    ("method", "path", "kept"),
    [
        ("GET", "/api/read", None),
        ("GET", "/api/same", None),
        ("GET", "/v1/read", "no-store"),
        ("POST", "/api/write", "no-store"),
        ("GET", "/nobody", "no-store"),
        ("GET", "/api/raise/bug", "no-store"),
    ],
)
def test_what_may_be_kept(client: TestClient, method: str, path: str, kept: str | None) -> None:
    """Answers of /v1, to writes and errors are kept by nobody; of the rest a route decides."""
    assert client.request(method, path).headers.get("Cache-Control") == kept


def test_https_is_to_be_kept_where_it_is_spoken(app: FastAPI) -> None:
    """Only an answer over https tells a browser to come by https from now on."""
    for scheme, told in (("http", False), ("https", True)):
        client = TestClient(app, base_url=f"{scheme}://localhost")
        assert ("Strict-Transport-Security" in client.get("/api/read").headers) is told


def test_a_page_may_read_an_error(client: TestClient) -> None:
    """Even what nobody foresaw can be read by a page that may ask: it is told what went wrong."""
    origin = "http://localhost:5173"
    answer = client.get("/api/raise/bug", headers={"Origin": origin})
    assert answer.status_code == 500
    assert answer.headers["Access-Control-Allow-Origin"] == origin

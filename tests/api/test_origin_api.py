"""Origin: by which names the server answers, which pages may read it, and which may write."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from modellab.server.app import create_app
from modellab.server.settings import ServerSettings

HERE = ["http://localhost", "http://localhost:5173", "https://127.0.0.1:8443", "http://[::1]:3000"]
ELSEWHERE = [
    "https://evil.example",
    "http://localhost.evil.example",
    "http://evil.example:80",
    "http://localhost@evil.example",
    "http://localhost:99999999",
    "ftp://localhost",
    "http://127.0.0.1.evil.example",
    "http://10.0.0.7",
    "null",
    "",
    "http://localhost/path",
]


def opened(settings: ServerSettings) -> FastAPI:
    """Give an application with a path to read and to write."""
    app = create_app(settings)

    @app.api_route("/api/thing", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    @app.api_route("/v1/thing", methods=["GET", "POST"])
    def thing() -> dict[str, str]:
        return {"done": "yes"}

    return app


@pytest.fixture(scope="module")
def app(lasting: ServerSettings) -> FastAPI:
    """Give one of a server as it is by default."""
    return opened(lasting)


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "localhost:8000", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8000"],
)
def test_names_of_this_machine(client: TestClient, host: str) -> None:
    """By default the server is called by the names of this machine, with any port."""
    assert client.get("/api/thing", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/api/thing", "/v1/thing", "/health", "/metrics", "/api/openapi.json", "/nobody"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_name_that_means_this_machine_only_today(client: TestClient, path: str, method: str) -> None:
    """A page whose own name was made to mean this machine (DNS rebinding) gets nothing, whatever it asks."""
    answer = client.request(method, path, headers={"Host": "evil.example", "Origin": "http://evil.example"})
    assert answer.status_code == 421
    body = answer.json()
    assert (body["error"]["code"] if path.startswith("/v1") else body["code"]) == "bad_host"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost:",
        "localhost:port",
        "localhost:123456",
        "user@localhost",
        "localhost/path",
        "localhost evil.example",
        "localhost,evil.example",
        "evil.example#localhost",
        "localhost.evil.example",
        "evillocalhost",
        "127.0.0.2",
        "0.0.0.0",
        "[::2]",
        "::1",
        "[::1",
        "[localhost]",
        "2130706433",
        "\xe9",
    ],
)
def test_what_is_no_name_of_the_server(client: TestClient, host: str) -> None:
    """A name that is malformed, or only looks like one of ours, is refused."""
    assert client.get("/api/thing", headers={"Host": host.encode("latin-1")}).status_code == 421


def test_two_names_are_none(client: TestClient) -> None:
    """Who calls the server by two names at once is refused, though one is right."""
    headers = [("Host", "localhost"), ("Host", "localhost")]
    assert client.get("/api/thing", headers=headers).status_code == 421


def test_the_address_that_was_connected_to(settings: Any) -> None:
    """A probe calls a server by its address: that cannot be a name that somebody bent."""
    app = opened(settings())
    for address in ("10.1.2.3", "[2001:db8::1]"):
        client = TestClient(app, base_url=f"http://{address}:8000")
        assert client.get("/api/thing").status_code == 200
        assert client.get("/api/thing", headers={"Host": "10.9.9.9:8000"}).status_code == 421
    client = TestClient(app, base_url="http://lab.example.org")
    assert client.get("/api/thing").status_code == 421


def test_names_of_the_settings(settings: Any) -> None:
    """The settings name hosts, all below a domain by a star; the domain itself is not below itself."""
    client = TestClient(opened(settings(allowed_hosts=("Lab.example.org", "*.models.example"))), base_url="http://x")
    told = {
        host: client.get("/api/thing", headers={"Host": host}).status_code
        for host in ("lab.example.org:443", "a.models.example", "a.b.models.example", "models.example", "localhost")
    }
    assert list(told.values()) == [200, 200, 200, 421, 421]


@pytest.mark.parametrize("origin", HERE)
def test_pages_of_this_machine_may_read_and_write(client: TestClient, origin: str) -> None:
    """A page of localhost, of any port, is told so in every answer, and no cookie is asked for."""
    for method in ("GET", "POST", "DELETE"):
        answer = client.request(method, "/api/thing", headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("origin", ELSEWHERE)
def test_pages_of_elsewhere_may_neither_read_nor_write(client: TestClient, origin: str) -> None:
    """What they ask for they cannot read, and what they send does nothing."""
    read = client.get("/api/thing", headers={"Origin": origin})
    assert read.status_code == 200
    assert "Access-Control-Allow-Origin" not in read.headers
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = client.request(method, "/api/thing", headers={"Origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "bad_origin")
    assert client.post("/v1/thing", headers={"Origin": origin}).json()["error"]["code"] == "bad_origin"


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_a_form_of_another_site(client: TestClient, kind: str) -> None:
    """A browser sends forms anywhere without asking first: they are refused by where they come from."""
    headers = {"Content-Type": kind, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.post("/api/thing", content=b"x", headers=headers).status_code == 403


def test_a_browser_that_hides_the_origin(client: TestClient) -> None:
    """Where a browser says only that the page is another site's, a write is refused; a read is not."""
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert client.post("/api/thing", headers=headers).status_code == 403
    assert client.get("/api/thing", headers=headers).status_code == 200
    for near in ("same-origin", "none"):
        assert client.post("/api/thing", headers={"Sec-Fetch-Site": near}).status_code == 200


def test_clients_that_are_no_browsers(client: TestClient) -> None:
    """Neither curl nor the openai client sends an origin: they write."""
    assert client.post("/api/thing").status_code == 200


def test_the_servers_own_pages(settings: Any) -> None:
    """A page that the server gave may write to it, by whatever name it was called, also behind a proxy for https."""
    app = opened(settings(allowed_hosts=("lab.example.org",)))
    client = TestClient(app, base_url="http://lab.example.org")
    same = [("lab.example.org", "https://lab.example.org"), ("lab.example.org:8000", "http://LAB.example.org:8000")]
    other = [("lab.example.org:8000", "http://lab.example.org"), ("lab.example.org", "https://lab.example.org:8000")]
    for pairs, status in ((same, 200), (other, 403)):
        for host, origin in pairs:
            assert client.post("/api/thing", headers={"Host": host, "Origin": origin}).status_code == status


def test_origins_of_the_settings(settings: Any) -> None:
    """An origin that the settings name may read and write; one that only begins so may not."""
    client = TestClient(opened(settings(cors_origins=("https://Lab.example.org/",))), base_url="http://localhost")
    named = client.post("/api/thing", headers={"Origin": "https://lab.example.org", "Sec-Fetch-Site": "cross-site"})
    assert named.status_code == 200
    assert named.headers["Access-Control-Allow-Origin"] == "https://lab.example.org"
    for near in ("https://lab.example.org.evil.example", "http://lab.example.org", "https://lab.example.org:8443"):
        assert client.post("/api/thing", headers={"Origin": near}).status_code == 403


def test_any_origin_at_all(settings: Any) -> None:
    """A star lets every page in, and none with cookies."""
    client = TestClient(opened(settings(cors_origins=("*",))), base_url="http://localhost")
    answer = client.post("/api/thing", headers={"Origin": "https://anybody.example"})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def preflight(client: TestClient, origin: str, method: str = "POST", **more: str) -> Any:
    headers = {"Origin": origin, "Access-Control-Request-Method": method} | more
    return client.options("/v1/thing", headers=headers)


def test_a_page_that_asks_before(client: TestClient) -> None:
    """A browser that asks whether a page of this machine may send a key and a file is told yes."""
    asked = {"Access-Control-Request-Headers": "authorization, content-type, x-stainless-os"}
    answer = preflight(client, "http://localhost:5173", **asked)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:5173"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "Origin" in answer.headers["Vary"]


def test_a_page_of_elsewhere_that_asks_before(client: TestClient) -> None:
    """It is told no, in words, and its origin is not among what is allowed."""
    answer = preflight(client, "https://evil.example")
    assert (answer.status_code, answer.json()["code"]) == (403, "bad_origin")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


def test_a_page_that_asks_for_what_is_none(client: TestClient) -> None:
    """A method that is not spoken here is refused before it is sent."""
    assert preflight(client, "http://localhost:5173", method="BREW").status_code == 403


def test_asking_before_needs_no_key(settings: Any) -> None:
    """A browser never sends a key with this question: it is answered without, and not counted."""
    app = opened(settings())
    client = TestClient(app, base_url="http://localhost")
    app.state.service.keys.create("a", ["read"])
    answer = preflight(client, "http://localhost:5173")
    assert answer.status_code == 200
    assert "RateLimit-Limit" not in answer.headers

"""Access: who is let in with which key, from where, and what happens when nobody can tell."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient

from modellab.machine.clock import now_utc
from modellab.server.app import create_app
from modellab.server.http.access import client_of, needs
from modellab.server.keys import SCOPES, Keys
from modellab.server.service import Service
from modellab.server.settings import ServerSettings

HOST = "http://localhost"
WRONG = "mlab_000000000000_" + "a" * 52


def guarded(settings: ServerSettings) -> FastAPI:
    """Give an application with a path for each scope, on /api and on /v1."""
    app = create_app(settings)
    for prefix in ("/api", "/v1"):
        for scope in SCOPES:
            router = APIRouter(prefix=f"{prefix}/test", dependencies=[needs(scope)])

            @router.get(f"/{scope}")
            def who(request: Request) -> dict[str, Any]:
                principal = request.state.principal
                return {"key": principal.key_id, "client": principal.client, "scopes": sorted(principal.scopes)}

            app.include_router(router)
    return app


@contextmanager
def served(settings: ServerSettings, address: str = "testclient") -> Iterator[tuple[TestClient, Keys]]:
    """Give a client at an address, and the server's keys."""
    app = guarded(settings)
    service: Service = app.state.service
    client = TestClient(app, base_url=HOST, raise_server_exceptions=False, client=(address, 50000))
    with client:
        yield client, service.keys


def bearer(plain: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {plain}"}


def statuses(client: TestClient, headers: dict[str, str] | None = None) -> list[int]:
    return [client.get(f"/api/test/{scope}", headers=headers or {}).status_code for scope in SCOPES]


def test_a_new_server_on_loopback_is_open(settings: Any) -> None:
    """Nobody made a key: whoever is on this machine may do all but administer."""
    with served(settings()) as (client, _):
        assert statuses(client) == [200, 200, 200, 401]
        assert client.get("/api/test/read").json() == {
            "key": None,
            "client": "testclient",
            "scopes": ["evaluate", "read", "transcribe"],
        }


def test_the_first_key_closes_it(settings: Any) -> None:
    """Once there is a key everybody needs one, at once, and also after it was revoked."""
    with served(settings()) as (client, keys):
        key, plain = keys.create("a", ["read"])
        assert statuses(client) == [401, 401, 401, 401]
        assert statuses(client, bearer(plain)) == [200, 403, 403, 403]
        keys.revoke(key.id)
        assert statuses(client) == [401, 401, 401, 401]
        assert statuses(client, bearer(plain)) == [401, 401, 401, 401]


def test_each_scope_opens_its_paths(settings: Any) -> None:
    """A key may do what its scopes say; who may administer may do everything."""
    with served(settings()) as (client, keys):
        made = {scope: keys.create(scope, [scope])[1] for scope in SCOPES}
        for at, scope in enumerate(SCOPES[:-1]):
            expected = [403] * 4
            expected[at] = 200
            assert statuses(client, bearer(made[scope])) == expected
        assert statuses(client, bearer(made["admin"])) == [200] * 4


def test_what_a_refusal_says(settings: Any) -> None:
    """401 says how to show a key, 403 what it lacks; each in the form of its path, and neither names a secret."""
    with served(settings()) as (client, keys):
        key, plain = keys.create("a", ["read"])
        nobody = client.get("/api/test/read")
        wrong = client.get("/v1/test/read", headers=bearer(WRONG))
        lacks = client.get("/v1/test/admin", headers=bearer(plain))
    assert nobody.status_code == 401
    assert nobody.json()["code"] == "no_key"
    assert nobody.headers["WWW-Authenticate"].startswith("Bearer")
    assert wrong.json()["error"]["code"] == "bad_key"
    assert wrong.headers["WWW-Authenticate"].startswith("Bearer")
    assert lacks.json()["error"]["code"] == "missing_scope"
    assert key.id in lacks.json()["error"]["message"]
    assert "WWW-Authenticate" not in lacks.headers
    assert plain not in lacks.text + wrong.text


def test_a_key_that_was_good(settings: Any) -> None:
    """An expired key and a revoked one are each refused by their own code."""
    with served(settings()) as (client, keys):
        _, plain_soon = keys.create("soon", ["read"], now_utc() + timedelta(hours=1))
        gone, plain_gone = keys.create("gone", ["read"])
        keys.revoke(gone.id)
        later = now_utc() + timedelta(hours=2)
        keys._now = lambda: later
        codes = [
            client.get("/api/test/read", headers=bearer(plain)).json()["code"] for plain in (plain_soon, plain_gone)
        ]
    assert codes == ["key_expired", "key_revoked"]


FORMS = [
    ({"Authorization": "Bearer {}"}, True),
    ({"Authorization": "bearer {}"}, True),
    ({"Authorization": "Bearer  {} "}, True),
    ({"X-API-Key": "{}"}, True),
    ({"X-API-Key": "nonsense", "Authorization": "Bearer {}"}, True),
    ({"X-API-Key": "{}", "Authorization": "Bearer nonsense"}, False),
    ({"Authorization": "{}"}, False),
    ({"Authorization": "Basic {}"}, False),
    ({"Authorization": "Bearer"}, False),
    ({"Authorization": "Bearer {}x"}, False),
    ({"Cookie": "key={}"}, False),
]


def test_where_a_key_is_shown(settings: Any) -> None:
    """In Authorization as a bearer's or in X-API-Key; the first wins, and nothing else counts."""
    with served(settings()) as (client, keys):
        _, plain = keys.create("a", ["read"])
        for form, let_in in FORMS:
            headers = {name: value.format(plain) for name, value in form.items()}
            assert client.get("/api/test/read", headers=headers).status_code == (200 if let_in else 401), form


def test_a_key_in_the_query_is_none(settings: Any) -> None:
    """A query is kept by every log on the way: a key in it opens nothing."""
    with served(settings()) as (client, keys):
        _, plain = keys.create("a", ["read"])
        for name in ("api_key", "key", "token", "access_token", "authorization", "X-API-Key"):
            assert client.get("/api/test/read", params={name: plain}).status_code == 401


def test_a_client_that_always_sends_some_key(settings: Any) -> None:
    """Where no key is needed one that is not ours is not looked at; one of ours that is wrong is told of."""
    with served(settings()) as (client, _):
        assert statuses(client, bearer("sk-anything")) == [200, 200, 200, 401]
        assert client.get("/api/test/read", headers=bearer(WRONG)).json()["code"] == "bad_key"


def test_beyond_this_machine_a_key_is_needed(settings: Any) -> None:
    """A server that others can reach is closed though there is no key yet."""
    with served(settings(host="0.0.0.0")) as (client, keys):
        assert statuses(client) == [401] * 4
        _, plain = keys.create("a", ["read", "transcribe"])
        assert statuses(client, bearer(plain)) == [200, 200, 403, 403]


def test_insecure_lets_everybody_in(settings: Any) -> None:
    """Whoever says so has a server without keys, but nobody administers it without one."""
    with served(settings(host="0.0.0.0", insecure=True), "203.0.113.9") as (client, keys):
        assert statuses(client) == [200, 200, 200, 401]
        _, plain = keys.create("a", ["admin"])
        assert statuses(client) == [200, 200, 200, 401]
        assert statuses(client, bearer(plain)) == [200] * 4


def test_a_proxy_on_this_machine_opens_nothing(settings: Any) -> None:
    """A request that a proxy brought from elsewhere needs a key, though the server listens on loopback."""
    for address, status in (("127.0.0.1", 200), ("::1", 200), ("203.0.113.9", 401), ("2001:db8::1", 401)):
        with served(settings(), address) as (client, _):
            assert client.get("/api/test/read").status_code == status


def test_nobody_is_let_in_without_a_database(settings: Any, tmp_path: Path) -> None:
    """Where keys cannot be looked up the answer is 503 to everybody, with a time to try again, and health goes on."""
    with served(settings()) as (client, keys):
        _, plain = keys.create("a", ["read"])
        data = tmp_path / "data"
        client.app.state.service.database.close()  # type: ignore[attr-defined]
        data.rename(tmp_path / "away")
        data.write_text("no folder")
        for headers in ({}, bearer(plain), bearer(WRONG)):
            answer = client.get("/api/test/read", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert answer.headers["Retry-After"] == "1"
            assert str(tmp_path) not in answer.text
        assert client.get("/health", headers=bearer(plain)).status_code == 200


def test_nobody_is_let_in_without_a_secret(settings: Any, tmp_path: Path) -> None:
    """Where the server's own secret is damaged no key can be checked: 503, and where it lies stays in the log."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret").write_bytes(b"short")
    with served(settings()) as (client, _):
        answer = client.get("/api/test/read", headers=bearer(WRONG))
    assert (answer.status_code, answer.json()["code"]) == (503, "keys_unavailable")
    assert str(tmp_path) not in answer.text


def test_what_breaks_unforeseen_lets_nobody_in(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody expected while a key is checked is a 500, not a way in."""

    def broken(self: Keys) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(Keys, "any", broken)
    with served(settings()) as (client, _):
        answer = client.get("/api/test/read")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")


def test_refusals_are_counted(settings: Any) -> None:
    """Each refusal for a key is counted by its reason."""
    with served(settings()) as (client, keys):
        _, plain = keys.create("a", ["read"])
        client.get("/api/test/read")
        client.get("/api/test/read", headers=bearer(WRONG))
        client.get("/api/test/admin", headers=bearer(plain))
        text = client.get("/metrics").text
    for reason in ("no_key", "bad_key", "missing_scope"):
        assert f'modellab_auth_failures_total{{reason="{reason}"}} 1.0' in text


NONSENSE = ["Bearer \x00", "Bearer " + "a" * 8000, "Bearer mlab_", "Bearer é", "\t", "Bearer mlab_%00"]


def test_nonsense_instead_of_a_key(settings: Any) -> None:
    """Whatever stands where a key should be is refused, never an error of the server."""
    with served(settings(host="0.0.0.0")) as (client, _):
        for path in ("/api/test/read", "/v1/test/read"):
            for shown in NONSENSE:
                assert client.get(path, headers={"Authorization": shown.encode("latin-1")}).status_code == 401, shown


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("testclient", "testclient"),
    ],
)
def test_whose_requests_are_counted_together(address: str, client: str) -> None:
    """An address is a client; of IPv6 the whole network is, for who has one has 2^64 addresses."""
    assert client_of({"client": (address, 1)}) == client


def test_a_request_from_nowhere() -> None:
    """Over a socket of a file system nobody has an address: they are one client."""
    assert client_of({"client": None}) == client_of({}) == "unknown"


def test_every_path_of_the_api_needs_a_key(settings: Any) -> None:
    """With a key in the table no path of /api or /v1 answers without one, but for health and the documentation."""
    app = create_app(settings(rate={"per_minute": 10_000}))
    app.state.service.keys.create("a", ["read"])
    free = {"/api/health", "/api/openapi.json"}
    asked = 0
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        for path, operations in client.get("/api/openapi.json").json()["paths"].items():
            if not path.startswith(("/api/", "/v1/")) or path in free:
                continue
            for method in operations:
                asked += 1
                url = path.replace("{", "").replace("}", "")
                assert client.request(method, url).status_code == 401, (method, path)
    assert asked > 3

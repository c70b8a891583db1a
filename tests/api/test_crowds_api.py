"""Crowds: many who ask several models at once, where only one is held."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi.testclient import TestClient
from small_bench import write_bench
from test_speech_api import ENGLISH, MODEL, send

from modellab.machine.clock import MONOTONIC
from modellab.server.app import create_app
from modellab.server.settings import PoolSettings, RateSettings


def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds."""
    deadline_s = MONOTONIC() + 20
    while not holds():
        assert MONOTONIC() < deadline_s, "it never held"
        time.sleep(0.01)


def test_who_asks_another_model_stands_in_line_at_once(settings: Any, tmp_path: Any) -> None:
    """However many wait for a model, who asks another one gets its place, and an answer when its time is up."""
    pool = PoolSettings(models=1, replicas=1, max_waiting=1, wait_s=3.0)
    fixtures = write_bench(tmp_path, "seconds_per_audio = 4")
    app = create_app(settings(fixtures=fixtures, pool=pool, rate=RateSettings(per_minute=10_000)))
    with TestClient(app, base_url="http://localhost") as client, ThreadPoolExecutor(3) as threads:
        holding = app.state.service.listeners.holding
        crowd = []
        for leases in (1, 2):
            crowd.append(threads.submit(send, client, model=MODEL))
            until(lambda leases=leases: [model.leases for model in holding().models] == [leases])
        other = threads.submit(send, client, model=ENGLISH)
        until(lambda: holding().waiting == 1)
        assert holding().models[0].leases == 2
        assert sorted(each.result().status_code for each in crowd) == [200, 503]
        assert "Retry-After" in other.result().headers or other.result().status_code == 200

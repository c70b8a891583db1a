"""Crowds: many who ask several models at once, where only one is held."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi.testclient import TestClient
from patience import PATIENCE_S, until
from test_speech_api import ENGLISH, MODEL, send, stood_still

from modellab.server.app import create_app
from modellab.server.settings import PoolSettings, RateSettings


def test_who_asks_another_model_stands_in_line_at_once(settings: Any) -> None:
    """However many wait for a model, who asks another one gets its place, and an answer when its time is up."""
    pool = PoolSettings(models=1, replicas=1, max_waiting=1, wait_s=PATIENCE_S)
    app = create_app(settings(pool=pool, rate=RateSettings(per_minute=10_000)))
    with TestClient(app, base_url="http://localhost") as client, ThreadPoolExecutor(3) as threads:
        listeners = app.state.service.listeners
        holding, crowd = listeners.holding, []
        with stood_still(client):
            for leases in (1, 2):
                crowd.append(threads.submit(send, client, model=MODEL))
                until(lambda leases=leases: [model.leases for model in holding().models] == [leases])
            listeners.settings = pool.model_copy(update={"wait_s": 0.3})
            late = send(client, model=ENGLISH)
            assert (late.status_code, "Retry-After" in late.headers) == (503, True)
            listeners.settings = pool
            other = threads.submit(send, client, model=ENGLISH)
            until(lambda: holding().waiting == 1)
            assert [model.leases for model in holding().models] == [2]
        assert [each.result().status_code for each in (*crowd, other)] == [200, 200, 200]

"""Metrics: what Prometheus reads of a server, and what keeps it from growing without end."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from modellab.pool.capacity import Capacity
from modellab.pool.holding import Held, Holding
from modellab.pool.size import Size
from modellab.server.app import create_app
from modellab.server.metrics import Metrics

HOST = "http://localhost"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(client: TestClient) -> Samples:
    """Give all samples as Prometheus's own parser reads them."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def test_requests(app: FastAPI, client: TestClient) -> None:
    """Each is counted by the template of its route, with how long it took and how much passed."""

    @app.post("/api/of/{id}")
    def of(id: str, sent: list[int]) -> str:  # noqa: A002 - a parameter of a path
        return id

    for name in ("a", "b", "c"):
        client.post(f"/api/of/{name}?q={name}", json=[1, 2])
    client.post("/api/of/a", json="no")
    samples = read(client)
    route = {"method": "POST", "route": "/api/of/{id}"}
    assert value(samples, "modellab_http_requests_total", **route, status="200") == 3
    assert value(samples, "modellab_http_requests_total", **route, status="422") == 1
    assert value(samples, "modellab_http_request_seconds_count", **route) == 4
    assert value(samples, "modellab_http_request_bytes_sum", **route) == 3 * len("[1,2]") + len('"no"')
    assert (value(samples, "modellab_http_response_bytes_sum", **route) or 0) > 9
    assert value(samples, "modellab_http_requests_in_progress") == 1  # this very one


def test_no_client_makes_a_label(client: TestClient) -> None:
    """Whatever paths, queries and hosts are asked for, they add nothing to what is kept."""
    client.get("/nobody/0")
    before = set(read(client))
    for number in range(30):
        client.get(f"/nobody/{number}")
        client.get(f"/v1/models/x{number}", headers={"X-Request-ID": f"request-{number}"})
        client.get("/health", headers={"Host": f"evil{number}.example"})
    client.get("/nobody/0")
    added = {name for name, _ in set(read(client)) - before}
    assert len(set(read(client)) - before) < 3 * 60
    labels = {label for _, labels in read(client) for label in labels}
    assert not any("evil" in text or "nobody" in text or "x1" in text for _, text in labels)
    assert added


def test_servers_in_one_process_count_apart(settings: Any) -> None:
    """Each application has a registry of its own."""
    first, second = (TestClient(create_app(settings()), base_url=HOST) for _ in range(2))
    first.get("/health")
    seen = {"method": "GET", "route": "/health", "status": "200"}
    assert value(read(first), "modellab_http_requests_total", **seen) == 1
    assert value(read(second), "modellab_http_requests_total", **seen) is None


def test_what_other_parts_count(app: FastAPI, client: TestClient) -> None:
    """Transcriptions, audio, waiting and refusals are there under the names that dashboards use."""
    metrics: Metrics = app.state.service.metrics
    metrics.transcribed("toy", "done", audio_s=2.5, took_s=0.5)
    metrics.transcribed("toy", "failed")
    metrics.queued(0.2)
    metrics.undecoded("too_long")
    samples = read(client)
    assert value(samples, "modellab_transcriptions_total", model="toy", outcome="done") == 1
    assert value(samples, "modellab_transcriptions_total", model="toy", outcome="failed") == 1
    assert value(samples, "modellab_audio_seconds_total", model="toy") == 2.5
    assert value(samples, "modellab_transcribe_seconds_sum", model="toy") == 0.5
    assert value(samples, "modellab_transcribe_seconds_count", model="toy") == 1
    assert value(samples, "modellab_queue_wait_seconds_count") == 1
    assert value(samples, "modellab_decode_refusals_total", code="too_long") == 1


def test_the_pool(app: FastAPI, client: TestClient) -> None:
    """What it holds, how much of what it may, who uses it and who waits are read at each scrape."""
    holding = Holding(
        models=(
            Held(key="a", state="leased", leases=2, size=Size(ram_bytes=100, vram_bytes=7), idle_s=None),
            Held(key="b", state="idle", leases=0, size=Size(ram_bytes=50), idle_s=3.0),
        ),
        capacity=Capacity(ram_bytes=1000),
        waiting=4,
        open=True,
    )
    assert value(read(client), "modellab_pool_models", state="idle") == 0
    app.state.service.metrics.watch_pool(lambda: holding)
    samples = read(client)
    states = {state: value(samples, "modellab_pool_models", state=state) for state in ("loading", "idle", "leased")}
    assert states == {"loading": 0, "idle": 1, "leased": 1}
    assert value(samples, "modellab_pool_memory_bytes") == 150
    assert value(samples, "modellab_pool_gpu_memory_bytes") == 7
    assert value(samples, "modellab_pool_memory_limit_bytes") == 1000
    assert value(samples, "modellab_pool_leases") == 2
    assert value(samples, "modellab_pool_waiting") == 4


def test_jobs_disk_and_process(app: FastAPI, client: TestClient) -> None:
    """Jobs by their state, the free disk and the process itself are told."""
    app.state.service.metrics.watch_jobs(lambda: {"queued": 2, "running": 1})
    samples = read(client)
    assert value(samples, "modellab_jobs", state="queued") == 2
    assert (value(samples, "modellab_disk_free_bytes") or 0) > 0
    assert (value(samples, "process_resident_memory_bytes") or 0) > 1 << 20


def test_a_part_that_cannot_tell(app: FastAPI, client: TestClient) -> None:
    """It is left out and told of; the others are there."""

    def gone() -> dict[str, int]:
        raise ConnectionError("no database")

    app.state.service.metrics.watch_jobs(gone)
    samples = read(client)
    assert value(samples, "modellab_scrape_failed", part="jobs") == 1
    assert value(samples, "modellab_scrape_failed", part="pool") == 0
    assert not [name for name, _ in samples if name == "modellab_jobs"]


@pytest.fixture
def locked(settings: Any) -> Iterator[TestClient]:
    """Give a client of a server whose metrics are for those who may read."""
    with TestClient(create_app(settings(metrics_need_key=True)), base_url=HOST) as client:
        yield client


def test_metrics_behind_a_key(locked: TestClient) -> None:
    """Where the settings say so, a key that may read is needed once there is one."""
    assert locked.get("/metrics").status_code == 200
    keys = locked.app.state.service.keys  # type: ignore[attr-defined]
    (_, reads), (_, hears) = keys.create("a", ["read"]), keys.create("b", ["transcribe"])
    told = {
        key: locked.get("/metrics", headers={"Authorization": f"Bearer {key}"}).status_code for key in (reads, hears)
    }
    assert locked.get("/metrics").status_code == 401
    assert list(told.values()) == [200, 403]


def test_metrics_without_a_database(locked: TestClient, tmp_path: Any) -> None:
    """Where keys cannot be looked up, metrics behind a key are shown to nobody."""
    locked.app.state.service.database.close()  # type: ignore[attr-defined]
    (tmp_path / "data").rename(tmp_path / "away")
    (tmp_path / "data").write_text("")
    assert locked.get("/metrics").status_code == 503

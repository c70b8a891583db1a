"""Metrics: what a server counts and measures, for Prometheus to read."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from modellab.pool.holding import Holding
from modellab.server.disk import disk_free_bytes
from modellab.server.hearing.hearing import Outcome
from modellab.server.settings import ServerSettings

Gather: TypeAlias = Callable[[], Iterable[Metric]]

QUICK_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
LONG_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
SIZES_BYTES = (1e3, 1e4, 1e5, 1e6, 5e6, 1e7, 2.5e7, 1e8)


class Metrics:
    """The metrics of one server, in a registry of its own. All methods may be called from any thread.

    Labels are bounded: a route is its template, a model one that the server serves, never what a client wrote.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        by_route = ("method", "route")
        self._requests = Counter("modellab_http_requests", "Requests.", (*by_route, "status"), registry=own)
        self._request_s = Histogram(
            "modellab_http_request_seconds", "How long requests took.", by_route, registry=own, buckets=QUICK_S
        )
        self._received = Histogram(
            "modellab_http_request_bytes", "What requests sent.", by_route, registry=own, buckets=SIZES_BYTES
        )
        self._sent = Histogram(
            "modellab_http_response_bytes", "What was answered.", by_route, registry=own, buckets=SIZES_BYTES
        )
        self._under_way = Gauge("modellab_http_requests_in_progress", "Requests under way.", registry=own)
        self._limited = Counter("modellab_rate_limited", "Requests beyond a client's rate.", registry=own)
        self._unlimited = Counter(
            "modellab_rate_limit_failures", "Requests let through because the counts could not be kept.", registry=own
        )
        self._shut_out = Counter("modellab_auth_failures", "Requests refused for their key.", ("reason",), registry=own)
        self._transcriptions = Counter(
            "modellab_transcriptions", "Transcriptions, by how they ended.", ("model", "outcome"), registry=own
        )
        self._audio_s = Counter("modellab_audio_seconds", "Audio that was transcribed.", ("model",), registry=own)
        self._transcribe_s = Histogram(
            "modellab_transcribe_seconds", "How long models took.", ("model",), registry=own, buckets=LONG_S
        )
        self._queue_s = Histogram(
            "modellab_queue_wait_seconds", "How long requests waited for a model.", registry=own, buckets=LONG_S
        )
        self._undecoded = Counter("modellab_decode_refusals", "Audio that was refused.", ("code",), registry=own)
        self._watched = _Watched()
        own.register(self._watched)
        ProcessCollector(registry=own)
        PlatformCollector(registry=own)

    @classmethod
    def of(cls, settings: ServerSettings, holding: Callable[[], Holding]) -> Self:
        """Give the metrics of a server, with its pool's and its disk's."""
        metrics = cls()
        metrics.watch_pool(holding)
        metrics.watch_disk(settings.runs)
        return metrics

    @contextmanager
    def request_under_way(self) -> Iterator[None]:
        """Count a request as under way for as long as the context lasts."""
        with self._under_way.track_inprogress():
            yield

    def requested(
        self, *, method: str, route: str, status: int, took_s: float, received_bytes: int, sent_bytes: int
    ) -> None:
        """Count a request that is over, under the template of its route."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_s.labels(method, route).observe(took_s)
        self._received.labels(method, route).observe(received_bytes)
        self._sent.labels(method, route).observe(sent_bytes)

    def limited(self) -> None:
        """Count a request beyond its client's rate."""
        self._limited.inc()

    def not_limited(self) -> None:
        """Count a request that was let through because the counts could not be kept."""
        self._unlimited.inc()

    def shut_out(self, reason: str) -> None:
        """Count a request that was refused for its key, by the code of the refusal."""
        self._shut_out.labels(reason).inc()

    def queued(self, wait_s: float) -> None:
        """Count a request that waited for a model, in seconds."""
        self._queue_s.observe(wait_s)

    def transcribed(
        self, model: str, outcome: Outcome, *, audio_s: float | None = None, took_s: float | None = None
    ) -> None:
        """Count a transcription that is over: the audio and the time only where there was an answer, in seconds."""
        self._transcriptions.labels(model, outcome).inc()
        if audio_s is not None:
            self._audio_s.labels(model).inc(audio_s)
        if took_s is not None:
            self._transcribe_s.labels(model).observe(took_s)

    def undecoded(self, code: str) -> None:
        """Count audio that was refused, by the code of the refusal."""
        self._undecoded.labels(code).inc()

    def watch(self, part: str, gather: Gather) -> None:
        """Have what a part says of itself read at each scrape; one that raises is left out and told of."""
        self._watched.add(part, gather)

    def watch_pool(self, holding: Callable[[], Holding]) -> None:
        """Show what a pool holds."""
        self.watch("pool", lambda: _pool(holding()))

    def watch_jobs(self, by_state: Callable[[], Mapping[str, int]]) -> None:
        """Show how many jobs are in each state."""
        self.watch("jobs", lambda: [_labelled("modellab_jobs", "Jobs, by state.", "state", by_state())])

    def watch_disk(self, folder: Path) -> None:
        """Show how much of the disk of a folder is free."""
        self.watch("disk", lambda: [_plain("modellab_disk_free_bytes", "Free disk.", disk_free_bytes(folder))])


class _Watched(Collector):
    """What is read from other parts at each scrape."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[str, Gather] = {}

    def add(self, part: str, gather: Gather) -> None:
        with self._lock:
            self._parts[part] = gather

    def describe(self) -> Iterable[Metric]:
        """Say nothing: else each part would be read when this is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            parts = dict(self._parts)
        failed: dict[str, float] = {}
        for part, gather in parts.items():
            try:
                found = tuple(gather())
            except Exception:  # noqa: BLE001 - what one part cannot tell shall not hide the others
                failed[part] = 1
            else:
                failed[part] = 0
                yield from found
        yield _labelled("modellab_scrape_failed", "Whether a part could not tell.", "part", failed)


def _pool(holding: Holding) -> Iterator[Metric]:
    states = ("loading", "idle", "leased", "closing")
    by_state = {state: sum(model.state == state for model in holding.models) for state in states}
    yield _labelled("modellab_pool_models", "Models that are held, by state.", "state", by_state)
    yield _plain("modellab_pool_memory_bytes", "What they take.", holding.size.ram_bytes)
    yield _plain("modellab_pool_gpu_memory_bytes", "What they take of a GPU.", holding.size.vram_bytes)
    if holding.capacity.ram_bytes is not None:
        yield _plain("modellab_pool_memory_limit_bytes", "What they may take.", holding.capacity.ram_bytes)
    yield _plain("modellab_pool_leases", "Leases that are out.", sum(model.leases for model in holding.models))
    yield _plain("modellab_pool_waiting", "Leases that are waited for.", holding.waiting)


def _plain(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def _labelled(name: str, what: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=[label])
    for of, value in values.items():
        family.add_metric([of], value)
    return family

"""Tracing: nothing without a collector, and no harm by one that is dead."""

import socket
import sys
import threading

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from modellab.errors import CannotServe
from modellab.machine.clock import MONOTONIC, timed
from modellab.server import tracing as module
from modellab.server.tracing import Tracing, trace_id


def test_nobody_collects() -> None:
    """Without an endpoint spans are nothing: no thread, no trace, no error."""
    tracing = Tracing.to(None)
    before = set(threading.enumerate())
    with tracing.running(), tracing.span("work", model="toy") as span:
        assert not span.is_recording()
        assert trace_id(span, None) is None
        assert set(threading.enumerate()) <= before


def test_spans_lie_within_each_other() -> None:
    """A span within another is its child, has its attributes, and is marked where an error leaves it."""
    kept = InMemorySpanExporter()
    tracing = Tracing(lambda: SimpleSpanProcessor(kept))
    with tracing.running():
        with tracing.span("outer") as outer, tracing.span("inner", wait_s=1.5):
            pass
        with pytest.raises(ValueError, match="no"), tracing.span("failed"):
            raise ValueError("no")
    inner, finished, failed = kept.get_finished_spans()
    assert inner.parent is not None
    assert inner.parent.span_id == outer.get_span_context().span_id
    assert inner.attributes is not None
    assert inner.attributes["wait_s"] == 1.5
    assert finished.status.status_code is StatusCode.UNSET
    assert failed.status.status_code is StatusCode.ERROR
    assert trace_id(outer, None) == f"{inner.context.trace_id:032x}"


def test_every_span_names_the_service() -> None:
    """A collector of many services knows whose a span is."""
    kept = InMemorySpanExporter()
    tracing = Tracing(lambda: SimpleSpanProcessor(kept))
    with tracing.running(), tracing.span("work"):
        pass
    assert kept.get_finished_spans()[0].resource.attributes["service.name"] == "modellab"


def test_what_sends_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint without the package to speak to it is told of, with what to install, before the server starts."""
    for missing in ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk.resources"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, missing, None)
            with pytest.raises(CannotServe, match=r"modellab\[tracing\]"):
                Tracing.to("http://localhost:4318")


@pytest.mark.parametrize("answers", [False, True], ids=["refuses", "hangs"])
def test_a_dead_collector_slows_nothing(monkeypatch: pytest.MonkeyPatch, *, answers: bool) -> None:
    """A thousand spans cost what they cost without one, whether it refuses or hangs, and the end does not wait long.

    The quickest of three times counts: what else this machine does slows the others.
    """
    monkeypatch.setattr(module, "CLOSE_S", 0.2)
    took_s, closed_s = [], []
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if answers:
            listening.listen()  # takes the connection, and never says a word
        for _ in range(3):
            tracing = Tracing.to(f"http://127.0.0.1:{listening.getsockname()[1]}")
            with tracing.running():
                took_s.append(timed(lambda tracing=tracing: a_thousand_spans(tracing))[1])
                began_s = MONOTONIC()
            closed_s.append(MONOTONIC() - began_s)
    assert min(took_s) < 2
    assert min(closed_s) < 1


def a_thousand_spans(tracing: Tracing) -> None:
    for _ in range(1000):
        with tracing.span("work"):
            pass


def test_baggage_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """What a client sends beside its trace is not read, so that nothing odd in it is logged word for word."""
    kept = InMemorySpanExporter()
    tracing = Tracing(lambda: SimpleSpanProcessor(kept))
    told = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "baggage": "a=%ff," * 2000, "tracestate": "=,,\xff"}
    with tracing.running(), tracing.request("GET", told) as span:
        assert trace_id(span, None) == "a" * 32
    readers = ("opentelemetry.baggage", "opentelemetry.trace")  # what other tests send may still be under way
    assert not [record for record in caplog.records if record.name.startswith(readers)]

"""Tracing: spans of requests and of what is done for them, sent to whoever collects them, or to nobody."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from modellab.errors import CannotServe

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

SERVICE = "modellab"
EXPORT_S = 2.0
CLOSE_S = 1.0

_CONTEXT = TraceContextTextMapPropagator()
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


class Tracing:
    """Gives spans. Where nobody collects them they cost next to nothing, and say nothing.

    Args:
        collect: makes what spans are handed to once they are over, when the server starts; None for nobody.

    Raises:
        CannotServe: when spans are to be collected, and the package for that is not installed.
    """

    def __init__(self, collect: "Callable[[], SpanProcessor] | None" = None) -> None:
        self._collect = collect
        self._provider = _provider() if collect else None
        self._tracer = self._provider.get_tracer(SERVICE) if self._provider else trace.NoOpTracer()

    @classmethod
    def to(cls, endpoint: str | None) -> Self:
        """Send spans to an OpenTelemetry collector, as http://HOST:4318; None for nobody. Raises what making one does.

        They are sent by a thread of their own. What cannot be sent is dropped: a dead collector slows nothing.
        """
        return cls(_sender(endpoint) if endpoint else None)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Collect spans for as long as the context lasts; what is left is sent within CLOSE_S, or dropped."""
        if self._provider is None or self._collect is None:
            yield
            return
        self._provider.add_span_processor(self._collect())
        try:
            yield
        finally:
            closing = threading.Thread(target=self._provider.shutdown, name="modellab-tracing", daemon=True)
            closing.start()
            closing.join(CLOSE_S)

    @contextmanager
    def span(self, name: str, **attributes: str | float | bool) -> Iterator[Span]:
        """Give a span of what the context does, within the one that is under way; an error that leaves marks it.

        Attributes never hold what was said, or what a client called its file.
        """
        with self._tracer.start_as_current_span(name, attributes=attributes) as span:
            yield span

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """Give the span of a request, within that of its client, where its headers tell of one.

        No other header is read: OpenTelemetry would log what is odd in a tracestate or in baggage word for word.
        """
        told = {"traceparent": headers.get("traceparent", "")}
        with self._tracer.start_as_current_span(
            method, context=_CONTEXT.extract(told), kind=SpanKind.SERVER, record_exception=False
        ) as span:
            yield span


def trace_id(span: Span, traceparent: str | None) -> str | None:
    """Give the id of the trace that a request is of: the span's, else the one that its client tells; None without.

    Source: https://www.w3.org/TR/trace-context/.
    """
    context = span.get_span_context()
    if context.is_valid:
        return f"{context.trace_id:032x}"
    told = _TRACEPARENT.fullmatch(traceparent or "")
    return told[1] if told else None


def _provider() -> "TracerProvider":
    try:
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415 - of an extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - of an extra
    except ImportError as error:
        raise _missing() from error
    return TracerProvider(resource=Resource({SERVICE_NAME: SERVICE}), shutdown_on_exit=False)


def _sender(endpoint: str) -> "Callable[[], SpanProcessor]":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - of an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - of an extra
    except ImportError as error:
        raise _missing() from error
    url = f"{endpoint.rstrip('/')}/v1/traces"
    return lambda: BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=EXPORT_S))


def _missing() -> CannotServe:
    return CannotServe("otlp_endpoint is set, and what sends traces is not installed: pip install 'modellab[tracing]'")

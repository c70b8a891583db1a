"""Observe: what is known of each request once it is over: a line in the log, a count, a span, and its id."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

import structlog
from opentelemetry.trace import Span, StatusCode
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modellab.machine.clock import MONOTONIC, Clock
from modellab.server.http.access import client_of
from modellab.server.service import Service
from modellab.server.tracing import trace_id

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
CLIENT_GONE = 499  # as nginx has it: nobody was there any more to be answered

_log = structlog.get_logger("modellab.access")
_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_RUN_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_INTERNAL = 500


@dataclass(slots=True)
class _Seen:
    """What passed so far of one request: sizes in bytes; the status is None before an answer begins."""

    unread: bool
    status: int | None = None
    received_bytes: int = 0
    sent_bytes: int = 0
    gone: bool = False
    error: str | None = None

    @property
    def outcome(self) -> int:
        """The status, or the one that stands for no answer."""
        return self.status or (CLIENT_GONE if self.gone else _INTERNAL)


class Observe:
    """Gives each request an id, its own where it has a sane one, and tells of it once: by its route, never its query.

    The id, and that of the trace it belongs to, stand in every line that is logged on its behalf. One that is answered
    before all that it sends was read is the last of its connection: the rest would be read for nothing, without end.
    """

    def __init__(self, app: ASGIApp, service: Service, clock: Clock = MONOTONIC) -> None:
        self.app, self._service, self._clock = app, service, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, began_s = Headers(scope=scope), self._clock()
        seen = _Seen(unread=_has_body(headers))
        id = _request_id(headers)  # noqa: A001 - what it is
        scope.setdefault("state", {})["request_id"] = id
        method = scope["method"] if scope["method"] in METHODS else "OTHER"

        async def received() -> Message:
            message = await receive()
            seen.gone = seen.gone or message["type"] == "http.disconnect"
            seen.received_bytes += len(message.get("body", b""))
            seen.unread = seen.unread and message.get("more_body", False)
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                told = MutableHeaders(scope=message)
                told["X-Request-ID"] = id
                if seen.unread:
                    told["Connection"] = "close"
            seen.sent_bytes += len(message.get("body", b""))
            await send(message)

        metrics = self._service.metrics
        with self._service.tracing.request(method, headers) as span:
            trace = trace_id(span, headers.get("traceparent"))
            bound = {"request_id": id} | ({"trace_id": trace} if trace else {})
            with structlog.contextvars.bound_contextvars(**bound), metrics.request_under_way():
                try:
                    await self.app(scope, received, sent)
                except BaseException as error:
                    seen.error = type(error).__name__
                    seen.gone = seen.gone or isinstance(error, asyncio.CancelledError)
                    raise
                finally:
                    took_s, route = self._clock() - began_s, _route(scope)
                    metrics.requested(
                        method=method,
                        route=route,
                        status=seen.outcome,
                        took_s=took_s,
                        received_bytes=seen.received_bytes,
                        sent_bytes=seen.sent_bytes,
                    )
                    _mark(span, method, route, seen)
                    _write(scope, method, route, seen, took_s)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _request_id(headers: Headers) -> str:
    told = headers.get("x-request-id", "")
    return told if _SANE_ID.fullmatch(told) else uuid4().hex


def _route(scope: Scope) -> str:
    """Give the template of the route that answered; `other` where none did, whatever the path was."""
    template = getattr(scope.get("route"), "path", None)
    if template is not None:
        return str(template)
    return str(scope["path"]) if scope["path"] == scope["app"].openapi_url else "other"


def _mark(span: Span, method: str, route: str, seen: _Seen) -> None:
    span.update_name(f"{method} {route}")
    span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": seen.outcome})
    if seen.error or seen.outcome >= _INTERNAL:
        span.set_status(StatusCode.ERROR, seen.error)


def _write(scope: Scope, method: str, route: str, seen: _Seen, took_s: float) -> None:
    """Write the line of a request; of a run only an id, and of an error only its kind."""
    principal = scope["state"].get("principal")
    run_id = str(scope.get("path_params", {}).get("run_id", ""))
    facts: dict[str, Any] = {
        "method": method,
        "route": route,
        "status": seen.outcome,
        "duration_s": round(took_s, 6),
        "received_bytes": seen.received_bytes,
        "sent_bytes": seen.sent_bytes,
        "client": principal.client if principal else client_of(scope),
    }
    facts |= {"run_id": run_id} if _RUN_ID.fullmatch(run_id) else {}
    facts |= {"error": seen.error} if seen.error else {}
    level: Literal["info", "warning"] = "warning" if seen.outcome >= _INTERNAL else "info"
    getattr(_log, level)("request", **facts)

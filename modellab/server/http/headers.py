"""Headers: what every answer tells a browser not to do with it."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

DEFAULTS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=(), display-capture=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
HSTS = "max-age=31536000"

_ERROR, _UNAUTHORIZED = 400, 401


class SecurityHeaders:
    """Adds headers to every answer. What a route says itself stays: one may be stricter, as `sandbox` is.

    An answer to a write, one of /v1, and an error are not to be kept by anybody, where a route says nothing else.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _guard(scope, message)
            await send(message)

        await self.app(scope, receive, guarded)


def _guard(scope: Scope, start: Message) -> None:
    start.setdefault("headers", [])
    headers, status = MutableHeaders(scope=start), start["status"]
    for name, value in DEFAULTS.items():
        headers.setdefault(name, value)
    if scope["scheme"] == "https":
        headers.setdefault("Strict-Transport-Security", HSTS)
    if scope["method"] in WRITES or scope["path"].startswith("/v1/") or status >= _ERROR:
        headers.setdefault("Cache-Control", "no-store")
    if status == _UNAUTHORIZED:
        headers.setdefault("WWW-Authenticate", 'Bearer realm="modellab"')

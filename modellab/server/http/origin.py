"""Origin: by which names a server may be called, and which pages may ask it."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from modellab.errors import Refused
from modellab.server.http.errors import request_id
from modellab.server.http.headers import WRITES
from modellab.server.http.problem import Problem, problem_of
from modellab.server.settings import ServerSettings

THIS_MACHINE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
SHOWN = (
    *("X-Request-ID", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
    *("Location", "ETag", "Content-Range", "Accept-Ranges", "Content-Disposition"),
)

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z_.-]+?)\.?(?::(\d{1,5}))?", re.IGNORECASE)
_PORTS = {"http": "80", "https": "443"}
_BAD_REQUEST = 400


class SharedWithPages(CORSMiddleware):
    """Lets pages of this machine, and of the origins that the settings name, read answers; never with cookies."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        super().__init__(
            app,
            allow_origins=_origins(settings),
            allow_origin_regex=THIS_MACHINE.pattern,
            allow_methods=("GET", "HEAD", "OPTIONS", *sorted(WRITES)),
            allow_headers=("*",),
            allow_private_network=True,
            expose_headers=SHOWN,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer whether a page may ask: with a problem where it may not."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < _BAD_REQUEST:
            return answer
        detail = f"{request_headers['origin'][:200]!r} may not ask this: name it in cors_origins if it should"
        refusal = Problem(status=403, code="bad_origin", detail=detail).answer("/")
        refusal.headers["Vary"] = answer.headers["Vary"]
        return refusal


class CalledByName:
    """Refuses requests that call the server by a name that is not its own, and writes of pages that are not its own.

    A page can have its own name mean this machine (DNS rebinding), and any page may send a form anywhere: so neither
    the address of the client nor a browser's rule of same origin protects a server that listens on loopback. A request
    without an origin is from no browser, and passes. Whether a page spoke http or https is left aside: a proxy may
    change it.

    Source: https://pkg.go.dev/net/http#CrossOriginProtection for the rule on writes.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self.app = app
        self._names = frozenset(name.lower() for name in settings.allowed_hosts)
        self._origins = frozenset(_origins(settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and (refusal := self._refusal(scope)):
            await problem_of(refusal).answer(scope["path"], request_id(scope))(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refused | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        host = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if host is None or not self._is_name(host[1].lower(), scope):
            told = hosts[0][:200] if hosts else ""
            return Refused(
                f"this server is not called {told!r}: name it in allowed_hosts if it should be",
                status=421,
                code="bad_host",
            )
        if scope["method"] in WRITES and not self._may_write(headers, host):
            return Refused(
                f"a page of {headers.get('origin', 'another site')[:200]!r} may not write here: name its origin in "
                "cors_origins if it should",
                status=403,
                code="bad_origin",
            )
        return None

    def _is_name(self, name: str, scope: Scope) -> bool:
        """Say whether a name is the server's: one of the settings, or the very address that was connected to."""
        if name in self._names or f"[{name}]" in self._names or "*" in self._names:
            return True
        if any(name.endswith(known[1:]) for known in self._names if known.startswith("*.")):
            return True
        own = (scope.get("server") or ("",))[0]
        return _is_address(name.strip("[]")) and name.strip("[]") == own

    def _may_write(self, headers: Headers, host: re.Match[str]) -> bool:
        origin = headers.get("origin")
        if origin is not None and ("*" in self._origins or origin.lower() in self._origins):
            return True
        if origin is not None and THIS_MACHINE.fullmatch(origin.lower()):
            return True
        if headers.get("sec-fetch-site") == "cross-site":
            return False
        return origin is None or _is_of(origin, host)


def _origins(settings: ServerSettings) -> tuple[str, ...]:
    return tuple(origin.rstrip("/").lower() for origin in settings.cors_origins)


def _is_of(origin: str, host: re.Match[str]) -> bool:
    """Say whether a page comes from a host of a name and a port."""
    try:
        page = urlsplit(origin.lower())
        page_host = _HOST.fullmatch(page.netloc)
    except ValueError:
        return False
    if page_host is None or page.scheme not in _PORTS or f"{page.scheme}://{page.netloc}" != origin.lower():
        return False
    usual = _PORTS[page.scheme]
    return page_host[1] == host[1].lower() and (page_host[2] or usual) == (host[2] or usual)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True

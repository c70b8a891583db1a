"""Access: who may do what."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import structlog
from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from modellab.errors import CannotServe, Refused
from modellab.server.aside import aside
from modellab.server.http.headers import WRITES
from modellab.server.http.problem import RETRY_S
from modellab.server.keys import Scope, is_loopback
from modellab.server.service import Service, service_of

PROBES = frozenset({"/health", "/api/health", "/metrics"})
ANYBODY: frozenset[Scope] = frozenset({"read", "transcribe", "evaluate"})
NOBODY: frozenset[Scope] = frozenset()

_log = structlog.get_logger("modellab.server")
_NETWORK_BITS = 64  # what one subscriber has of IPv6


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks.

    Attributes:
        key_id: the id of the key that was shown; None without one.
        scopes: what may be done.
        client: whose requests are counted together: a key's, else those from an address.
    """

    key_id: str | None
    scopes: frozenset[Scope]
    client: str

    def may(self, scope: Scope) -> bool:
        """Say whether something may be done; who may administer may do everything."""
        return scope in self.scopes or "admin" in self.scopes


def needs(scope: Scope) -> Any:  # noqa: ANN401 - what FastAPI takes for a dependency
    """Give the dependency of a router or a path that only who has a scope may use.

    A path that has it may answer 401 (no key, or one that is not valid), 403 (a key that may not), and 503 (nobody
    can tell). Whoever is let in is `request.state.principal`.
    """

    async def admitted(request: Request) -> None:
        await admit(request, scope)

    return Depends(admitted)


def is_probe(path: str) -> bool:
    """Say whether a path is for whoever watches a server: health and metrics are asked for without a key and a rate."""
    return path in PROBES or path.startswith("/health/")


class Doorkeeper:
    """Lets nobody write who may do nothing at all: FastAPI reads a body before it asks who sent it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Pass a request on; raises what `admit` does."""
        if scope["type"] == "http" and scope["method"] in WRITES and not is_probe(scope["path"]):
            await admit(Request(scope))
        await self.app(scope, receive, send)


async def admit(request: Request, scope: Scope | None = None) -> Principal:
    """Give who sent a request, where they have a scope; without one, where they have any.

    Raises:
        Refused: with status 401 where a key is needed, 403 where it lacks the scope, 503 where none can be checked.
        DatabaseUnavailable: when nobody can tell.
    """
    service = service_of(request)
    try:
        principal = await principal_of(service, request.scope)
        if not (principal.may(scope) if scope else principal.scopes):
            raise _refusal(principal, scope)
    except Refused as error:
        service.metrics.shut_out(error.code)
        raise
    return principal


async def principal_of(service: Service, scope: MutableMapping[str, Any]) -> Principal:
    """Give who sent a request. It is found out once a request.

    Raises:
        Refused: with status 401 when the key that is shown is not valid, with 503 when keys cannot be checked.
        DatabaseUnavailable: when nobody can tell.
    """
    state = scope.setdefault("state", {})
    if "principal" not in state and "stranger" not in state:
        try:
            state["principal"] = await aside(lambda: _principal(service, scope))
        except CannotServe as error:
            _log.error("keys cannot be checked", reason=str(error))
            words = "keys cannot be checked now"
            state["stranger"] = Refused(words, status=503, code="keys_unavailable", retry_after_s=RETRY_S)
        except Exception as error:  # noqa: BLE001 - raised below, however often it is asked
            state["stranger"] = error
    if "stranger" in state:
        stranger: Exception = state["stranger"]
        raise stranger
    principal: Principal = state["principal"]
    return principal


def client_of(scope: MutableMapping[str, Any]) -> str:
    """Give the address that a request came from, of an IPv6 one the network; a proxy's word is uvicorn's to judge."""
    host = scope["client"][0] if scope.get("client") else "unknown"
    try:
        address = ip_address(host)
    except ValueError:
        return str(host)
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or ip_network((int(address), _NETWORK_BITS), strict=False))


def _principal(service: Service, scope: MutableMapping[str, Any]) -> Principal:
    """Find out who sent a request. A key that looks like one of ours is checked even where none is needed."""
    shown = _shown(Headers(scope=scope))
    client = client_of(scope)
    if (shown is None or not shown.startswith("mlab_")) and _open(service, scope):
        return Principal(key_id=None, scopes=ANYBODY, client=client)
    if shown is None:
        return Principal(key_id=None, scopes=NOBODY, client=client)
    key = service.keys.check(shown)
    return Principal(key_id=key.id, scopes=key.scopes, client=f"key:{key.id}")


def _shown(headers: Headers) -> str | None:
    """Give the key that a request shows; never one of its query, which every log on the way would keep."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    return (token.strip() if kind.lower() == "bearer" else None) or headers.get("x-api-key")


def _open(service: Service, scope: MutableMapping[str, Any]) -> bool:
    """Say whether no key is needed: whoever asks is on this machine, and nobody ever made one; or all may."""
    if service.settings.insecure:
        return True
    return is_loopback(service.settings.host) and _near(scope) and not service.keys.any()


def _near(scope: MutableMapping[str, Any]) -> bool:
    """Say whether a request was sent on this machine: a proxy on it speaks for others, even where it names nobody."""
    host = scope["client"][0] if scope.get("client") else "localhost"
    try:
        ip_address(host)
    except ValueError:
        return "x-forwarded-for" not in Headers(scope=scope)
    return is_loopback(host)


def _refusal(principal: Principal, scope: Scope | None) -> Refused:
    may = f" that may {scope}" if scope else ""
    if principal.key_id is None:
        words = f"this needs a key{may}: send it as `Authorization: Bearer mlab_...`"
        return Refused(words, status=401, code="no_key")
    return Refused(f"the key mlab_{principal.key_id} may not {scope}", status=403, code="missing_scope")

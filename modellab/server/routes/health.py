"""Health: whether the server lives, and whether it could do now what it is for."""

from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from modellab.pool.holding import State
from modellab.server.aside import aside
from modellab.server.http.problem import answers
from modellab.server.readiness import CACHED_S, Finding
from modellab.server.service import Served

router = APIRouter(tags=["health"], responses=answers())

_VERSION = version("modellab")
_UNAVAILABLE = 503


class HeldModelBody(BaseModel):
    """A model that is held: its id, and whether it is loading, idle, leased or closing."""

    id: str
    state: State


class HealthBody(BaseModel):
    """That the server lives, of which version it is, and which models it holds."""

    status: Literal["ok"] = "ok"
    version: str
    models: list[HeldModelBody]


class CheckBody(BaseModel):
    """What one check found; `reason` says what is wrong."""

    ok: bool
    reason: str | None


class ReadinessBody(BaseModel):
    """Whether the server can take work, and what every check found."""

    status: Literal["ready", "not ready"]
    checks: dict[str, CheckBody]


@router.get("/health")
@router.get("/api/health", operation_id="read_api_health")
async def read_health(service: Served) -> HealthBody:
    """Say that the server lives. No disk and no database is asked, so that it never waits for either."""
    held = service.listeners.holding().models
    return HealthBody(version=_VERSION, models=[HeldModelBody(id=model.key, state=model.state) for model in held])


@router.get(
    "/health/ready",
    responses={_UNAVAILABLE: {"model": ReadinessBody, "description": "It cannot; `checks` says why."}},
)
async def read_readiness(service: Served, response: Response) -> ReadinessBody:
    """Say whether the server can take work. What is found holds for a moment, however often it is asked for."""
    finding = await aside(service.readiness.find)
    if service.stopping.is_set():
        finding = Finding(reasons={**finding.reasons, "stopping": "the server was told to stop"})
    if not finding.ready:
        response.status_code = _UNAVAILABLE
        response.headers["Retry-After"] = str(round(CACHED_S))
    checks = {name: CheckBody(ok=reason is None, reason=reason) for name, reason in finding.reasons.items()}
    return ReadinessBody(status="ready" if finding.ready else "not ready", checks=checks)

"""Errors over HTTP: a problem on /api, an envelope on /v1, and nothing of the server's inside."""

import errno

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from modellab.errors import DatabaseUnavailable, LoadFailed, PoolBusy, Refused, StoreFull, UnknownName, WorkerFailed

RAISED = [
    (UnknownName("model", "toi", ["toy"]), 404, "not_found", None),
    (PoolBusy("toy is not free", retry_after_s=2.2), 503, "model_busy", "3"),
    (LoadFailed("no weights", kind="OSError", retry_after_s=0.0), 503, "model_not_loaded", "1"),
    (WorkerFailed("ended", stage="transcribe", kind="SIGKILL", log=("a secret path",)), 503, "model_failed", "1"),
    (DatabaseUnavailable("a secret path: locked"), 503, "database_unavailable", "1"),
    (StoreFull("full"), 507, "disk_full", None),
    (OSError(errno.ENOSPC, "No space left"), 507, "disk_full", None),
    (Refused("no", status=429, code="too_many", retry_after_s=9), 429, "too_many", "9"),
    (ZeroDivisionError("a secret path"), 500, "internal", None),
]


@pytest.mark.parametrize("path", ["/api/raise", "/v1/raise"])
@pytest.mark.parametrize(("error", "status", "code", "retry_after"), RAISED, ids=lambda value: type(value).__name__)
def test_what_a_route_raises(
    app: FastAPI, *, path: str, error: Exception, status: int, code: str, retry_after: str | None
) -> None:
    """Each error has its status, its code and its Retry-After, and never the log of a process."""

    @app.get(path)
    def broken() -> None:
        raise error

    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        answer = client.get(path)
    body = answer.json()
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == retry_after
    assert (body["code"] if path.startswith("/api") else body["error"]["code"]) == code
    assert "secret" not in answer.text
    kind = "application/problem+json" if path.startswith("/api") else "application/json"
    assert answer.headers["Content-Type"].startswith(kind)


def test_nobody_lives_there(client: TestClient) -> None:
    """A path that is none is a 404 in the form that is spoken there."""
    assert client.get("/api/nothing").json()["code"] == "not_found"
    assert client.get("/v1/nothing").json()["error"]["code"] == "not_found"

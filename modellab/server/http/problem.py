"""Problem: what an error is over HTTP: RFC 9457 on /api, OpenAI's envelope on /v1."""

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

from modellab.errors import (
    BackendRaised,
    BackendUnavailable,
    BadAudio,
    BadDefinition,
    BadQuery,
    BadRecord,
    DatabaseUnavailable,
    LoadFailed,
    ModelLabError,
    ModelTooLarge,
    PoolBusy,
    PoolClosed,
    Refused,
    StoreFull,
    UnknownName,
    WorkerFailed,
    WorkForgone,
)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
RETRY_S = 1.0
EVERYWHERE = (400, 401, 403, 413, 421, 422, 429, 503)
"""What may be answered at every path: by what a request passes before it gets there, and by a database that is gone."""

_STATUS: Mapping[type[ModelLabError], tuple[int, str]] = {
    UnknownName: (404, "not_found"),
    BadAudio: (400, "bad_audio"),
    BadQuery: (400, "bad_query"),
    BadDefinition: (422, "bad_definition"),
    BackendUnavailable: (422, "model_unavailable"),
    ModelTooLarge: (422, "model_too_large"),
    BadRecord: (422, "bad_record"),
    PoolBusy: (503, "model_busy"),
    LoadFailed: (503, "model_not_loaded"),
    WorkerFailed: (503, "model_failed"),
    WorkForgone: (408, "client_gone"),
    PoolClosed: (503, "stopping"),
    StoreFull: (507, "disk_full"),
}


class ProblemBody(BaseModel):
    """An error on /api, as RFC 9457 has it. `code` is stable; `request_id` finds it in the log."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None
    errors: list[dict[str, Any]] = []


class ErrorBody(BaseModel):
    """What an error on /v1 says."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class EnvelopeBody(BaseModel):
    """An error on /v1, as OpenAI has it."""

    error: ErrorBody


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error on its way to a client: `param` names what was wrong, `errors` lists all that was."""

    status: int
    code: str
    detail: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[Mapping[str, Any], ...] = ()

    def answer(self, path: str, request_id: str | None = None) -> JSONResponse:
        """Give the response, in the form that is spoken at a path."""
        if path.startswith("/v1/"):
            kind = "server_error" if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
            error = ErrorBody(message=self.detail, type=kind, param=self.param, code=self.code)
            return JSONResponse(EnvelopeBody(error=error).model_dump(), self.status, dict(self.headers))
        body = ProblemBody(
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            code=self.code,
            request_id=request_id,
            errors=[dict(error) for error in self.errors],
        )
        return JSONResponse(body.model_dump(), self.status, dict(self.headers), media_type="application/problem+json")


def problem_of(error: Exception) -> Problem:
    """Give what an error is to a client; of one that nobody foresaw it says no more than that."""
    if isinstance(error, Refused):
        return Problem(
            status=error.status,
            code=error.code,
            detail=str(error),
            param=error.param,
            headers=_retry_after(error.retry_after_s),
        )
    if isinstance(error, BackendRaised):
        words = f"the model raised {error.kind} when it was asked to {error.stage}"
        return Problem(status=500, code="model_raised", detail=words)
    if isinstance(error, DatabaseUnavailable):  # its words say where the database is
        words = "the database of the server cannot be used now; its log says why"
        return Problem(status=503, code="database_unavailable", detail=words, headers=_retry_after(RETRY_S))
    for kind, (status, code) in _STATUS.items():
        if isinstance(error, kind):
            wait_s = getattr(error, "retry_after_s", RETRY_S if status == HTTPStatus.SERVICE_UNAVAILABLE else None)
            return Problem(status=status, code=code, detail=_first_line(error), headers=_retry_after(wait_s))
    if isinstance(error, OSError) and error.errno in _FULL:
        return Problem(status=507, code="disk_full", detail="the disk of the server is full")
    return Problem(status=500, code="internal", detail="something went wrong in the server; its log says what")


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Give the documentation of the errors that a path of /api may answer with, beside those of EVERYWHERE."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {"application/problem+json": {"schema": ProblemBody.model_json_schema()}},
        }
        for status in sorted({*EVERYWHERE, *statuses})
    }


def envelopes(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Give the documentation of the errors that a path of /v1 may answer with, beside those of EVERYWHERE."""
    return {
        status: {"description": HTTPStatus(status).phrase, "model": EnvelopeBody}
        for status in sorted({*EVERYWHERE, *statuses})
    }


def _retry_after(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": str(max(1, ceil(seconds)))}


def _first_line(error: Exception) -> str:
    """Give an error without the log of a process, which is not the client's to read."""
    return str(error).partition("\n")[0]

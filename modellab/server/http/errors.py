"""Errors: every error that leaves the application does so as a problem, whoever raised it."""

from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modellab.errors import DatabaseUnavailable, ModelLabError
from modellab.server.http.problem import Problem, problem_of

_log = structlog.get_logger("modellab.server")
_CODES = {401: "no_key", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class ErrorsAsProblems:
    """Answers with a problem what raised within, and what an inner layer answered as plain text.

    What raises once the answer has begun cannot be answered any more: it is logged, and the connection is cut.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(scope, receive, send)
        try:
            await self.app(scope, receive, answer.send)
        except Exception as error:
            if answer.begun:
                raise
            problem = problem_of(error)
            if not isinstance(error, ModelLabError) and problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                _log.exception("unforeseen", path=scope["path"])
            _tell_of_database(error)
            await answer.replace(problem)


class _Answer:
    """An answer on its way out: begun, or replaced by a problem."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun = False
        self._scope, self._receive, self._send = scope, receive, send
        self._replaced = False

    async def send(self, message: Message) -> None:
        """Send a part on, unless it is an error in plain text."""
        if message["type"] == "http.response.start" and _plain_error(message):
            self._replaced = True
            status = message["status"]
            words = f"the server answered {status}"
            await self.replace(Problem(status=status, code=_CODES.get(status, "refused"), detail=words))
        elif not self._replaced:
            self.begun = True
            await self._send(message)

    async def replace(self, problem: Problem) -> None:
        """Send a problem instead."""
        self.begun = True
        await problem.answer(self._scope["path"], request_id(self._scope))(self._scope, self._receive, self._send)


def _tell_of_database(error: Exception) -> None:
    if isinstance(error, DatabaseUnavailable):
        _log.error("database", reason=str(error))


def _plain_error(message: Message) -> bool:
    kind = next((value for name, value in message["headers"] if name.lower() == b"content-type"), b"")
    return message["status"] >= 400 and kind.startswith(b"text/plain")  # noqa: PLR2004 - the first of the errors


def request_id(scope: MutableMapping[str, Any]) -> str | None:
    """Give the id of a request, where an outer layer gave it one."""
    found: str | None = scope.get("state", {}).get("request_id")
    return found


def install(app: FastAPI) -> None:
    """Have an application answer what its routes raise, and what is wrong with a request, as problems."""

    async def refused(request: Request, error: Exception) -> JSONResponse:
        _tell_of_database(error)
        return problem_of(error).answer(request.url.path, request_id(request.scope))

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _invalid(request, error).answer(request.url.path, request_id(request.scope))

    async def plain(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if isinstance(error.__cause__, OSError):  # a form that could not be put on the disk
            return await refused(request, error.__cause__)
        code = _CODES.get(error.status_code, "refused")
        problem = Problem(
            status=error.status_code, code=code, detail=str(error.detail), headers=dict(error.headers or {})
        )
        return problem.answer(request.url.path, request_id(request.scope))

    app.add_exception_handler(ModelLabError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)


def _invalid(request: Request, error: RequestValidationError) -> Problem:
    """Give every fault of a request; where it was sent is left out, for it may be a secret or a megabyte."""
    faults = [{"where": ".".join(map(str, fault["loc"])), "message": fault["msg"]} for fault in error.errors()]
    told = "; ".join(f"{fault['where']}: {fault['message']}" for fault in faults)
    status = 400 if request.url.path.startswith("/v1/") else 422
    param = str(error.errors()[0]["loc"][-1]) if faults else None
    return Problem(status=status, code="invalid", detail=told, param=param, errors=tuple(faults))

"""Logs: one form for all that a server says, with what belongs to a request, and without what is nobody's to read."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

MASK = "***"

_SECRETS = (
    (re.compile(r"(mlab_[0-9a-f]{1,12})_[0-9A-Za-z]+"), rf"\1_{MASK}"),
    (re.compile(r"\b(bearer)\s+(?!mlab_)[^\s\"',;]+", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"(://[^/\s:@]*):[^/\s@]+@"), rf"\1:{MASK}@"),
)
_SECRET_NAMES = frozenset({"authorization", "x-api-key", "api_key", "cookie", "password", "secret", "token"})
_PRIVATE_NAMES = frozenset({"transcript", "text", "prompt", "reference", "filename", "file_name", "query_string"})

_OF_LINES = frozenset({"exception", "stack"})
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def configure(level: str, form: Literal["json", "console"], stream: TextIO = sys.stderr) -> None:
    """Have everything that is logged in this process, by whatever library, written as one line each.

    uvicorn's access log is silenced: the server writes a line for each request itself.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    written: list[Processor] = (
        [structlog.processors.JSONRenderer()]
        if form == "json"
        else [spelt_out, structlog.dev.ConsoleRenderer(colors=False)]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                discreet,
                *written,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], name != "uvicorn.access"


def discreet(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask keys, tokens and passwords wherever they stand; leave out what somebody said, unless it is for debugging."""
    debugging = event.get("level") == "debug"
    return {
        name: MASK if name.lower() in _SECRET_NAMES else _masked(value)
        for name, value in event.items()
        if debugging or name.lower() not in _PRIVATE_NAMES
    }


def spelt_out(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Write out what a terminal would obey, such as the escape that begins a colour; a traceback keeps its lines."""
    return {name: _spelt(value, name) if isinstance(value, str) else value for name, value in event.items()}


def _spelt(text: str, name: str) -> str:
    kept = "\n" if name in _OF_LINES else ""
    return _CONTROL.sub(lambda found: found[0] if found[0] == kept else repr(found[0])[1:-1], text)


def _masked(value: Any) -> Any:  # noqa: ANN401 - whatever is logged
    if isinstance(value, str):
        for pattern, mask in _SECRETS:
            value = pattern.sub(mask, value)
        return value
    if isinstance(value, Mapping | MutableMapping):
        return {name: MASK if str(name).lower() in _SECRET_NAMES else _masked(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _masked(str(value))

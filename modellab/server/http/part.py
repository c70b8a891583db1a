"""Part: bytes that a client may ask for in parts, as players do."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from modellab.server.http.conditional import NO_CACHE, unchanged
from modellab.server.http.errors import request_id
from modellab.server.http.problem import Problem

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)

Read = Callable[[int, int], Iterable[bytes]]


class Stretch(NamedTuple):
    """Bytes from `start` to before `end`."""

    start: int
    end: int


def stretch_of(header: str | None, size_bytes: int) -> Stretch | None:
    """Give the bytes that a Range header asks for.

    None is for all of them: where nothing is asked for, or what a server may pass over, as several ranges at once.
    A stretch without a byte is one that cannot be given.
    """
    asked = _RANGE.fullmatch((header or "").replace(" ", ""))
    if not asked or not any(asked.groups()):
        return None
    first, last = asked.groups()
    if not first:
        return Stretch(max(0, size_bytes - int(last)), size_bytes)
    end = size_bytes if not last else min(int(last) + 1, size_bytes)
    if last and int(last) < int(first):
        return None
    return Stretch(min(int(first), size_bytes), end)


def give(
    request: Request, read: Read, *, size_bytes: int, tag: str, media_type: str, headers: Mapping[str, str]
) -> Response:
    """Answer with bytes, or with those that were asked for: 200, 206, 304 to who has them, 416 where there are none.

    `read` gives the bytes from one place to another, which are never more than `size_bytes` when it was taken.
    """
    known = unchanged(request, tag)
    if known:
        return known
    same = request.headers.get("If-Range") in {None, tag}
    stretch = stretch_of(request.headers.get("Range"), size_bytes) if same else None
    if stretch and stretch.start >= stretch.end:
        problem = Problem(
            status=416,
            code="bad_range",
            detail=f"there are {size_bytes} bytes, and none of them was asked for",
            headers={"Content-Range": f"bytes */{size_bytes}"},
        )
        return problem.answer(request.url.path, request_id(request.scope))
    start, end = stretch or (0, size_bytes)
    told = {"Accept-Ranges": "bytes", "ETag": tag, "Cache-Control": NO_CACHE, "Content-Length": str(end - start)}
    if stretch:
        told["Content-Range"] = f"bytes {start}-{end - 1}/{size_bytes}"
    status = 206 if stretch else 200
    return StreamingResponse(read(start, end), status, {**headers, **told}, media_type=media_type)

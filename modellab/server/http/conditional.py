"""Conditional: what a client has already, or believes that the server has, told by tags."""

from hashlib import sha256

from fastapi import Request
from fastapi.responses import Response

NO_CACHE = "no-cache"  # a client may keep it, and asks each time whether it is still so


def tag_of(*facts: object) -> str:
    """Give a tag that is another when any of these facts is."""
    return f'"{sha256(repr(facts).encode()).hexdigest()[:24]}"'


def named(header: str | None) -> frozenset[str]:
    """Give the tags of an If-Match or If-None-Match header; a weak one counts as what it is weak of."""
    return frozenset(tag.strip().removeprefix("W/") for tag in (header or "").split(",") if tag.strip())


def unchanged(request: Request, tag: str) -> Response | None:
    """Give the answer 304 to a client that has what is tagged so; None to any other."""
    if not named(request.headers.get("If-None-Match")) & {tag, "*"}:
        return None
    return Response(status_code=304, headers={"ETag": tag, "Cache-Control": NO_CACHE})

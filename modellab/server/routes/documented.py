"""Documented: what paths may answer that no body and no problem tells of, for the OpenAPI document."""

from collections.abc import Iterable
from typing import Any

WITH_TAG: dict[int | str, dict[str, Any]] = {304: {"description": "Not Modified: it is what If-None-Match names"}}


def in_parts(media_types: Iterable[str]) -> dict[int | str, dict[str, Any]]:
    """Give the documentation of bytes that a client may ask for in parts, and that it may have already."""
    content: dict[str, dict[str, Any]] = {kind: {} for kind in media_types}
    return WITH_TAG | {
        200: {"description": "all of it", "content": content},
        206: {"description": "the part that Range names", "content": content},
    }

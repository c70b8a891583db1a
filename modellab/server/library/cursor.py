"""Cursor: where a page ended, in a word that goes into a URL. It holds values, so that what is new moves nothing."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import TypeVar

from pydantic import TypeAdapter
from pydantic_core import to_json

from modellab.errors import Refused

Place = TypeVar("Place")

MOST_CHARACTERS = 4096


def write_cursor(sort: str, place: Sequence[object]) -> str:
    """Give the word for the place that a page ended at, under an order."""
    return urlsafe_b64encode(to_json((sort, place))).decode().rstrip("=")


def read_cursor(written: str, sort: str, place: TypeAdapter[Place]) -> Place:
    """Give the place that a word means, under the order that it was written for.

    Raises:
        Refused: 400 where it is no such word.
    """
    try:
        decoded = urlsafe_b64decode(written + "=" * (-len(written) % 4))
        meant, found = TypeAdapter(tuple[str, object]).validate_json(decoded)
        found_place = place.validate_python(found)
    except ValueError as error:
        raise _refusal() from error
    if meant != sort:
        raise _refusal()
    return found_place


def _refusal() -> Refused:
    return Refused(
        "the cursor is none that this server gave for this order: begin again without it",
        status=400,
        code="bad_cursor",
        param="cursor",
    )

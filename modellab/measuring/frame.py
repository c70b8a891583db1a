"""Frame: what two processes say to each other at a time, as bytes.

A frame is 16 bytes (`MLAB`, the lengths of header and body, little endian), a header of JSON and a body of raw bytes.
This layout is the same in every version of the protocol, so that two versions can tell each other apart.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any, Self, TypeAlias

from modellab.errors import BadFrame

MAGIC = b"MLAB"
PREFIX = Struct("<4sIQ")
HEADER_LIMIT_BYTES = 64 << 20
BODY_LIMIT_BYTES = 1 << 30

Encoded: TypeAlias = tuple[bytes, bytes | bytearray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A header of JSON values and a body of raw bytes."""

    header: Mapping[str, Any]
    body: bytes | bytearray = b""

    def encoded(self) -> Encoded:
        """Give the bytes to send, in two parts so that the body is not copied.

        Raises:
            BadFrame: when JSON cannot hold the header, or the frame is longer than frames may be.
        """
        try:
            header = json.dumps(self.header).encode("ascii")
        except (TypeError, ValueError) as error:
            raise BadFrame(f"the header of a frame cannot be written as JSON: {error}") from error
        _refuse_too_long(len(header), len(self.body))
        return PREFIX.pack(MAGIC, len(header), len(self.body)) + header, self.body

    @classmethod
    def decoded(cls, header: bytes | bytearray, body: bytearray) -> Self:
        """Give the frame of these parts.

        Raises:
            BadFrame: when the header is not a JSON object.
        """
        try:
            facts = json.loads(header)
        except ValueError as error:
            raise BadFrame(f"the header of a frame is not JSON: {bytes(header[:80])!r}") from error
        if not isinstance(facts, dict):
            raise BadFrame(f"the header of a frame is not a JSON object: {bytes(header[:80])!r}")
        return cls(header=facts, body=body)


def lengths(prefix: bytes | bytearray) -> tuple[int, int]:
    """Give how many bytes of header and of body follow a prefix.

    Raises:
        BadFrame: when no frame begins so, or it is longer than frames may be.
    """
    magic, header_bytes, body_bytes = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise BadFrame(f"not a frame: it begins with {bytes(prefix)!r}")
    _refuse_too_long(header_bytes, body_bytes)
    return header_bytes, body_bytes


def _refuse_too_long(header_bytes: int, body_bytes: int) -> None:
    if header_bytes > HEADER_LIMIT_BYTES or body_bytes > BODY_LIMIT_BYTES:
        raise BadFrame(
            f"a frame of {header_bytes} + {body_bytes} bytes: at most {HEADER_LIMIT_BYTES} of header and "
            f"{BODY_LIMIT_BYTES} of body (4 h of audio) fit. Send less at once."
        )

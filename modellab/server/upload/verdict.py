"""Verdict: what is told between the server and the process that decodes a file: an order, and what came of it."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from modellab.errors import Refused
from modellab.server.upload.limits import Limits

ORDER_BYTES = 4096
LINE_BYTES = 4096
WORDS = 500
STATUSES = {400, 413, 415}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a file is, and how much it may become; the file itself is handed over by its descriptor."""

    kind: str
    limits: Limits

    def encoded(self) -> bytes:
        """Give the message, of ORDER_BYTES at most."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decoded(cls, message: bytes) -> Self:
        """Read it back."""
        told = json.loads(message)
        return cls(kind=told["kind"], limits=Limits(**told["limits"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of it.

    Attributes:
        samples: how many follow, as float32.
        peak_bytes: the most memory that the process held.
        refused: why none follow.
    """

    samples: int
    peak_bytes: int
    refused: Refused | None

    def line(self) -> bytes:
        """Give the line, of LINE_BYTES at most."""
        refused = self.refused and {
            "message": str(self.refused)[:WORDS],
            "status": self.refused.status,
            "code": self.refused.code,
        }
        told = {"samples": self.samples, "peak_bytes": self.peak_bytes, "refused": refused}
        return json.dumps(told).encode() + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> Self:
        """Read it back. Who wrote it may have been taken over by the file.

        Raises:
            ValueError, TypeError, KeyError: when it is no such line.
        """
        told = json.loads(line)
        refused = told["refused"] and _refused(**told["refused"])
        return cls(samples=int(told["samples"]), peak_bytes=int(told["peak_bytes"]), refused=refused)


def _refused(message: str, status: int, code: str) -> Refused:
    if status not in STATUSES:
        raise ValueError(f"no decoder answers {status}")
    return Refused(str(message), status=status, code=str(code), param="file")

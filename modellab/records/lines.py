"""Lines: a file of JSON objects, one a line, that several processes append to; a line is whole or passed over."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from modellab.errors import BadRecord, BadTranscript

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """A line that a crash or a full disk cut short, numbered from 1."""

    number: int


class Lines:
    """The lines of one file.

    Several processes may append at once: each line is one `write` to a descriptor opened for appending, which a
    local file system does not interleave.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def append(self, line: bytes) -> None:
        """Write one line, given without its end; the file and its folder are made where they are not there.

        Raises:
            OSError: when the disk does not take the whole line; all earlier lines stay readable.
        """
        line += b"\n"
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        if _ends_torn(self._descriptor):
            line = b"\n" + line
        if os.write(self._descriptor, line) < len(line):
            raise OSError("the disk took only part of a line")

    def read(self, parse: Callable[[bytes], Value]) -> Iterator[Value | Torn]:
        """Give what every line says to `parse`, in the order of writing, or that it was torn.

        Raises:
            BadRecord: when a line is whole JSON but `parse` refuses it; the message names file and line.
        """
        return (said for _, said in self.placed(parse))

    def placed(self, parse: Callable[[bytes], Value]) -> Iterator[tuple[int, Value | Torn]]:
        """Give what `read` gives, each with the byte that its line starts at.

        Raises:
            BadRecord: as `read` does.
        """
        if not self.path.exists():
            return
        with self.path.open("rb") as lines:
            start = 0
            for number, line in enumerate(lines, start=1):
                place, start = start, start + len(line)
                if line.isspace():
                    continue
                try:
                    said: Value | Torn = parse(line)
                except (ValidationError, BadRecord, BadTranscript) as error:
                    if not _is_torn(line):
                        raise BadRecord(f"{self.path}:{number}: {reason_of(error)}") from error
                    said = Torn(number=number)
                yield place, said

    def at(self, places: Iterable[int], parse: Callable[[bytes], Value]) -> Iterator[Value]:
        """Give what the lines that start at these bytes say.

        Raises:
            BadRecord: when one says nothing, since the file is another by now.
        """
        with self.path.open("rb") as lines:
            for place in places:
                lines.seek(place)
                try:
                    yield parse(lines.readline())
                except (ValidationError, BadRecord, BadTranscript) as error:
                    raise BadRecord(f"{self.path} changed while it was read: {reason_of(error)}") from error

    def close(self) -> None:
        """Close the file; harmless when called again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def reason_of(error: Exception) -> str:
    """Give why something was refused, in one line: of many faults of a value the first, and where it is."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}"


def _ends_torn(descriptor: int) -> bool:
    """Whether the file's last line was cut short, by this process or by one before it or beside it."""
    size_bytes = os.fstat(descriptor).st_size
    return size_bytes > 0 and os.pread(descriptor, 1, size_bytes - 1) != b"\n"


def _is_torn(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return True
    return False

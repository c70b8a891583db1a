"""Whole: files that are there as a whole or not at all, whoever is killed while they are written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a place beside a file to write it at. At the end it takes the file's place, at once.

    Where something is raised meanwhile the file stays as it was. Processes may write the same file at once: the last
    one's is kept. What a killed one leaves ends with `.new`, and is nobody's.

    Raises:
        OSError: when it cannot take the file's place.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        yield fresh
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise

"""Artefacts: the files of a run's folder that are for reading."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from modellab.errors import Refused

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}$"
PLOTS = "plots"
MEDIA_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_CHUNK_BYTES = 256 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One file, and its size and time of change when it was looked at."""

    name: str
    path: Path
    size_bytes: int
    mtime_ns: int

    @property
    def media_type(self) -> str:
        """What it is by its suffix."""
        return MEDIA_TYPES[self.path.suffix]

    def open(self) -> BinaryIO:
        """Open it.

        Raises:
            Refused: 404 when it is gone.
        """
        try:
            return self.path.open("rb")
        except OSError as error:
            raise _nothing(self.name) from error


def artefacts(folder: Path) -> tuple[Artefact, ...]:
    """Give the files of a run's folder and of its folder of plots, by name; links are left out."""
    found: dict[str, Artefact] = {}
    for place in (folder / PLOTS, folder):
        if not place.is_symlink():
            found |= {each.name: each for each in _within(place)}
    return tuple(found[name] for name in sorted(found))


def artefact(folder: Path, name: str) -> Artefact:
    """Give a file by name.

    Raises:
        Refused: 404 where there is none of this name that is for reading.
    """
    found = next((each for each in artefacts(folder) if each.name == name), None)
    if found is None:
        raise _nothing(name)
    return found


def read_stretch(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """Give the bytes of a file from `start` to before `end`, though it may have grown since, and close it."""
    with file:
        file.seek(start)
        left = end - start
        while left > 0 and (chunk := file.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk


def _within(place: Path) -> Iterator[Artefact]:
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if _for_reading(entry.name) and entry.is_file(follow_symlinks=False):
                    stat = entry.stat(follow_symlinks=False)
                    path = place / entry.name
                    yield Artefact(name=entry.name, path=path, size_bytes=stat.st_size, mtime_ns=stat.st_mtime_ns)
    except OSError:
        return


def _for_reading(name: str) -> bool:
    return Path(name).suffix in MEDIA_TYPES and re.fullmatch(NAME, name) is not None


def _nothing(name: str) -> Refused:
    return Refused(f"the run has no artefact {name!r}", status=404, code="not_found", param="name")

"""PinnedFile and FileSet: files known by their SHA-256, and where they may come from."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from modellab.errors import BadDefinition, WrongHash

_CHUNK_BYTES = 1 << 20
_HASH_DIGITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """A file by name, and what is known of it; `sha256` is None where nobody has pinned it yet.

    Raises:
        BadDefinition: when the name leads out of its folder or the hash is not a SHA-256 in lower-case hexadecimal.
    """

    name: str
    sha256: str | None = None
    size_bytes: int | None = None

    def __post_init__(self) -> None:
        path = PurePosixPath(self.name)
        if not self.name or "\\" in self.name or path.is_absolute() or ".." in path.parts or str(path) != self.name:
            raise BadDefinition(f"file name {self.name!r} must be a plain relative path such as 'model.bin'")
        if self.sha256 is not None and not is_sha256(self.sha256):
            raise BadDefinition(f"{self.name}: sha256 must be 64 lower-case hexadecimal digits, not {self.sha256!r}")


class Source(Protocol):
    """A place that pinned files can come from."""

    def describe(self) -> str:
        """Say where the files would come from, in a few words for a person."""

    def fetch(self, files: Sequence[PinnedFile], into: Path) -> None:
        """Put the files into a folder, under their names; whoever asked verifies them.

        Raises:
            SourceUnreachable: with the reason, when it cannot give every one of them.
            WrongHash: when what it holds is not what was pinned.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSet:
    """Files that belong together, and the sources to try for them, in order."""

    name: str
    files: tuple[PinnedFile, ...]
    sources: tuple[Source, ...]


def is_sha256(text: str) -> bool:
    """Say whether this is a SHA-256 in lower-case hexadecimal."""
    return len(text) == _HASH_DIGITS and set(text) <= set("0123456789abcdef")


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def verify(path: Path, pinned: PinnedFile) -> str:
    """Give the SHA-256 of a file that is what was pinned; one that is not is removed.

    Raises:
        WrongHash: naming the file, both hashes and what to do.
    """
    size_bytes, found = path.stat().st_size, sha256_of(path)
    if pinned.sha256 in {None, found}:
        return found
    path.unlink()
    of_size = "" if pinned.size_bytes in {None, size_bytes} else f" ({size_bytes} bytes, not {pinned.size_bytes})"
    raise WrongHash(
        f"{pinned.name}{of_size} has the SHA-256 {found}, but {pinned.sha256} is expected; it was removed from the "
        "cache and never used. If the source is right, put its hash into the definition; else use another source."
    )


def place(original: Path, target: Path) -> None:
    """Put a file where it is wanted without a second copy on the disk, if the disk allows it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(original.resolve(), target)
    except OSError:
        shutil.copy2(original, target)

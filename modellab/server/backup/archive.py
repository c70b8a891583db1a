"""Archive: the one file of a backup, written and read in a stream, with the hash of everything that passes."""

import gzip
import hashlib
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from modellab.server.backup.manifest import SECRET, Member

CHUNK_BYTES = 1 << 20
_COMPRESSION = 6


class Archive:
    """A tar file on its way, and what was put into it."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self.members: list[Member] = []
        self._tar = tar

    def add(self, name: str, file: BinaryIO, size_bytes: int) -> None:
        """Put in so many bytes of a file.

        Raises:
            OSError: when there is no room, or the file is shorter by now.
            UnicodeEncodeError: when its name is no text.
        """
        name.encode()
        hashed = Hashed(file)
        self._tar.addfile(_info(name, size_bytes), hashed)
        self.members.append(Member(name=name, size_bytes=size_bytes, sha256=hashed.sha256))

    def add_text(self, name: str, text: bytes) -> None:
        """Put in a file that no other file tells of."""
        self._tar.addfile(_info(name, len(text)), BytesIO(text))


@contextmanager
def archive_in(file: BinaryIO) -> Iterator[Archive]:
    """Give an archive that is written into a file, compressed, and whole once this has ended."""
    with (
        gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_COMPRESSION, filename="", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield Archive(tar)


class Hashed:
    """A file that hashes what is read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash = file, hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The hash of what was read until now."""
        return self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        piece = self._file.read(size)
        self._hash.update(piece)
        return piece


def sync(folder: Path) -> None:
    """See that a name in a folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cause_of(error: Exception) -> str:
    """Give why something went wrong, without the name of a file."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _info(name: str, size_bytes: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size_bytes, 0o600 if name == SECRET else 0o644
    return info

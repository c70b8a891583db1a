"""Archive: one wheel or sdist, and which of its members make up which file."""

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeAlias

from modellab.errors import SourceUnreachable, WrongHash
from modellab.sources.files import sha256_of

ArchiveKind = Literal["wheel", "sdist"]

_CHUNK_BYTES = 1 << 20
_OpenMember: TypeAlias = Callable[[str], IO[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One wheel or sdist of a project.

    `members` maps a file's name to the members that give its bytes, in order. Where several archives of one source
    name the same file, their bytes follow one another too.
    """

    project: str
    version: str
    sha256: str
    members: Mapping[str, tuple[str, ...]]
    kind: ArchiveKind = "wheel"
    size_bytes: int | None = None

    @property
    def name(self) -> str:
        """Kind, project and version, as a person would say them."""
        return f"{self.kind} {self.project}=={self.version}"

    def verify(self, path: Path) -> None:
        """Throw a downloaded archive away unless it is the one that was pinned.

        Raises:
            WrongHash: naming the archive and both hashes.
        """
        found = sha256_of(path)
        if found == self.sha256:
            return
        size_bytes = path.stat().st_size
        path.unlink()
        raise WrongHash(
            f"{self.name}: what was downloaded ({size_bytes} bytes) has the SHA-256 {found}, but {self.sha256} is "
            "pinned; it was removed and nothing was taken out of it"
        )

    def extract(self, path: Path, wanted: Iterable[str], into: Path) -> None:
        """Append this archive's members to the wanted files they belong to; touch nothing else in it.

        Raises:
            SourceUnreachable: when a member is missing, is not a plain file, or cannot be unpacked.
        """
        with ExitStack() as open_files:
            try:
                open_member = _opener(path, self.kind, open_files)
                for name in sorted(set(wanted) & self.members.keys()):
                    _append(into / name, self.members[name], open_member)
            except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
                raise SourceUnreachable(f"{self.name} cannot be unpacked: {error}") from error
            except KeyError as error:
                raise SourceUnreachable(f"{self.name} has no member {error.args[0]}") from error


def _append(target: Path, members: Iterable[str], open_member: _OpenMember) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("ab") as sink:
        for member in members:
            with open_member(member) as stream:
                shutil.copyfileobj(stream, sink, _CHUNK_BYTES)


def _opener(path: Path, kind: ArchiveKind, open_files: ExitStack) -> _OpenMember:
    if kind == "wheel":
        wheel = open_files.enter_context(zipfile.ZipFile(path))
        return lambda member: _open_in_zip(wheel, member)
    sdist = open_files.enter_context(tarfile.open(path, "r:gz"))  # noqa: SIM115
    return lambda member: _open_in_tar(sdist, member)


def _open_in_zip(wheel: zipfile.ZipFile, member: str) -> IO[bytes]:
    if member not in wheel.namelist():
        raise KeyError(member)
    entry = wheel.getinfo(member)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if entry.is_dir() or kind not in {0, stat.S_IFREG}:
        raise SourceUnreachable(f"its member {member} is not a plain file")
    return wheel.open(entry)


def _open_in_tar(sdist: tarfile.TarFile, member: str) -> IO[bytes]:
    if member not in sdist.getnames():
        raise KeyError(member)
    entry = sdist.getmember(member)
    stream = sdist.extractfile(entry) if entry.isreg() else None
    if stream is None:
        raise SourceUnreachable(f"its member {member} is not a plain file")
    return stream

"""Backup: the runs and the database in one file that can be verified, and put back."""

import gzip
import hashlib
import os
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.engine import make_url

from modellab.errors import BadBackup, BadRecord, NotWritten
from modellab.records.lines import reason_of
from modellab.records.run import SCHEMA as RUN_SCHEMA
from modellab.records.store import Store, point_latest
from modellab.server.database import SCHEMA as DATABASE_SCHEMA
from modellab.server.retention import LATEST, RESTORING, TRASH, remove
from modellab.server.settings import ServerSettings

FORMAT = 1
MANIFEST = "manifest.json"
ENDING = ".tar.gz"

RUNS, DATA = "runs", "data"
DATABASE, SECRET = f"{DATA}/server.sqlite3", f"{DATA}/secret"

_CHUNK_BYTES = 1 << 20
_COMPRESSION = 6
_DAMAGE = (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of a backup."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds. It is its last file: one that was cut short has none.

    Attributes:
        format: of the backup; a later one is not read.
        created_at: when it was begun, ISO 8601 in UTC. What was recorded before is in it.
        modellab: the version that made it.
        run_schema: of the runs.
        database_schema: of the database; None where that is not in it.
        database: what the server kept its own in. Only a copy of `sqlite` is in the backup.
        secret: whether what keys are hashed with is in it.
        latest: the run that `latest` named; None where there was none.
    """

    format: int
    created_at: str
    modellab: str
    run_schema: int
    database_schema: int | None
    database: Literal["sqlite", "elsewhere", "none"]
    secret: bool
    latest: str | None
    members: tuple[Member, ...]

    @property
    def runs(self) -> int:
        """How many runs are in it."""
        return len({PurePosixPath(each.name).parts[1] for each in self.members if each.name.startswith(f"{RUNS}/")})

    @property
    def size_bytes(self) -> int:
        """What it takes when it is put back."""
        return sum(member.size_bytes for member in self.members)


def back_up(settings: ServerSettings, to: Path, now: Callable[[], datetime], *, with_secret: bool = False) -> Manifest:
    """Write a backup, while a server may run and runs may be recorded. Every record written before is in it.

    The database comes first, so that what it says of runs is true of those that follow. It is a copy by SQLite's own
    means, which a copy of its files would not be; one by URL is left out, since its own tools do that (pg_dump).

    Raises:
        NotWritten: when there is such a file already.
        BadBackup: when it cannot be written, or the database cannot be read; nothing is left of it then.
    """
    if not to.name.endswith(ENDING):
        raise BadBackup(f"{to}: the name of a backup ends with {ENDING}")
    if to.exists():
        raise NotWritten(f"{to} is there already: name another file")
    fresh = to.with_name(f".{to.name}.{os.getpid()}.new")
    created_at = now().isoformat(timespec="seconds")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("xb") as file:
            with _archive(file) as archive:
                database = _pack_database(settings, archive, to.parent)
                if with_secret:
                    _pack_secret(settings, archive)
                _pack_runs(settings.runs, archive)
                manifest = Manifest(
                    format=FORMAT,
                    created_at=created_at,
                    modellab=version("modellab"),
                    run_schema=RUN_SCHEMA,
                    database_schema=DATABASE_SCHEMA if database == "sqlite" else None,
                    database=database,
                    secret=with_secret,
                    latest=_latest(settings.runs),
                    members=tuple(archive.members),
                )
                archive.add_text(MANIFEST, TypeAdapter(Manifest).dump_json(manifest, indent=1))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(to)
        _sync(to.parent)
    except (OSError, sqlite3.Error, UnicodeEncodeError) as error:
        raise BadBackup(f"the backup {to} could not be made, and nothing is left of it: {_reason(error)}") from error
    finally:
        fresh.unlink(missing_ok=True)
    return manifest


def verify(file: Path) -> Manifest:
    """Read a backup to its end, as if it were put back: every hash, the database, every run and every record.

    It is unpacked into the folder for temporary files ($TMPDIR), which needs room for it.

    Raises:
        BadBackup: with a line for each thing that is wrong.
    """
    with tempfile.TemporaryDirectory(prefix="modellab-verify-") as folder:
        place = Path(folder)
        return _unpack(file, {RUNS: place / RUNS, DATA: place / DATA})


def restore(file: Path, runs: Path, data: Path, *, force: bool = False) -> Manifest:
    """Put a backup back, once it was verified as `verify` does. No server may run on these folders meanwhile.

    Everything is unpacked beside its place and moved there at the end. With `force`, all runs and the database that
    are there are replaced.

    Raises:
        NotWritten: when something is there that would be replaced.
        BadBackup: when the backup is damaged, or there is no room: what was there is as it was.
    """
    there = (*_runs_in(runs), *_database_files(data))
    if there and not force:
        raise NotWritten(f"{there[0]} is there already: name an empty folder, or say --force to replace what is there")
    places = {RUNS: runs / RESTORING / "new", DATA: data / RESTORING / "new"}
    with ExitStack() as stack:
        for folder in (runs / RESTORING, data / RESTORING):
            stack.callback(remove, folder)
            remove(folder)
        manifest = _unpack(file, places)
        try:
            runs.mkdir(parents=True, exist_ok=True)
            _swap(places, runs, data)
            if manifest.latest and (runs / manifest.latest).is_dir():
                point_latest(runs / manifest.latest)
            _sync(runs)
        except OSError as error:
            raise BadBackup(f"{file} could not be put back: {_reason(error)}") from error
    return manifest


class _Archive:
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
        hashed = _Hashed(file)
        self._tar.addfile(_info(name, size_bytes), hashed)
        self.members.append(Member(name=name, size_bytes=size_bytes, sha256=hashed.sha256))

    def add_text(self, name: str, text: bytes) -> None:
        """Put in a file that no other file tells of."""
        self._tar.addfile(_info(name, len(text)), BytesIO(text))


@contextmanager
def _archive(file: BinaryIO) -> Iterator[_Archive]:
    with (
        gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_COMPRESSION, filename="", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield _Archive(tar)


class _Hashed:
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


def _info(name: str, size_bytes: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size_bytes, 0o600 if name == SECRET else 0o644
    return info


def _pack_database(settings: ServerSettings, archive: _Archive, beside: Path) -> Literal["sqlite", "elsewhere", "none"]:
    url = make_url(settings.database.get_secret_value())
    if url.get_backend_name() != "sqlite":
        return "elsewhere"
    if url.database is None or not Path(url.database).is_file():
        return "none"
    with tempfile.TemporaryDirectory(prefix=".modellab-backup-", dir=beside) as folder:
        copy = Path(folder) / "copy.sqlite3"
        with closing(sqlite3.connect(url.database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
        with copy.open("rb") as file:
            archive.add(DATABASE, file, copy.stat().st_size)
    return "sqlite"


def _pack_secret(settings: ServerSettings, archive: _Archive) -> None:
    """Put in what keys are hashed with.

    Raises:
        OSError: when there is no such file, since the secret is a setting.
    """
    path = settings.data / "secret"
    with path.open("rb") as file:
        archive.add(SECRET, file, path.stat().st_size)


def _pack_runs(root: Path, archive: _Archive) -> None:
    """Put in every run. One that is deleted meanwhile may be there in part, or not at all."""
    for path in (path for folder in _runs_in(root) for path in _files(folder)):
        with suppress(FileNotFoundError), path.open("rb") as file:
            size_bytes = _whole_bytes(file) if path.suffix == ".jsonl" else os.fstat(file.fileno()).st_size
            archive.add(f"{RUNS}/{path.relative_to(root).as_posix()}", file, size_bytes)


def _files(folder: Path) -> Iterator[Path]:
    """Give the files of a run, its description first. Links, locks and what is being written are left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".locks")
        for name in sorted(names, key=lambda name: (name != "run.json", name)):
            path = Path(place, name)
            if path.suffix != ".new" and path.is_file() and not path.is_symlink():
                yield path


def _whole_bytes(file: BinaryIO) -> int:
    """Give how long a file is up to the end of its last whole line, and stand at its beginning."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _CHUNK_BYTES)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    file.seek(0)
    return end


def _unpack(file: Path, places: dict[str, Path]) -> Manifest:
    """Unpack a backup, by the first part of each name, and check all that it holds.

    Raises:
        BadBackup: with a line for each thing that is wrong.
    """
    found: dict[str, Member] = {}
    manifest: Manifest | None = None
    last = "its beginning"
    try:
        with gzip.open(file) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
            for info in tar:
                last = repr(info.name)
                if info.name == MANIFEST:
                    manifest = _manifest(file, _opened(tar, info).read())
                else:
                    found[info.name] = _keep(_opened(tar, info), info.name, _place(file, info, places))
            while packed.read(_CHUNK_BYTES):  # to its end, where the sum of all is
                pass
    except FileNotFoundError as error:
        raise BadBackup(f"there is no backup {file}") from error
    except _DAMAGE as error:
        raise BadBackup(f"{file} is damaged or cut short: it cannot be read beyond {last}: {_reason(error)}") from error
    except OSError as error:
        raise BadBackup(f"{file} cannot be unpacked: {_reason(error)}") from error
    if manifest is None:
        raise BadBackup(f"{file} is cut short, or no backup of Model Lab's: it has no {MANIFEST}")
    faults = [*_differences(manifest, found), *_contents(manifest, places)]
    if faults:
        raise BadBackup("\n".join((f"{file} is damaged:", *faults)))
    return manifest


def _manifest(file: Path, text: bytes) -> Manifest:
    try:
        told = TypeAdapter(dict[str, object]).validate_json(text)
        if isinstance(told.get("format"), int) and told["format"] != FORMAT:
            raise BadBackup(f"{file} is of format {told['format']}, this version reads {FORMAT}: upgrade modellab")
        return TypeAdapter(Manifest).validate_json(text)
    except ValidationError as error:
        raise BadBackup(f"{file}: {MANIFEST} cannot be read: {reason_of(error)}") from error


def _opened(tar: tarfile.TarFile, info: tarfile.TarInfo) -> BinaryIO:
    opened = tar.extractfile(info) if info.isreg() else None
    if opened is None:
        raise BadBackup(f"{info.name!r} in the backup is no plain file: nothing was put back")
    return opened  # type: ignore[return-value]


def _place(file: Path, info: tarfile.TarInfo, places: dict[str, Path]) -> Path:
    """Give where a file goes, which is never outside the places.

    Raises:
        BadBackup: when it would go elsewhere.
    """
    first, _, rest = info.name.partition("/")
    parts = rest.split("/")
    known = first in places and (first == RUNS or info.name in {DATABASE, SECRET})
    if not known or "\0" in rest or any(part in {"", ".", "..", RESTORING, TRASH} for part in parts):
        raise BadBackup(f"{file} holds a file that no backup holds, and nothing was put back: {info.name!r}")
    return places[first].joinpath(*parts)


def _keep(packed: BinaryIO, name: str, path: Path) -> Member:
    path.parent.mkdir(parents=True, exist_ok=True)
    hashed, size_bytes = _Hashed(packed), 0
    with path.open("xb") as file:
        if name == SECRET:
            os.fchmod(file.fileno(), 0o600)
        while piece := hashed.read(_CHUNK_BYTES):
            size_bytes += file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return Member(name=name, size_bytes=size_bytes, sha256=hashed.sha256)


def _differences(manifest: Manifest, found: dict[str, Member]) -> Iterator[str]:
    """Say where the files are others than the manifest has them."""
    told = {member.name: member for member in manifest.members}
    yield from (f"{name} is missing" for name in told if name not in found)
    yield from (f"{name} is not in {MANIFEST}" for name in found if name not in told)
    for name in told.keys() & found.keys():
        if told[name] != found[name]:
            yield f"{name} is not what was backed up: its SHA-256 or size differs"


def _contents(manifest: Manifest, places: dict[str, Path]) -> Iterator[str]:
    """Say what of the files cannot be used."""
    if manifest.database == "sqlite":
        yield from _database_faults(places[DATA] / "server.sqlite3")
    for folder in _runs_in(places[RUNS]):
        store = Store(folder)
        if store.run_path.exists() or store.records_path.exists():
            try:
                store.run()
                for _ in store.lines():
                    pass
            except (BadRecord, OSError) as error:
                yield str(error).replace(f"{places[RUNS]}/", f"{RUNS}/")


def _database_faults(path: Path) -> Iterator[str]:
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path)) as database:
            said = [row[0] for row in database.execute("PRAGMA integrity_check")]
    except sqlite3.Error as error:
        said = [str(error)]
    yield from (f"{DATABASE}: {line}" for line in said if line != "ok")


def _swap(places: dict[str, Path], runs: Path, data: Path) -> None:
    """Move what was unpacked to its place, and what was there away; all of it or nothing.

    What the old database had not written into its file goes with it: it is none of the new one's.
    """
    with ExitStack() as undo:

        def move(path: Path, folder: Path) -> None:
            folder.mkdir(parents=True, exist_ok=True)
            undo.callback(path.rename(folder / path.name).rename, path)

        for path in (*_runs_in(runs), runs / LATEST):
            if path.is_dir() or path.is_symlink():
                move(path, runs / RESTORING / "old")
        for path in (*_database_files(data), data / "secret"):
            if path.name != "secret" or (path.exists() and (places[DATA] / "secret").exists()):
                move(path, data / RESTORING / "old")
        for kind, folder in ((RUNS, runs), (DATA, data)):
            for path in sorted(places[kind].glob("*")):
                move(path, folder)
        undo.pop_all()


def _database_files(data: Path) -> Iterator[Path]:
    """Give the files of the database that are there."""
    paths = (data / f"server.sqlite3{end}" for end in ("", "-wal", "-shm", "-journal"))
    return (path for path in paths if path.exists())


def _runs_in(root: Path) -> tuple[Path, ...]:
    """Give the folders that may be runs, by name; none where there is no folder. Links are none."""
    found = root.iterdir() if root.is_dir() else ()
    return tuple(
        sorted(path for path in found if path.is_dir() and not path.is_symlink() and not path.name.startswith("."))
    )


def _latest(root: Path) -> str | None:
    link = root / LATEST
    return link.readlink().name if link.is_symlink() and link.exists() else None


def _sync(folder: Path) -> None:
    """See that a name in a folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__

"""Restoring: a backup read to its end and checked, and put back."""

import gzip
import os
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import BinaryIO

from pydantic import TypeAdapter, ValidationError

from modellab.errors import BadBackup, BadRecord, NotWritten
from modellab.records.lines import reason_of
from modellab.records.store import LATEST, Store, point_latest
from modellab.server.backup.archive import CHUNK_BYTES, Hashed, cause_of, sync
from modellab.server.backup.manifest import DATA, DATABASE, FORMAT, LOGS, MANIFEST, RUNS, SECRET, Manifest, Member
from modellab.server.folders import RESTORING, TRASH, remove, run_names

_DAMAGE = (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error)


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
    there = (*(runs / name for name in run_names(runs)), *_database_files(data))
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
            sync(runs)
        except OSError as error:
            raise BadBackup(f"{file} could not be put back: {cause_of(error)}") from error
    return manifest


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
            while packed.read(CHUNK_BYTES):  # to its end, where the sum of all is
                pass
    except FileNotFoundError as error:
        raise BadBackup(f"there is no backup {file}") from error
    except _DAMAGE as error:
        raise BadBackup(
            f"{file} is damaged or cut short: it cannot be read beyond {last}: {cause_of(error)}"
        ) from error
    except OSError as error:
        raise BadBackup(f"{file} cannot be unpacked: {cause_of(error)}") from error
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
    is_log = info.name.rpartition("/")[0] == LOGS
    known = first in places and (first == RUNS or is_log or info.name in {DATABASE, SECRET})
    if not known or "\0" in rest or any(part in {"", ".", "..", RESTORING, TRASH} for part in parts):
        raise BadBackup(f"{file} holds a file that no backup holds, and nothing was put back: {info.name!r}")
    return places[first].joinpath(*parts)


def _keep(packed: BinaryIO, name: str, path: Path) -> Member:
    path.parent.mkdir(parents=True, exist_ok=True)
    hashed, size_bytes = Hashed(packed), 0
    with path.open("xb") as file:
        if name == SECRET:
            os.fchmod(file.fileno(), 0o600)
        while piece := hashed.read(CHUNK_BYTES):
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
    for name in run_names(places[RUNS]):
        store = Store(places[RUNS] / name)
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

        for name in (*run_names(runs), LATEST):
            path = runs / name
            if path.is_dir() or path.is_symlink():
                move(path, runs / RESTORING / "old")
        replaced = (data / name for name in ("secret", "jobs") if (places[DATA] / name).exists())
        for path in (*_database_files(data), *(path for path in replaced if path.exists())):
            move(path, data / RESTORING / "old")
        for kind, folder in ((RUNS, runs), (DATA, data)):
            for path in sorted(places[kind].glob("*")):
                move(path, folder)
        undo.pop_all()


def _database_files(data: Path) -> Iterator[Path]:
    """Give the files of the database that are there."""
    paths = (data / f"server.sqlite3{end}" for end in ("", "-wal", "-shm", "-journal"))
    return (path for path in paths if path.exists())

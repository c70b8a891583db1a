"""Making: a backup that is written while all goes on."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from pydantic import TypeAdapter
from sqlalchemy.engine import make_url

from modellab.errors import BadBackup, NotWritten
from modellab.records.run import SCHEMA as RUN_SCHEMA
from modellab.records.store import LATEST
from modellab.server.backup.archive import CHUNK_BYTES, Archive, archive_in, cause_of, sync
from modellab.server.backup.manifest import DATABASE, FORMAT, LOGS, MANIFEST, RUNS, SECRET, DatabaseKind, Manifest
from modellab.server.database import SCHEMA as DATABASE_SCHEMA
from modellab.server.folders import run_names
from modellab.server.settings import ServerSettings

ENDING = ".tar.gz"


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
            with archive_in(file) as archive:
                database = _pack_database(settings, archive, to.parent)
                if with_secret:
                    _pack_secret(settings, archive)
                _pack_logs(settings.data / "jobs", archive)
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
        sync(to.parent)
    except (OSError, sqlite3.Error, UnicodeEncodeError) as error:
        raise BadBackup(f"the backup {to} could not be made, and nothing is left of it: {cause_of(error)}") from error
    finally:
        fresh.unlink(missing_ok=True)
    return manifest


def _pack_database(settings: ServerSettings, archive: Archive, beside: Path) -> DatabaseKind:
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


def _pack_secret(settings: ServerSettings, archive: Archive) -> None:
    """Put in what keys are hashed with.

    Raises:
        OSError: when there is no such file, since the secret is a setting.
    """
    path = settings.data / "secret"
    with path.open("rb") as file:
        archive.add(SECRET, file, path.stat().st_size)


def _pack_logs(folder: Path, archive: Archive) -> None:
    """Put in what jobs have printed. One that is replaced meanwhile, or deleted, is there as it was, or not at all."""
    for path in sorted(folder.glob("*.log")):
        with suppress(FileNotFoundError), path.open("rb") as file:
            archive.add(f"{LOGS}/{path.name}", file, os.fstat(file.fileno()).st_size)


def _pack_runs(root: Path, archive: Archive) -> None:
    """Put in every run. One that is deleted meanwhile may be there in part, or not at all."""
    for path in (path for name in run_names(root) for path in _files(root / name)):
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
        start = max(0, end - CHUNK_BYTES)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    file.seek(0)
    return end


def _latest(root: Path) -> str | None:
    link = root / LATEST
    return link.readlink().name if link.is_symlink() and link.exists() else None

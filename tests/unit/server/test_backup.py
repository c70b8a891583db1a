"""Backup: taken while all is written to, verified to the last record, and put back as it was."""

import gzip
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select

from modellab.errors import BadBackup, NotWritten
from modellab.machine.clock import MONOTONIC
from modellab.records.store import Store, point_latest
from modellab.server.backup import making
from modellab.server.backup.making import back_up
from modellab.server.backup.manifest import MANIFEST
from modellab.server.backup.restoring import restore, verify
from modellab.server.database import Database
from modellab.server.settings import ServerSettings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PATIENCE_S = 30.0
MakeRun = Callable[..., Path]

numbers = Table("numbers", MetaData(), Column("number", Integer, primary_key=True))


def now() -> datetime:
    return NOW


@pytest.fixture
def settings(tmp_path: Path, make_run: MakeRun) -> ServerSettings:
    """Settings of a server with two runs, a database and a secret."""
    settings = ServerSettings(_env_file=None, runs=tmp_path / "runs", data=tmp_path / "data")
    for name in ("a", "b"):
        make_run(settings.runs / name, NOW)
    (settings.runs / "a" / "labels.json").write_text('{"pinned": true}')
    point_latest(settings.runs / "b")
    with closing(open_database(settings)) as database, database.writing() as connection:
        numbers.create(connection)
        connection.execute(insert(numbers), [{"number": number} for number in range(500)])
    (settings.data / "secret").write_text("quiet")
    (settings.data / "jobs").mkdir()
    (settings.data / "jobs" / "one.log").write_text("what it printed")
    return settings


def open_database(settings: ServerSettings) -> Database:
    return Database.open(settings.database.get_secret_value())


@pytest.fixture
def backup(settings: ServerSettings, tmp_path: Path) -> Path:
    """A backup of it."""
    back_up(settings, tmp_path / "backups" / "one.tar.gz", now)
    return tmp_path / "backups" / "one.tar.gz"


def files_below(folder: Path) -> dict[str, bytes]:
    """Give what the files of a folder hold, but for locks."""
    paths = [path for path in folder.rglob("*") if path.is_file() and ".locks" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def count_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT COUNT(*) FROM numbers").fetchone()[0])


def rewrite(backup: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Write a backup anew, well packed, with its files changed."""
    with tarfile.open(backup) as old:
        files = {info.name: old.extractfile(info).read() for info in old}  # type: ignore[union-attr]
    change(files)
    with tarfile.open(backup, "w:gz") as new:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            new.addfile(info, BytesIO(content))


def test_everything_comes_back(settings: ServerSettings, backup: Path, tmp_path: Path) -> None:
    """What is put back is what was there, byte for byte, `latest` too; the secret only where it was asked for."""
    told = verify(backup)
    assert (told.runs, told.database, told.secret, told.latest) == (2, "sqlite", False, "b")
    assert told.created_at == "2026-11-23T12:00:00+00:00"
    assert restore(backup, tmp_path / "new" / "runs", tmp_path / "new" / "data") == told
    assert files_below(tmp_path / "new" / "runs") == files_below(settings.runs)
    assert (tmp_path / "new" / "runs" / "latest").readlink() == Path("b")
    assert sorted(files_below(tmp_path / "new" / "data")) == ["jobs/one.log", "server.sqlite3"]
    assert (tmp_path / "new" / "data" / "jobs" / "one.log").read_text() == "what it printed"
    assert count_in(tmp_path / "new" / "data" / "server.sqlite3") == 500
    assert [path.name for path in backup.parent.iterdir()] == ["one.tar.gz"]
    assert sorted(path.name for path in (tmp_path / "new" / "runs").iterdir()) == ["a", "b", "latest"]

    back_up(settings, tmp_path / "two.tar.gz", now, with_secret=True)
    restore(tmp_path / "two.tar.gz", tmp_path / "newer" / "runs", tmp_path / "newer" / "data")
    assert (tmp_path / "newer" / "data" / "secret").read_text() == "quiet"
    assert (tmp_path / "newer" / "data" / "secret").stat().st_mode & 0o077 == 0


def test_a_backup_during_writes_loses_nothing(
    settings: ServerSettings, tmp_path: Path, record_of: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While records and rows are written, what was committed before is in the backup, whole and in order."""
    (settings.runs / "b" / "noise.bin").write_bytes(os.urandom(8 << 20))
    store, database, begun, ended = Store(settings.runs / "a"), open_database(settings), Event(), Event()
    records, rows = [0], [0]

    def record() -> None:
        while not ended.is_set():
            store.append(record_of(f"late-{records[0]}"))  # type: ignore[arg-type]
            records[0] += 1

    def row() -> None:
        while not ended.is_set():
            with database.writing() as connection:
                connection.execute(insert(numbers), [{"number": 1000 + 2 * rows[0]}, {"number": 1001 + 2 * rows[0]}])
            rows[0] += 1
            if rows[0] > 20 and records[0] > 20:
                begun.set()

    def pack_runs_late(*how: object) -> None:
        before = records[0], rows[0]
        end_s = MONOTONIC() + PATIENCE_S
        while records[0] == before[0] or rows[0] == before[1]:
            assert MONOTONIC() < end_s, "nothing was written meanwhile: the test says nothing"
            time.sleep(0.005)
        pack_runs(*how)

    pack_runs = making._pack_runs
    monkeypatch.setattr(making, "_pack_runs", pack_runs_late)
    threads = [Thread(target=record), Thread(target=row)]
    for thread in threads:
        thread.start()
    try:
        assert begun.wait(PATIENCE_S)
        committed = records[0], rows[0]
        back_up(settings, tmp_path / "one.tar.gz", now)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        store.close()
        database.close()
    restore(tmp_path / "one.tar.gz", tmp_path / "new" / "runs", tmp_path / "new" / "data")
    back = Store(tmp_path / "new" / "runs" / "a")
    late = [each.utterance for each in back.records() if each.utterance.startswith("late-")]
    assert back.torn_lines() == 0
    assert late == [f"late-{number}" for number in range(len(late))]
    assert committed[0] <= len(late) <= records[0]
    url = f"sqlite:///{tmp_path / 'new' / 'data' / 'server.sqlite3'}"
    with closing(Database.open(url)) as restored, restored.reading() as connection:
        found = connection.scalar(select(func.count()).select_from(numbers).where(numbers.c.number >= 1000)) or 0
    assert found % 2 == 0, "half of what was committed together"
    assert committed[1] <= found // 2 <= rows[0]


def test_a_line_that_is_being_written_is_left_out(settings: ServerSettings, tmp_path: Path) -> None:
    """A record without its end is not in the backup; all whole ones are, however long the unfinished one is."""
    path = settings.runs / "a" / "records.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"model": "' + b"x" * (3 << 20))
    (settings.runs / "b" / "records.jsonl").write_bytes(b'{"mo')
    back_up(settings, tmp_path / "one.tar.gz", now)
    restore(tmp_path / "one.tar.gz", tmp_path / "new", tmp_path / "data2")
    assert (tmp_path / "new" / "a" / "records.jsonl").read_bytes() == whole
    assert (tmp_path / "new" / "b" / "records.jsonl").read_bytes() == b""


def test_links_locks_and_drafts_stay(settings: ServerSettings, tmp_path: Path) -> None:
    """What a link leads to is not ours; locks and unfinished files mean nothing elsewhere."""
    (tmp_path / "password").write_text("sesame")
    (settings.runs / "a" / "link").symlink_to(tmp_path / "password")
    (settings.runs / "elsewhere").symlink_to(tmp_path)
    (settings.runs / "a" / "run.json.new").write_text("{")
    told = back_up(settings, tmp_path / "one.tar.gz", now)
    assert {member.name for member in told.members} == {
        "data/server.sqlite3", "data/jobs/one.log", "runs/a/run.json", "runs/a/labels.json", "runs/a/records.jsonl",
        "runs/b/run.json", "runs/b/records.jsonl",
    }  # fmt: skip


def test_a_database_elsewhere_is_left_out(settings: ServerSettings, tmp_path: Path) -> None:
    """A database by URL is for its own tools; the manifest says that it is not there. So it does of none."""
    by_url = settings.model_copy(update={"database_url": "postgresql+psycopg://me:pw@nowhere/lab"})
    by_url = ServerSettings(_env_file=None, **by_url.model_dump(include={"runs", "data", "database_url"}))
    assert back_up(by_url, tmp_path / "one.tar.gz", now).database == "elsewhere"
    told = verify(tmp_path / "one.tar.gz")
    assert (told.database, told.database_schema, told.runs) == ("elsewhere", None, 2)
    none = ServerSettings(_env_file=None, runs=settings.runs, data=tmp_path / "nothing")
    assert back_up(none, tmp_path / "two.tar.gz", now).database == "none"


def test_nothing_is_overwritten(settings: ServerSettings, backup: Path) -> None:
    """A backup replaces no file, and what is put back replaces nothing unless it is told to."""
    before = files_below(settings.runs)
    with pytest.raises(NotWritten, match="there already"):
        back_up(settings, backup, now)
    with pytest.raises(NotWritten, match="--force"):
        restore(backup, settings.runs, settings.data)
    with pytest.raises(NotWritten, match=r"server\.sqlite3"):
        restore(backup, settings.runs.parent / "new", settings.data)
    with pytest.raises(BadBackup, match=r"\.tar\.gz"):
        back_up(settings, backup.with_suffix(".zip"), now)
    assert files_below(settings.runs) == before


def test_force_replaces_all(settings: ServerSettings, backup: Path, make_run: MakeRun) -> None:
    """With force the runs, `latest` and the database are those of the backup, and nothing else is left."""
    before = files_below(settings.runs)
    make_run(settings.runs / "c", NOW)
    point_latest(settings.runs / "c")
    (settings.runs / "a" / "records.jsonl").unlink()
    (settings.data / "server.sqlite3-wal").write_bytes(b"what an old database had in mind")
    (settings.data / "jobs" / "two.log").write_text("of a job that the old database knew")
    restore(backup, settings.runs, settings.data, force=True)
    assert files_below(settings.runs) == before
    assert sorted(path.name for path in settings.runs.iterdir()) == ["a", "b", "latest"]
    assert (settings.runs / "latest").readlink() == Path("b")
    assert sorted(files_below(settings.data)) == ["jobs/one.log", "secret", "server.sqlite3"]
    assert count_in(settings.data / "server.sqlite3") == 500


def test_a_restoration_that_fails_changes_nothing(
    settings: ServerSettings, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever move fails, everything is where it was."""
    before = files_below(settings.runs), (settings.data / "server.sqlite3").read_bytes()
    rename, moves = Path.rename, [0]

    def fails(self: Path, target: Path) -> Path:
        moves[0] -= 1
        if moves[0] == 0:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    for turn in range(1, 8):
        moves[0] = turn
        monkeypatch.setattr(Path, "rename", fails)
        with pytest.raises(BadBackup, match="No space left"):
            restore(backup, settings.runs, settings.data, force=True)
        monkeypatch.undo()
        assert (files_below(settings.runs), (settings.data / "server.sqlite3").read_bytes()) == before
        assert (settings.runs / "latest").readlink() == Path("b")


def flip(good: bytes, place: int) -> bytes:
    return good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1 :]


def unpacked(packed: bytes) -> bytes | None:
    """Give what is in a packed file; None where it cannot be read."""
    try:
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        return None


def test_a_flipped_byte_is_found(backup: Path) -> None:
    """Whichever byte of the packed data is another, the backup is no good; but for bits that only fill a byte up."""
    good = backup.read_bytes()
    places = {*range(10, len(good), max(1, len(good) // 60)), len(good) - 1, len(good) - 6, len(good) - 9}
    damaged = [flipped for place in places if unpacked(flipped := flip(good, place)) != unpacked(good)]
    assert len(damaged) >= len(places) - 3
    for flipped in damaged:
        backup.write_bytes(flipped)
        with pytest.raises(BadBackup):
            verify(backup)
    backup.write_bytes(good)
    verify(backup)


@pytest.mark.parametrize("kept", [0.0, 0.02, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_named(backup: Path, tmp_path: Path, kept: float) -> None:
    """One that was cut short says so, and is not put back in part."""
    whole = backup.read_bytes()
    backup.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(BadBackup, match="cut short"):
        verify(backup)
    with pytest.raises(BadBackup, match="cut short"):
        restore(backup, tmp_path / "new" / "runs", tmp_path / "new" / "data")
    assert files_below(tmp_path / "new") == {}


def drop_a_run(files: dict[str, bytes]) -> None:
    del files["runs/a/run.json"]


def add_a_file(files: dict[str, bytes]) -> None:
    files["runs/a/more.txt"] = b"x"


def change_a_record(files: dict[str, bytes]) -> None:
    files["runs/a/records.jsonl"] = files["runs/a/records.jsonl"].replace(b"hat", b"hut")


def drop_the_manifest(files: dict[str, bytes]) -> None:
    del files[MANIFEST]


def be_of_a_later_version(files: dict[str, bytes]) -> None:
    files[MANIFEST] = json.dumps({"format": 2, "what": "ever"}).encode()


def write_no_manifest(files: dict[str, bytes]) -> None:
    files[MANIFEST] = b'{"format": 1}'


def leave_the_place(files: dict[str, bytes]) -> None:
    files["runs/../../escaped"] = b"x"


def be_absolute(files: dict[str, bytes]) -> None:
    files["/tmp/escaped"] = b"x"


def hide(files: dict[str, bytes]) -> None:
    files["data/other.sqlite3"] = b"x"


CHANGES = {
    drop_a_run: r"runs/a/run\.json is missing",
    add_a_file: r"runs/a/more\.txt is not in manifest",
    change_a_record: r"runs/a/records\.jsonl is not what was backed up",
    drop_the_manifest: "no manifest",
    be_of_a_later_version: "format 2.*reads 1: upgrade",
    write_no_manifest: r"manifest\.json cannot be read",
    leave_the_place: "no backup holds.*escaped",
    be_absolute: "no backup holds.*escaped",
    hide: "no backup holds",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_is_wrong_is_named(backup: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """A well packed backup that is not what was made says what is wrong with it, and nothing of it is put back."""
    rewrite(backup, change)
    with pytest.raises(BadBackup, match=CHANGES[change]):
        restore(backup, tmp_path / "new" / "runs", tmp_path / "new" / "data")
    assert files_below(tmp_path / "new") == {}
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_only_plain_files_are_unpacked(tmp_path: Path, kind: bytes) -> None:
    """A link, a device or a pipe in a backup is refused."""
    info = tarfile.TarInfo("runs/a/link")
    info.type, info.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "one.tar.gz", "w:gz") as tar:
        tar.addfile(info)
    with pytest.raises(BadBackup, match="no plain file"):
        verify(tmp_path / "one.tar.gz")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("data/server.sqlite3", b"SQLite format 3\0" + b"\0" * 4096, "data/server.sqlite3: "),
        ("runs/a/run.json", b'{"schema": 99}', r"runs/a/run\.json: "),
        ("runs/a/records.jsonl", b'{"kind": "nothing"}\n', r"runs/a/records\.jsonl:1"),
    ],
)
def test_what_was_damaged_before_is_found(
    settings: ServerSettings, backup: Path, name: str, content: bytes, words: str
) -> None:
    """Files that are as they were backed up, but of no use, are told: hashes alone would not say so."""

    def change(files: dict[str, bytes]) -> None:
        manifest = json.loads(files[MANIFEST])
        member = next(each for each in manifest["members"] if each["name"] == name)
        files[name] = content
        member |= {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        files[MANIFEST] = json.dumps(manifest).encode()

    rewrite(backup, change)
    with pytest.raises(BadBackup, match=words):
        verify(backup)


@pytest.mark.parametrize(
    "content",
    [b"", b"no backup", gzip.compress(b"no tar"), gzip.compress(b"\0" * 10240)],
    ids=["nothing", "other bytes", "packed words", "packed zeros"],  # what is packed holds the time
)
def test_what_is_no_backup(tmp_path: Path, content: bytes) -> None:
    """Any other file is told to be none."""
    (tmp_path / "one.tar.gz").write_bytes(content)
    with pytest.raises(BadBackup, match=r"one\.tar\.gz"):
        verify(tmp_path / "one.tar.gz")
    with pytest.raises(BadBackup, match="there is no backup"):
        verify(tmp_path / "two.tar.gz")


FULL = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from modellab.errors import BadBackup
from modellab.server.backup.making import back_up
from modellab.server.settings import ServerSettings

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
settings = ServerSettings(_env_file=None, runs="runs", data="data")
try:
    back_up(settings, Path("backups/one.tar.gz"), lambda: datetime.now(UTC))
except BadBackup as error:
    print(error)
"""


@pytest.mark.parametrize("most_bytes", [4096, 65536])
def test_a_full_disk_leaves_nothing(settings: ServerSettings, tmp_path: Path, most_bytes: int) -> None:
    """Where the disk takes no more, of the copied database or of the backup, it says so and no part is left."""
    (settings.runs / "b" / "noise.bin").write_bytes(os.urandom(1 << 20))
    done = subprocess.run(
        [sys.executable, "-B", "-c", FULL, str(most_bytes)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "could not be made, and nothing is left of it" in done.stdout, done.stderr
    assert list((tmp_path / "backups").iterdir()) == []

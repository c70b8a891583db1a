"""The library keeps its index in step with the folder of the runs, from a thread that ends when it is told."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from modellab.errors import BadRecord, DatabaseUnavailable, Refused
from modellab.machine.clock import MONOTONIC
from modellab.records.store import Store
from modellab.server.database import Database
from modellab.server.library import library as library_module
from modellab.server.library.entry import Entry, sign
from modellab.server.library.index import Index, Wanted
from modellab.server.library.labels import Labels
from modellab.server.library.library import Library
from modellab.server.library.questions import Questions
from modellab.server.library.readings import Readings
from modellab.server.library.recordings import Recordings

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATIENCE_S = 30.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Give an empty database."""
    opened = Database.open(f"sqlite:///{tmp_path}/index.db")
    yield opened
    opened.close()


@pytest.fixture
def make(database: Database, tmp_path: Path) -> Callable[..., Library]:
    """A maker of libraries of one folder and one database."""

    def made(refresh_s: float = 0.01) -> Library:
        return Library(
            tmp_path / "runs",
            Index(database),
            refresh_s=refresh_s,
            readings=Readings(),
            recordings=Recordings(tmp_path, tmp_path),
            questions=Questions(tmp_path / "runs"),
        )

    return made


@pytest.fixture
def runs(tmp_path: Path, make_run: Callable[..., Path]) -> Path:
    """A folder of three runs."""
    for name in ("a", "b", "c"):
        make_run(tmp_path / "runs" / name, NOON)
    return tmp_path / "runs"


def until(true: Callable[[], Any]) -> None:
    """Wait until something is true."""
    end_s = MONOTONIC() + PATIENCE_S
    while not true():
        assert MONOTONIC() < end_s, "it never came true"
        time.sleep(0.005)


def test_the_thread_keeps_the_index_and_ends(
    make: Callable[..., Library], runs: Path, make_run: Callable[..., Path]
) -> None:
    """What comes while it runs is seen; it has ended when `running` has, and can be begun again."""
    library = make()
    for name in ("late", "later"):
        with library.running():
            until(lambda: library.complete)
            make_run(runs / name, NOON)
            until(lambda name=name: name in library.index.known())
        assert "library" not in {thread.name for thread in threading.enumerate()}


def test_the_thread_ends_promptly(make: Callable[..., Library], runs: Path) -> None:
    """Between two looks it ends at once, however far apart these are."""
    library = make(refresh_s=10_000.0)
    began_s = MONOTONIC()
    with library.running():
        until(lambda: library.complete)
    assert MONOTONIC() - began_s < PATIENCE_S


def test_what_has_not_changed_is_not_read(
    make: Callable[..., Library], runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another look at the same folder, even by another server, opens no file; a change reads one run only."""
    make().refresh()
    read: list[str] = []
    whole = Entry.read

    def counted(folder: Path, signature: str) -> Entry:
        read.append(folder.name)
        return whole(folder, signature)

    monkeypatch.setattr(library_module.Entry, "read", counted)
    library = make()
    library.refresh()
    assert (read, library.complete) == ([], True)
    Store(runs / "b").records_path.write_text("")
    library.refresh()
    library.refresh()
    assert read == ["b"]


def test_a_broken_run_is_read_once(make: Callable[..., Library], runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be read, or is double, is not read again until something changes."""
    (runs / "a" / "run.json").write_text("{")
    library = make()
    library.refresh()
    monkeypatch.setattr(library_module.Entry, "read", lambda *_: pytest.fail("it was read again"))
    library.refresh()
    assert [each.folder for each in library.unread] == ["a"]


def test_of_three_folders_of_one_run(make: Callable[..., Library], runs: Path) -> None:
    """However they come and go, the first by name has the id."""
    written = (runs / "b" / "run.json").read_bytes()
    library = make()

    def owner() -> str:
        library.refresh()
        (name,) = library.index.known()
        return name

    (runs / "a" / "run.json").write_bytes(written)
    (runs / "c" / "run.json").write_bytes(written)
    assert owner() == "a"
    (runs / "a" / "run.json").write_text("{")
    assert owner() == "b"
    (runs / "b" / "run.json").unlink()
    assert owner() == "c"
    (runs / "b" / "run.json").write_bytes(written)
    assert owner() == "b"
    assert {each.folder for each in library.unread} == {"a", "c"}


def test_a_rebuilt_index_is_the_same(make: Callable[..., Library], runs: Path) -> None:
    """Made anew from the folder alone it knows all that it knew, labels too."""
    library = make()
    library.refresh()
    run = next(iter(library.index.known().values()))[0]
    library.label(run, pinned=True, tags=["x"], only_if=None)
    library.refresh()
    before = library.index.page(Wanted(), "created_at", None, 9)
    library.rebuild()
    assert library.index.page(Wanted(), "created_at", None, 9) == before
    assert library.index.page(Wanted(tag="x"), "created_at", None, 9).total == 1


def test_a_database_that_is_gone_for_a_while(
    make: Callable[..., Library], runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost by it: the trouble is told, and over once the database is back."""
    library = make()
    with monkeypatch.context() as broken:
        broken.setattr(Index, "change", lambda *_: _raise(DatabaseUnavailable("the database is locked")))
        with library.running():
            until(lambda: library.trouble)
            assert library.trouble == "the database is locked"
            broken.undo()
            until(lambda: library.complete)
            until(lambda: library.trouble is None)
    assert set(library.index.known()) == {"a", "b", "c"}


def test_a_folder_that_cannot_be_looked_at(make: Callable[..., Library], runs: Path) -> None:
    """It is not taken for an empty one: what is known stays."""
    library = make()
    library.refresh()
    runs.rename(runs.with_name("aside"))
    runs.write_text("no folder")
    with pytest.raises(OSError, match="Not a directory"):
        library.refresh()
    assert len(library.index.known()) == 3


def _raise(error: Exception) -> None:
    raise error


def test_a_first_look_that_is_ended(make: Callable[..., Library], runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is stopped while it reads many runs keeps what it has, and the next goes on from there."""
    monkeypatch.setattr(library_module, "_AT_ONCE", 1)
    library = make()
    whole = Entry.read

    def last(folder: Path, signature: str) -> Entry:
        library._ended.set()
        return whole(folder, signature)

    with monkeypatch.context() as ending:
        ending.setattr(library_module.Entry, "read", last)
        library.refresh()
    assert (list(library.index.known()), library.complete) == (["a"], False)
    again = make()
    again.refresh()
    assert (len(again.index.known()), again.complete) == (3, True)


def test_what_is_no_file_holds_nothing_up(make: Callable[..., Library], runs: Path) -> None:
    """A pipe or a folder in the place of a file is passed over: nobody waits for what is never written into it."""
    for name in ("pipe", "folder"):
        (runs / name).mkdir()
    (runs / "folder" / "run.json").write_bytes((runs / "a" / "run.json").read_bytes())
    os.mkfifo(runs / "pipe" / "run.json")
    (runs / "pipe" / "records.jsonl").touch()
    (runs / "folder" / "records.jsonl").mkdir()
    library = make()
    library.refresh()
    assert [each.folder for each in library.unread] == ["folder", "pipe"]
    told = library.questions.ask("SELECT count(*) FROM runs", 10)
    assert told.rows == ((4,),)
    assert told.unread == ("pipe holds no run: there is no run.json in it",)


def test_signatures(runs: Path) -> None:
    """A signature is another once a run, its records or its labels have changed; an empty folder has none."""
    signed = [sign(str(runs / "a"))]
    Store(runs / "a").records_path.write_text("more")
    signed.append(sign(str(runs / "a")))
    Labels(pinned=True).write(runs / "a")
    signed.append(sign(str(runs / "a")))
    assert len(set(signed)) == 3
    (runs / "empty").mkdir()
    assert sign(str(runs / "empty")) is None


def test_labels_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said before is there still, and nothing half written is left."""
    Labels(tags=("old",)).write(tmp_path)
    whole = Path.write_bytes

    def half(path: Path, data: bytes) -> int:
        whole(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="No space"):
        Labels(tags=("new",)).write(tmp_path)
    assert Labels.read(tmp_path) == Labels(tags=("old",))
    assert [path.name for path in tmp_path.iterdir()] == ["labels.json"]


@pytest.mark.parametrize("written", ["", "{", "[]", '{"pinned": 3}', '{"tags": ["\\u0000"]}', '{"tag": []}'])
def test_labels_that_are_none(tmp_path: Path, written: str) -> None:
    """What is no labels is refused, never taken for none."""
    (tmp_path / "labels.json").write_text(written)
    with pytest.raises(BadRecord, match=r"labels\.json"):
        Labels.read(tmp_path)


def test_who_labels_a_run_that_is_gone(make: Callable[..., Library], runs: Path) -> None:
    """A folder that was removed since it was indexed is not made again."""
    library = make()
    library.refresh()
    (run, _) = library.index.known()["a"]
    for path in (runs / "a").iterdir():
        path.unlink() if path.is_file() else [p.unlink() for p in path.iterdir()] and path.rmdir()
    (runs / "a").rmdir()
    with pytest.raises(Refused) as caught:
        library.label(run, pinned=True, tags=None, only_if=None)
    assert caught.value.status == 404
    assert not (runs / "a").exists()

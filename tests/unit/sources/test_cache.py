"""The cache: whole or not at all, verified once, fetched once."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from modellab.errors import SourceUnreachable, WrongHash
from modellab.sources.cache import STAMP, cache_root, obtain, verified
from modellab.sources.files import FileSet, PinnedFile
from modellab.sources.folder import FolderSource


@dataclass(frozen=True)
class _Shelf:
    """A source that counts how often it is asked."""

    content: dict[str, bytes]
    asked: list[Path] = field(default_factory=list)
    name: str = "shelf"

    def describe(self) -> str:
        return self.name

    def fetch(self, files: Sequence[PinnedFile], into: Path) -> None:
        self.asked.append(into)
        for name, body in self.content.items():
            (into / name).write_bytes(body)


@dataclass(frozen=True)
class _Closed:
    reason: str

    def describe(self) -> str:
        return f"closed {self.reason}"

    def fetch(self, files: Sequence[PinnedFile], into: Path) -> None:
        (into / "model.bin").write_bytes(b"half")
        raise SourceUnreachable(self.reason)


class _Full:
    def describe(self) -> str:
        return "full disk"

    def fetch(self, files: Sequence[PinnedFile], into: Path) -> None:
        raise OSError(28, "No space left on device")


def pin(body: bytes | None) -> tuple[PinnedFile, ...]:
    return (PinnedFile(name="model.bin", sha256=None if body is None else hashlib.sha256(body).hexdigest()),)


def some(*sources, body: bytes | None = b"good") -> FileSet:
    return FileSet(name="tiny", files=pin(body), sources=sources)


def test_the_cache_is_where_it_is_told(tmp_path: Path) -> None:
    """An override is followed; without one it is the user's cache folder."""
    assert cache_root(tmp_path / "here") == tmp_path / "here"
    assert cache_root(None).name == "modellab"


def test_a_second_call_neither_fetches_nor_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was verified is taken at once while its size and time of change are the same."""
    shelf = _Shelf({"model.bin": b"good"})
    folder = obtain(some(shelf), tmp_path / "tiny")
    monkeypatch.setattr("modellab.sources.files.sha256_of", lambda path: pytest.fail("hashed again"))
    assert obtain(some(shelf), folder) == folder
    assert len(shelf.asked) == 1
    assert verified(folder)["model.bin"].pinned


def test_every_source_that_fails_is_named_with_its_reason(tmp_path: Path) -> None:
    """When none can give the files, each is listed with what it answered, and what to do is said."""
    lacking = _Shelf({}, name="empty shelf")
    with pytest.raises(SourceUnreachable) as refused:
        obtain(some(_Closed("the moon is in the way"), _Full(), lacking), tmp_path / "tiny")
    for fact in ("the moon is in the way", "No space left", "empty shelf: it gave no model.bin", 'kind = "folder"'):
        assert fact in str(refused.value)
    assert not (tmp_path / "tiny").exists()


def test_what_a_failed_source_left_is_gone_for_the_next(tmp_path: Path) -> None:
    """A source that fails half way leaves nothing that could be mixed into the next one's files."""
    folder = obtain(some(_Closed("half way"), _Shelf({"model.bin": b"good"})), tmp_path / "tiny")
    assert (folder / "model.bin").read_bytes() == b"good"
    assert {path.name for path in folder.iterdir()} == {"model.bin", STAMP}


def test_a_wrong_hash_is_refused_and_the_next_source_is_tried(tmp_path: Path) -> None:
    """One source with other content does not stop another with the right one."""
    folder = obtain(some(_Shelf({"model.bin": b"evil"}), _Shelf({"model.bin": b"good"})), tmp_path / "tiny")
    assert (folder / "model.bin").read_bytes() == b"good"


def test_only_wrong_hashes_are_a_wrong_hash(tmp_path: Path) -> None:
    """Where every source answered, and none with what was pinned, the error is WrongHash with both hashes."""
    with pytest.raises(WrongHash) as refused:
        obtain(some(_Shelf({"model.bin": b"evil"})), tmp_path / "tiny")
    assert hashlib.sha256(b"evil").hexdigest() in str(refused.value)
    assert hashlib.sha256(b"good").hexdigest() in str(refused.value)
    assert not (tmp_path / "tiny").exists()


def test_a_set_without_sources_says_so(tmp_path: Path) -> None:
    """No source is an error of its own."""
    with pytest.raises(SourceUnreachable, match="no source is defined"):
        obtain(some(), tmp_path / "tiny")


def test_a_touched_file_is_hashed_again_and_kept(tmp_path: Path) -> None:
    """A new time of change alone costs a hash, not a download."""
    shelf = _Shelf({"model.bin": b"good"})
    folder = obtain(some(shelf), tmp_path / "tiny")
    os.utime(folder / "model.bin", ns=(1, 1))
    obtain(some(shelf), folder)
    assert len(shelf.asked) == 1
    assert verified(folder)["model.bin"].mtime_ns == 1


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    """What changed in the cache is never used: it is fetched again."""
    shelf = _Shelf({"model.bin": b"good"})
    folder = obtain(some(shelf), tmp_path / "tiny")
    (folder / "model.bin").write_bytes(b"evil")
    os.utime(folder / "model.bin", ns=(1, 1))
    assert (obtain(some(shelf), folder) / "model.bin").read_bytes() == b"good"


def test_a_damaged_file_without_a_source_is_refused(tmp_path: Path) -> None:
    """When a damaged file cannot be fetched again, the error names it among what was tried."""
    folder = obtain(some(_Shelf({"model.bin": b"good"})), tmp_path / "tiny")
    (folder / "model.bin").write_bytes(b"evil!")
    with pytest.raises(SourceUnreachable, match=r"(?s)cache .*model\.bin.*the moon"):
        obtain(some(_Closed("the moon")), folder)


def test_an_unpinned_file_is_trusted_once(tmp_path: Path) -> None:
    """The hash of an unpinned file is written down at first, and is what it is held against from then on."""
    folder = obtain(some(_Shelf({"model.bin": b"first"}), body=None), tmp_path / "tiny")
    assert not verified(folder)["model.bin"].pinned
    (folder / "model.bin").write_bytes(b"second")
    with pytest.raises(WrongHash, match=f"(?s){hashlib.sha256(b'first').hexdigest()}.*remove .*tiny"):
        obtain(some(_Shelf({"model.bin": b"third"}), body=None), folder)


def test_a_folder_of_ones_own_is_followed(tmp_path: Path) -> None:
    """Unpinned weights that were trained again in place of the old ones are taken anew, not kept from the last time."""
    (tmp_path / "mine").mkdir()
    mine = some(FolderSource(path=str(tmp_path / "mine")), body=None)
    for version in (b"first", b"second"):
        (tmp_path / "mine" / "new").write_bytes(version)
        (tmp_path / "mine" / "new").replace(tmp_path / "mine" / "model.bin")
        assert (obtain(mine, tmp_path / "tiny") / "model.bin").read_bytes() == version
    (tmp_path / "mine" / "model.bin").unlink()
    assert (obtain(mine, tmp_path / "tiny") / "model.bin").read_bytes() == b"second"


def test_another_pin_is_another_file(tmp_path: Path) -> None:
    """When the definition changes its hash, what lies in the cache no longer counts."""
    folder = obtain(some(_Shelf({"model.bin": b"old"}), body=b"old"), tmp_path / "tiny")
    obtain(some(_Shelf({"model.bin": b"new"}), body=b"new"), folder)
    assert (folder / "model.bin").read_bytes() == b"new"


@pytest.mark.parametrize("stamp", ["", "[]", '{"files": 1}', '{"files": {"model.bin": {"sha256": "x"}}}'])
def test_a_stamp_that_cannot_be_read_proves_nothing(tmp_path: Path, stamp: str) -> None:
    """A folder whose stamp is damaged is verified again."""
    folder = obtain(some(_Shelf({"model.bin": b"good"})), tmp_path / "tiny")
    (folder / STAMP).write_text(stamp)
    assert verified(folder) == {}
    obtain(some(), folder)
    assert json.loads((folder / STAMP).read_text())["schema"] == 1


def test_a_folder_somebody_filled_by_hand_is_verified(tmp_path: Path) -> None:
    """Files that were put where the cache would put them count once their pinned hashes hold."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model.bin").write_bytes(b"good")
    assert verified(obtain(some(), tmp_path / "tiny"))["model.bin"].pinned


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path: Path) -> None:
    """Where the cache cannot be made, the error says how to put it elsewhere."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SourceUnreachable, match="MODELLAB_CACHE_DIR"):
        obtain(some(_Shelf({"model.bin": b"good"})), tmp_path / "file" / "tiny")


SLOW = """
import sys, time
from pathlib import Path
from modellab.sources.cache import obtain
from modellab.sources.files import FileSet, PinnedFile
class Slow:
    def describe(self): return "slow"
    def fetch(self, files, into):
        with (Path(sys.argv[1]) / "asked").open("a") as log: log.write("x")
        (into / "model.bin").write_bytes(b"go")
        time.sleep(float(sys.argv[2]))
        (into / "model.bin").write_bytes(b"good")
obtain(FileSet(name="tiny", files=(PinnedFile(name="model.bin"),), sources=(Slow(),)), Path(sys.argv[1]) / "tiny")
"""


def slow(folder: Path, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SLOW, str(folder), str(seconds)])


def test_two_processes_at_once_fetch_once(tmp_path: Path) -> None:
    """Of two processes that want the same files, one fetches them and the other waits and finds them."""
    first, second = slow(tmp_path, 1), slow(tmp_path, 1)
    assert (first.wait(60), second.wait(60)) == (0, 0)
    assert (tmp_path / "asked").read_text() == "x"
    assert (tmp_path / "tiny" / "model.bin").read_bytes() == b"good"


def test_a_process_killed_on_the_way_leaves_nothing_taken_for_good(tmp_path: Path) -> None:
    """After a kill in the middle of a download the folder is not there, and the next call fetches it whole."""
    killed = slow(tmp_path, 60)
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob(".tiny.part/model.bin")) and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait(30)
    assert list(tmp_path.glob(".tiny.part/model.bin"))
    assert not (tmp_path / "tiny").exists()
    obtain(some(_Shelf({"model.bin": b"good"})), tmp_path / "tiny")
    assert (tmp_path / "tiny" / "model.bin").read_bytes() == b"good"
    assert not (tmp_path / ".tiny.part").exists()


def test_leftovers_of_a_killed_process_get_into_nothing(tmp_path: Path) -> None:
    """What lies in the half-made folder from before is thrown away, not finished."""
    (tmp_path / ".tiny.part").mkdir()
    (tmp_path / ".tiny.part" / "leftover").write_bytes(b"half")
    folder = obtain(some(_Shelf({"model.bin": b"good"})), tmp_path / "tiny")
    assert {path.name for path in folder.iterdir()} == {"model.bin", STAMP}


def test_a_folder_source_costs_no_second_copy(tmp_path: Path) -> None:
    """Files of a folder on the same disk are linked, not copied."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.bin").write_bytes(b"good")
    folder = obtain(some(FolderSource(path=str(tmp_path / "mine"))), tmp_path / "tiny")
    assert (folder / "model.bin").stat().st_ino == (tmp_path / "mine" / "model.bin").stat().st_ino

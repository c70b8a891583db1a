"""The page cache: what of a file lies in it, on this machine, before and after it is dropped."""

import os
import sys
from pathlib import Path

import pytest

from modellab.machine import page_cache
from modellab.machine.page_cache import cached_share, evict, files_below

PAGE = 4096
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")


def written(path: Path, pages: int) -> Path:
    """Write a file of so many pages to the disk."""
    with path.open("wb") as file:
        file.write(os.urandom(pages * PAGE))
        file.flush()
        os.fsync(file.fileno())
    return path


def evictable(path: Path) -> bool:
    """Say whether this file system lets go of pages."""
    evict([path])
    return cached_share([path]) == 0


@LINUX
def test_what_was_just_written_is_there(tmp_path: Path) -> None:
    """A file that was written, or read, lies in the page cache."""
    assert cached_share([written(tmp_path / "weights", 1000)]) == 1


@LINUX
def test_what_was_dropped_is_gone_and_comes_back(tmp_path: Path) -> None:
    """A file that was evicted is not in the page cache; reading it brings it back, and its content is as it was."""
    file = written(tmp_path / "weights", 1000)
    content = file.read_bytes()
    if not evictable(file):
        pytest.skip("this file system keeps its pages")
    assert file.read_bytes() == content
    assert cached_share([file]) == 1


@LINUX
def test_the_share_is_over_all_pages(tmp_path: Path) -> None:
    """Of two files, each counts by its size; an empty one counts nothing, and a part of a page is a page."""
    large, small = written(tmp_path / "large", 300), written(tmp_path / "small", 100)
    (tmp_path / "empty").touch()
    if not evictable(large):
        pytest.skip("this file system keeps its pages")
    assert cached_share([large, small, tmp_path / "empty"]) == pytest.approx(0.25)
    with small.open("ab") as file:
        file.write(b"a few bytes more")
    assert cached_share([large, small]) == pytest.approx(101 / 401)


def test_nothing_has_no_share(tmp_path: Path) -> None:
    """No files, and none but empty ones, have no share, which is not zero."""
    (tmp_path / "empty").touch()
    assert (cached_share([]), cached_share([tmp_path / "empty"])) == (None, None)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A file that cannot be opened has no share, and is passed over when others are dropped."""
    file = written(tmp_path / "weights", 10)
    gone = tmp_path / "gone"
    assert cached_share([file, gone]) is None
    evict([gone, file])
    assert file.stat().st_size == 10 * PAGE


@LINUX
def test_another_ones_file_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file of somebody else, which we may not write, the kernel would say that all is there: so nobody says."""
    file = written(tmp_path / "weights", 10)
    monkeypatch.setattr(page_cache.os, "geteuid", lambda: file.stat().st_uid + 1)
    monkeypatch.setattr(page_cache.os, "access", lambda *_: False)
    assert cached_share([file]) is None


def test_another_machine_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no Linux, there is no share."""
    file = written(tmp_path / "weights", 10)
    monkeypatch.setattr(page_cache.sys, "platform", "darwin")
    assert cached_share([file]) is None


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    """All files of a folder are found, those in folders within, and what links lead to."""
    (tmp_path / "model" / "part").mkdir(parents=True)
    (tmp_path / "blob").write_bytes(b"x")
    (tmp_path / "model" / "b.bin").symlink_to(tmp_path / "blob")
    (tmp_path / "model" / "part" / "a.bin").write_bytes(b"y")
    assert list(files_below(tmp_path / "model")) == [
        tmp_path / "model" / "b.bin",
        tmp_path / "model" / "part" / "a.bin",
    ]

"""Remembered sizes: from one process to the next, and beside whatever else is in the file."""

import json
import threading
from pathlib import Path

import pytest

from modellab.pool.size import Size
from modellab.pool.size_book import SizeBook

SEEN = Size(ram_bytes=5, vram_bytes=2)


def test_a_size_is_remembered(tmp_path: Path) -> None:
    """What one book keeps another recalls from the same file, in a folder that is made for it; the last word counts."""
    path = tmp_path / "cache" / "sizes.json"
    book = SizeBook(path=path)
    assert book.recall("a") is None
    book.remember("a", Size(ram_bytes=1))
    book.remember("a", SEEN)
    assert SizeBook(path=path).recall("a") == SEEN
    assert sorted(file.name for file in path.parent.iterdir()) in (["sizes.json"], ["sizes.json", "sizes.json.lock"])


def test_a_book_without_a_file_remembers_while_it_lives() -> None:
    """No path is no error."""
    book = SizeBook()
    book.remember("a", SEEN)
    assert book.recall("a") == SEEN


@pytest.mark.parametrize(
    "content",
    [b"", b'{"schema": 1, "sizes": {"a": {"ra', b"[]", b'"sizes"', b'{"sizes": 3}', b"\xff\xfe", b"[" * 100_000],
)
def test_what_is_no_book_is_put_aside(tmp_path: Path, content: bytes) -> None:
    """Torn or foreign content is nothing seen; it is kept under another name when a size is written."""
    path = tmp_path / "sizes.json"
    path.write_bytes(content)
    book = SizeBook(path=path)
    assert book.recall("a") is None
    book.remember("a", SEEN)
    assert SizeBook(path=path).recall("a") == SEEN
    assert (tmp_path / "sizes.json.unreadable").read_bytes() == content


@pytest.mark.parametrize(
    "entry",
    [
        None,
        7,
        {},
        {"ram_bytes": "5", "vram_bytes": 0},
        {"ram_bytes": -1, "vram_bytes": 0},
        {"ram_bytes": 5, "vram_bytes": -1},
    ],
    ids=repr,
)
def test_an_entry_that_is_no_size_is_passed_over(tmp_path: Path, entry: object) -> None:
    """It is nothing seen, and stays in the file beside what is written later."""
    path = tmp_path / "sizes.json"
    path.write_text(json.dumps({"schema": 1, "sizes": {"odd": entry}}))
    book = SizeBook(path=path)
    assert book.recall("odd") is None
    book.remember("a", SEEN)
    assert json.loads(path.read_text())["sizes"]["odd"] == entry
    assert book.recall("a") == SEEN


def test_a_file_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    """Where a folder should be is a file: the size is remembered in memory."""
    (tmp_path / "file").write_text("")
    book = SizeBook(path=tmp_path / "file" / "sizes.json")
    book.remember("a", SEEN)
    assert book.recall("a") == SEEN


def test_books_that_write_at_once_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several books of one file keep what each of them has seen, however long they wait for each other."""
    monkeypatch.setattr("modellab.pool.size_book._WAIT_S", 60.0)
    path = tmp_path / "sizes.json"

    def write(number: int) -> None:
        book = SizeBook(path=path)
        for turn in range(5):
            book.remember(f"{number}-{turn}", SEEN)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(json.loads(path.read_text())["sizes"]) == 20

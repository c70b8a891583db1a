"""Whole: a file is replaced at once, or stays as it was."""

from pathlib import Path

import pytest

from modellab.whole import replacing


@pytest.mark.parametrize("before", [None, "old"])
def test_a_file_takes_its_place_at_the_end(tmp_path: Path, before: str | None) -> None:
    """Who looks meanwhile sees what was there; afterwards all of what was written, and nothing beside it."""
    path = tmp_path / "file.json"
    if before:
        path.write_text(before)
    with replacing(path) as fresh:
        fresh.write_text("new")
        assert (path.read_text() if path.exists() else None) == before
    assert path.read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["file.json"]


@pytest.mark.parametrize("raised", [OSError("full"), KeyboardInterrupt()])
def test_what_fails_leaves_the_file_as_it_was(tmp_path: Path, raised: BaseException) -> None:
    """However it ends before its time: the old file stays, and no part of the new one."""
    path = tmp_path / "file.json"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as fresh:
            fresh.write_text("ne")
            raise raised

    with pytest.raises(type(raised)):
        fail()
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["file.json"]


def test_what_cannot_take_its_place_is_told(tmp_path: Path) -> None:
    """Where the place is a folder's, or nothing was written, it raises, and nothing is left."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"), replacing(tmp_path / "folder") as fresh:
        fresh.write_text("new")
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "file"):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]

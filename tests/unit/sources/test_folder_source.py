"""Files from a folder on this machine."""

from pathlib import Path

import pytest

from modellab.errors import SourceUnreachable
from modellab.sources.files import PinnedFile
from modellab.sources.folder import FolderSource

FILES = (PinnedFile(name="a"), PinnedFile(name="deep/b"))


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_text("A")
    (folder / "deep" / "b").write_text("B")
    (tmp_path / "into").mkdir()
    return folder


def test_a_folder_gives_its_files(mine: Path, tmp_path: Path) -> None:
    """Files come under their names, those in subfolders too."""
    FolderSource(path=str(mine)).fetch(FILES, tmp_path / "into")
    assert [(tmp_path / "into" / file.name).read_text() for file in FILES] == ["A", "B"]


def test_variables_and_home_are_put_in(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`$VARIABLE` and `~` in a path mean what they mean in a shell, and what is relative is relative to the base."""
    monkeypatch.setenv("SPEECH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for source in (
        FolderSource(path="$SPEECH/mine"),
        FolderSource(path="~/mine"),
        FolderSource(path="mine", base=tmp_path),
    ):
        source.fetch(FILES, tmp_path / "into")


@pytest.mark.parametrize(
    ("path", "reason"),
    [("$UNSET_HERE/x", "not set"), ("/nowhere/at/all", "no folder"), ("mine/deep", "lacks a, deep/b")],
)
def test_a_folder_that_cannot_give_them_says_why(mine: Path, tmp_path: Path, path: str, reason: str) -> None:
    """A variable that is not set, a folder that is not there and a file that is missing are each named."""
    with pytest.raises(SourceUnreachable, match=reason):
        FolderSource(path=path, base=tmp_path).fetch(FILES, tmp_path / "into")

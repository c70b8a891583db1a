"""Folders: which names may be runs, and what is deleted with a name."""

from pathlib import Path

import pytest

from modellab.server.folders import RESTORING, TRASH, remove, run_names


def test_only_folders_of_our_own_may_be_runs(tmp_path: Path) -> None:
    """Files, links, and what is hidden, as what was thrown away is, are none; the rest comes in the order of names."""
    for name in ("b", "a", TRASH, RESTORING):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "latest").symlink_to("a")
    assert run_names(tmp_path) == ("a", "b")


def test_where_there_is_no_folder(tmp_path: Path) -> None:
    """A folder that nobody made holds no runs; a file in its place is an error."""
    assert run_names(tmp_path / "nothing") == ()
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        run_names(tmp_path / "file")


def test_a_link_is_deleted_and_not_what_it_leads_to(tmp_path: Path) -> None:
    """A folder goes with all that is in it, a link alone, and what is gone already is fine."""
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("folder")
    for name, left in (("link", ["folder"]), ("folder", []), ("nothing", [])):
        remove(tmp_path / name)
        assert [each.name for each in tmp_path.iterdir()] == left

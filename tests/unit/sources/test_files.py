"""Pinned files, their hashes, and how they are put in place."""

from pathlib import Path

import pytest

from modellab.errors import BadDefinition, WrongHash
from modellab.sources.files import PinnedFile, place, sha256_of, verify

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
OTHER = "0" * 64


def test_the_hash_is_that_of_the_content(tmp_path: Path) -> None:
    """The SHA-256 of "abc" is the one of the standard's own example (FIPS 180-2, B.1)."""
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_of(tmp_path / "x") == ABC


def test_a_wrong_hash_names_both_and_removes_the_file(tmp_path: Path) -> None:
    """A file that is not the pinned one is removed, and the error says which hash it has and which it should have."""
    (tmp_path / "model.bin").write_bytes(b"abc")
    with pytest.raises(WrongHash) as refused:
        verify(tmp_path / "model.bin", PinnedFile(name="model.bin", sha256=OTHER, size_bytes=5))
    assert not (tmp_path / "model.bin").exists()
    for fact in ("model.bin", ABC, OTHER, "3 bytes, not 5", "removed from the cache"):
        assert fact in str(refused.value)


def test_a_file_without_a_pin_passes_and_tells_its_hash(tmp_path: Path) -> None:
    """A file that nobody has pinned is kept, and its hash is given."""
    (tmp_path / "x").write_bytes(b"abc")
    assert verify(tmp_path / "x", PinnedFile(name="x")) == ABC


@pytest.mark.parametrize("name", ["", "../up", "/etc/passwd", "a/../b", "a\\b", "./a"])
def test_a_name_cannot_lead_out_of_its_folder(name: str) -> None:
    """Only plain relative names are accepted."""
    with pytest.raises(BadDefinition, match="plain relative path"):
        PinnedFile(name=name)


@pytest.mark.parametrize("sha256", ["abc", "Z" * 64, ABC.upper()])
def test_a_hash_must_be_a_sha256(sha256: str) -> None:
    """What is no SHA-256 in lower-case hexadecimal is refused where it is written."""
    with pytest.raises(BadDefinition, match="64 lower-case"):
        PinnedFile(name="x", sha256=sha256)


def test_a_placed_file_follows_links_and_makes_folders(tmp_path: Path) -> None:
    """A link in a cache of another tool becomes a plain file in ours."""
    (tmp_path / "blob").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("blob")
    place(tmp_path / "link", tmp_path / "deep" / "target")
    assert (tmp_path / "deep" / "target").read_bytes() == b"abc"
    assert not (tmp_path / "deep" / "target").is_symlink()

"""Weights in the layout a runtime wants: fetched once, converted once."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from modellab.checkpoints.convert import VERSION
from modellab.checkpoints.layouts import disk_bytes, is_present, locate, prepare
from modellab.checkpoints.listing import list_checkpoints
from modellab.checkpoints.registry import Checkpoint
from modellab.errors import BackendUnavailable, BadCheckpoint, SourceUnreachable, WrongHash
from modellab.sources.files import PinnedFile
from modellab.sources.folder import FolderSource

NAMES = ("model.bin", "config.json", "tokenizer.json")


def test_weights_name_the_upstream_file_whatever_the_layout(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """The hash in every layout is that of the original weights, so that records of all runtimes agree."""
    original = prepare(checkpoint, "ctranslate2", tmp_path / "cache")
    converted = prepare(checkpoint, "transformers", tmp_path / "cache")
    expected = hashlib.sha256((original.folder / "model.bin").read_bytes()).hexdigest()
    assert original.sha256 == converted.sha256 == expected
    assert (converted.checkpoint, converted.layout, converted.revision) == ("tiny", "transformers", "r1")
    assert (converted.folder / "model.safetensors").is_file()
    assert f"-v{VERSION}" in converted.folder.name


def test_a_conversion_is_done_once(checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second call finds what the first one wrote."""
    first = prepare(checkpoint, "transformers", tmp_path)
    monkeypatch.setattr("modellab.checkpoints.layouts._convert", lambda *_: pytest.fail("converted again"))
    assert prepare(checkpoint, "transformers", tmp_path) == first


def test_what_is_there_is_known_without_fetching(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Presence and size of each layout are told from the disk alone."""
    assert locate(checkpoint, "ctranslate2", tmp_path / "cache") is None
    assert disk_bytes(checkpoint, tmp_path / "cache") == 0
    folder = prepare(checkpoint, "ctranslate2", tmp_path / "cache").folder
    assert locate(checkpoint, "ctranslate2", tmp_path / "cache") == folder
    assert not is_present(checkpoint, "openai", tmp_path / "cache")
    assert disk_bytes(checkpoint, tmp_path / "cache") > (folder / "model.bin").stat().st_size


def test_a_conversion_cut_short_is_done_again(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A converted file of another size than was written does not count as present."""
    weights = prepare(checkpoint, "transformers", tmp_path)
    (weights.folder / "model.safetensors").write_bytes(b"cut")
    assert not is_present(checkpoint, "transformers", tmp_path)
    again = prepare(checkpoint, "transformers", tmp_path)
    assert (again.folder / "model.safetensors").stat().st_size > len(b"cut")


def test_other_weights_are_another_conversion(checkpoint: Checkpoint, write_whisper, tmp_path: Path) -> None:
    """The folder of a conversion is named by what it is made from, so new weights never meet an old conversion."""
    first = prepare(checkpoint, "transformers", tmp_path / "cache")
    other = write_whisper(51_866, "other")
    pinned = tuple(
        PinnedFile(name=name, sha256=hashlib.sha256((other / name).read_bytes()).hexdigest()) for name in NAMES
    )
    moved = replace(checkpoint, files=pinned, sources=(FolderSource(path=str(other)),))
    assert prepare(moved, "transformers", tmp_path / "cache").folder != first.folder


def test_garbage_is_refused_and_leaves_no_conversion(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Weights that are no model raise BadCheckpoint, and nothing half-made stays behind."""
    folder = Path(checkpoint.sources[0].path)
    (folder / "model.bin").write_bytes(b"garbage")
    with pytest.raises(BadCheckpoint, match=r"model\.bin"):
        prepare(checkpoint, "transformers", tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*transformers*") if path.is_dir()]


def test_a_layout_that_nothing_converts_to_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """An impossible conversion is refused before anything is fetched, with the ones there are."""
    with pytest.raises(BadCheckpoint, match=r"tiny: whisper in the layout ctranslate2.*'gguf'.*openai"):
        prepare(checkpoint, "gguf", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_package_that_is_missing_is_named(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversion without its package says which one, and how to install it."""
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    with pytest.raises(BackendUnavailable, match=r"safetensors.*pip install"):
        prepare(checkpoint, "transformers", tmp_path)


def test_a_pinned_checkpoint_with_other_weights_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Weights that are not the pinned ones are never used."""
    pinned = replace(checkpoint, files=(replace(checkpoint.files[0], sha256="0" * 64), *checkpoint.files[1:]))
    with pytest.raises(WrongHash, match="0" * 64):
        prepare(pinned, "ctranslate2", tmp_path / "cache")


def test_a_checkpoint_that_cannot_be_had_says_why(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A checkpoint whose only source fails is unreachable, with the reason."""
    with pytest.raises(SourceUnreachable, match="tiny: no source"):
        prepare(replace(checkpoint, sources=(FolderSource(path="/nowhere"),)), "ctranslate2", tmp_path)


def test_the_list_shows_where_from_how_large_and_what_is_there(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """One row a checkpoint: its sources, its sizes, the layouts that are present and the files nobody has pinned."""
    (before,) = list_checkpoints([checkpoint], tmp_path / "cache")
    assert (before.present, before.size_bytes, before.disk_bytes) == ((), None, 0)
    assert before.sources == (checkpoint.sources[0].describe(),)
    assert (before.unpinned, before.pinned) == (NAMES, False)
    prepare(checkpoint, "transformers", tmp_path / "cache")
    (after,) = list_checkpoints([checkpoint], tmp_path / "cache")
    assert after.present == ("ctranslate2", "transformers")
    assert after.disk_bytes > 0

"""Conversions into a folder of the user's: whole with a manifest, or not at all."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from modellab.checkpoints.conversion import MANIFEST, convert
from modellab.checkpoints.registry import Checkpoint
from modellab.checkpoints.target import parse_target
from modellab.checkpoints.weights import Weights
from modellab.errors import BadCheckpoint, MeasurementRefused, NotWritten

NAMES = ("model.bin", "config.json", "tokenizer.json")


def passing(original: Weights, converted: Weights) -> dict[str, object]:
    """Find nothing wrong."""
    return {"passed": True}


def test_the_manifest_says_what_came_from_what(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Source and result stand in it with the hash of every file, beside revision, target, packages and parity."""
    made = convert(checkpoint, parse_target("transformers"), tmp_path / "out" / "hf", tmp_path / "cache", passing)
    told = json.loads((made.folder / MANIFEST).read_text())
    assert told == made.manifest
    about = (told["checkpoint"], told["upstream"], told["revision"], told["source"]["layout"], told["parity"])
    assert about == ("tiny", "us/tiny", "r1", "ctranslate2", {"passed": True})
    assert told["target"] == {"layout": "transformers", "quantisation": None}
    assert set(told["source"]["sha256"]) == set(NAMES)
    assert told["packages"]["numpy"]
    written = {path.name: path.read_bytes() for path in made.folder.iterdir() if path.name != MANIFEST}
    assert told["files"] == {
        name: {"sha256": sha256(content).hexdigest(), "size_bytes": len(content)} for name, content in written.items()
    }


def test_the_check_is_given_both(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Parity is checked between the original and the finished files, which name the same upstream weights."""
    seen: list[Weights] = []

    def check(original: Weights, converted: Weights) -> dict[str, object]:
        assert (converted.folder / "model.safetensors").is_file()
        seen.extend((original, converted))
        return {"passed": False}

    made = convert(checkpoint, parse_target("transformers"), tmp_path / "hf", tmp_path / "cache", check)
    assert [weights.layout for weights in seen] == ["ctranslate2", "transformers"]
    assert seen[0].sha256 == seen[1].sha256
    assert (made.folder / "model.safetensors").is_file()  # kept, though parity failed


def test_a_folder_that_is_there_is_left_alone(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """What lies where the result should go is neither replaced nor added to."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis").write_text("years")
    with pytest.raises(NotWritten, match="mine is there already"):
        convert(checkpoint, parse_target("transformers"), folder, tmp_path / "cache", passing)
    assert [path.name for path in folder.iterdir()] == ["thesis"]


@pytest.mark.parametrize("damage", ["weights", "check"])
def test_what_fails_on_the_way_leaves_nothing(checkpoint: Checkpoint, tmp_path: Path, damage: str) -> None:
    """Weights that do not convert, or a check that cannot be made, leave no folder, whole or half."""

    def check(original: Weights, converted: Weights) -> dict[str, object]:
        raise MeasurementRefused("nobody speaks")

    if damage == "weights":
        (Path(checkpoint.sources[0].path) / "model.bin").write_bytes(b"garbage")
    out = tmp_path / "out"
    with pytest.raises((BadCheckpoint, MeasurementRefused)):
        convert(checkpoint, parse_target("transformers"), out / "hf", tmp_path / "cache", check)
    assert list(out.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Where a file stands in the way, the refusal names the folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritten, match=r"file.hf"):
        convert(checkpoint, parse_target("transformers"), tmp_path / "file" / "hf", tmp_path / "cache", passing)


def test_an_impossible_target_fetches_nothing(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """What is in the target's layout already is refused before anything is fetched."""
    with pytest.raises(BadCheckpoint, match="'ctranslate2'"):
        convert(checkpoint, parse_target("ct2"), tmp_path / "out", tmp_path / "cache", passing)
    assert not (tmp_path / "cache").exists()

"""A package holds a checkpoint in int8, and gives back what it can bear to lose a little of."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from modellab.checkpoints.packing import VERSION, _about, _digest, pack, unpack
from modellab.errors import BadCheckpoint

CONFIG = {"model_type": "whisper", "dtype": "float16", "d_model": 8}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder in the transformers layout with a matrix, a row of zeros, a filter, a bias and whole numbers."""
    random = np.random.default_rng(0)
    matrix = random.standard_normal((16, 80)).astype(np.float16)
    matrix[3] = 0
    matrix[4] *= 1000
    matrix[5] *= np.float16(1e-4)
    matrix[6, 32:64] = 0
    matrix[6, 64:] *= 1000
    tensors = {
        "a.weight": matrix,
        "conv.weight": random.standard_normal((4, 3, 3)).astype(np.float32),
        "a.bias": random.standard_normal(16).astype(np.float16),
        "ids": np.arange(5, dtype=np.int64),
    }
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text('{"ä": 1}', encoding="utf-8")
    return folder


@pytest.fixture
def package(checkpoint: Path, tmp_path: Path) -> Path:
    """The package of that folder."""
    pack(checkpoint, tmp_path / "package.safetensors")
    return tmp_path / "package.safetensors"


def round_trip(checkpoint: Path, package: Path, precision: str = "float32") -> tuple[dict, dict]:
    folder = package.parent / precision
    unpack(package, folder, precision)
    return load_file(checkpoint / "model.safetensors"), load_file(folder / "model.safetensors")


def test_a_value_is_off_by_half_a_step_at_most(checkpoint: Path, package: Path) -> None:
    """No value moves further than half of a 127th of the greatest in its group of 32, whatever other groups hold."""
    before, after = round_trip(checkpoint, package)
    for start in (0, 32, 64):  # the last group is of 16
        group = before["a.weight"][:, start : start + 32].astype(np.float64)
        step = np.abs(group).max(axis=1, keepdims=True) / 127 * (1 + 2**-10) + 2**-24  # a float16, rounded up
        error = np.abs(after["a.weight"][:, start : start + 32] - group)
        assert (error <= step / 2 + 1e-12).all()
        assert error.max() > 0, "nothing was quantised"
    assert not after["a.weight"][3].any()
    assert not after["a.weight"][6, 32:64].any()


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_names_shapes_and_precision(checkpoint: Path, package: Path, precision: str) -> None:
    """Every tensor comes back under its name, in its shape and in the precision asked for; whole numbers unchanged."""
    before, after = round_trip(checkpoint, package, precision)
    assert {name: tensor.shape for name, tensor in after.items()} == {n: t.shape for n, t in before.items()}
    assert {str(tensor.dtype) for name, tensor in after.items() if name != "ids"} == {precision}
    np.testing.assert_array_equal(after["ids"], before["ids"])


def test_what_is_no_matrix_keeps_float16(checkpoint: Path, package: Path) -> None:
    """Biases in float16 are kept bit for bit, and filters are rounded to float16."""
    before, after = round_trip(checkpoint, package)
    np.testing.assert_array_equal(after["a.bias"], before["a.bias"].astype(np.float32))
    np.testing.assert_array_equal(after["conv.weight"], before["conv.weight"].astype(np.float16).astype(np.float32))


def test_files_come_back(checkpoint: Path, package: Path) -> None:
    """What a runtime reads comes back, and nothing else; `config.json` names the precision that was written."""
    (checkpoint / "verified.json").write_text("{}")
    pack(checkpoint, package)
    folder = package.parent / "float32"
    unpack(package, folder)
    assert {path.name for path in folder.iterdir()} == {"config.json", "tokenizer.json", "model.safetensors"}
    assert (folder / "tokenizer.json").read_bytes() == (checkpoint / "tokenizer.json").read_bytes()
    assert json.loads((folder / "config.json").read_text()) == CONFIG | {"dtype": "float32"}


def test_equal_folders_give_equal_bytes(checkpoint: Path, package: Path, tmp_path: Path) -> None:
    """Packing twice writes the same file, and the package names the weights it was made from."""
    about = pack(checkpoint, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == package.read_bytes()
    assert unpack(package, tmp_path / "out") == about
    assert len(about.source_sha256) == 64


def test_a_changed_package_is_refused(package: Path, tmp_path: Path) -> None:
    """One flipped bit among the weights is found before anything is written."""
    content = bytearray(package.read_bytes())
    content[-3] ^= 1
    package.write_bytes(content)
    with pytest.raises(BadCheckpoint, match="not what was packed"):
        unpack(package, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kept", [0, 5, 200, -1])
def test_a_package_cut_short_is_refused(package: Path, tmp_path: Path, kept: int) -> None:
    """A download that broke off is named."""
    package.write_bytes(package.read_bytes()[:kept])
    with pytest.raises(BadCheckpoint, match=r"package\.safetensors"):
        unpack(package, tmp_path / "out")


def test_foreign_files_are_refused(checkpoint: Path, package: Path, tmp_path: Path) -> None:
    """Weights that are no package, no file at all, and a package of another version are refused."""
    with pytest.raises(BadCheckpoint, match="no package of int8 weights"):
        unpack(checkpoint / "model.safetensors", tmp_path / "out")
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        unpack(tmp_path / "missing", tmp_path / "out")
    later = package.read_bytes().replace(f'\\"version\\": {VERSION},'.encode(), b'\\"version\\": 9,')
    package.write_bytes(later)
    with pytest.raises(BadCheckpoint, match="version 9"):
        unpack(package, tmp_path / "out")


def test_a_file_that_leads_out_is_refused(package: Path, tmp_path: Path) -> None:
    """A package whose content agrees with its hash still cannot write where it likes."""
    parts = load_file(package)
    parts["file/../config.json"] = parts.pop("file/config.json")
    about = replace(_about(package), content_sha256=_digest(parts))
    save_file(parts, package, metadata={"modellab-int8": json.dumps(asdict(about))})
    with pytest.raises(BadCheckpoint, match=r"\.\./config\.json"):
        unpack(package, tmp_path / "out")
    assert not (tmp_path / "config.json").exists()


@pytest.mark.parametrize("bad", [np.float32("nan"), np.float32("inf")])
def test_values_that_are_not_finite_are_refused(checkpoint: Path, tmp_path: Path, bad: np.float32) -> None:
    """A row with an infinity or no number in it has no scale."""
    save_file({"a": np.full((2, 2), bad)}, checkpoint / "model.safetensors")
    with pytest.raises(BadCheckpoint, match="not finite"):
        pack(checkpoint, tmp_path / "p")


def test_values_beyond_float16_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    """A bias that float16 would make an infinity of is not written."""
    save_file({"a": np.full(2, 1e6, np.float32)}, checkpoint / "model.safetensors")
    with pytest.raises(BadCheckpoint, match="float16"):
        pack(checkpoint, tmp_path / "p")


def test_other_folders_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    """A folder without a configuration or without its weights is not in the transformers layout."""
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(BadCheckpoint, match=r"model\.safetensors"):
        pack(checkpoint, tmp_path / "p")
    (checkpoint / "config.json").unlink()
    with pytest.raises(BadCheckpoint, match=r"config\.json"):
        pack(checkpoint, tmp_path / "p")

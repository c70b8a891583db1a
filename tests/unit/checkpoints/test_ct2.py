"""Reading CTranslate2's model.bin."""

import struct
from pathlib import Path

import numpy as np
import pytest

from modellab.checkpoints.ct2 import read_ct2
from modellab.errors import BadCheckpoint

TENSORS = {
    "half": np.arange(6, dtype=np.float16).reshape(2, 3),
    "whole": np.array(7, np.int16),
    "single": np.ones(3, np.float32),
}


@pytest.fixture
def content(tiny) -> bytes:
    return tiny["pack"](TENSORS, {"same": "half"})


def test_tensors_come_back_as_they_were_written(tmp_path: Path, content: bytes) -> None:
    """Shapes, types and values are those of the file, and an alias is its tensor."""
    (tmp_path / "model.bin").write_bytes(content)
    model = read_ct2(tmp_path / "model.bin")
    assert (model.specification, model.revision) == ("WhisperSpec", 3)
    assert set(model.tensors) == {*TENSORS, "same"}
    for name, tensor in TENSORS.items():
        assert model.tensor(name).dtype == tensor.dtype
        np.testing.assert_array_equal(model.tensor(name), tensor)
    np.testing.assert_array_equal(model.tensor("same"), TENSORS["half"])
    with pytest.raises(BadCheckpoint, match="no tensor 'other'"):
        model.tensor("other")


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, content: bytes) -> None:
    """However many bytes are missing at the end, the file is refused with its name."""
    path = tmp_path / "model.bin"
    for kept in range(len(content)):
        path.write_bytes(content[:kept])
        with pytest.raises(BadCheckpoint, match=r"model\.bin"):
            read_ct2(path)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda content: b"PK\x03\x04" + content, "binary version"),
        (lambda content: struct.pack("<I", 5) + content[4:], "binary version is 5"),
        (lambda content: content + b"more", "bytes after its end"),
        (lambda content: content.replace(b"\x05\x00half\x00", b"\x05\x00hall\x00", 1), "aliases point at"),
    ],
)
def test_another_file_is_refused_with_the_reason(tmp_path: Path, content: bytes, spoil, reason: str) -> None:
    """Garbage, another version, bytes too many and a dangling alias are told apart."""
    (tmp_path / "model.bin").write_bytes(spoil(content))
    with pytest.raises(BadCheckpoint, match=reason):
        read_ct2(tmp_path / "model.bin")


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_refused(tmp_path: Path, seed: int) -> None:
    """Random bytes after a right beginning raise BadCheckpoint and nothing else."""
    noise = np.random.default_rng(seed).integers(0, 256, 4096, dtype=np.uint8).tobytes()
    (tmp_path / "model.bin").write_bytes(struct.pack("<IH", 6, 4) + b"abc\0" + noise)
    with pytest.raises(BadCheckpoint):
        read_ct2(tmp_path / "model.bin")


@pytest.mark.parametrize("content", [None, b""])
def test_a_missing_or_empty_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """No file and an empty one are bad checkpoints too."""
    if content is not None:
        (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(BadCheckpoint, match=r"model\.bin"):
        read_ct2(tmp_path / "model.bin")


def test_a_type_that_numpy_lacks_is_named(tmp_path: Path, tiny) -> None:
    """bfloat16, the format's type 5, is refused by number with the ones that are known."""
    content = tiny["pack"]({"x": np.zeros(1, np.int8)}, {})
    at = content.index(b"x\0") + 2 + 1 + 4
    (tmp_path / "model.bin").write_bytes(content[:at] + b"\x05" + content[at + 1 :])
    with pytest.raises(BadCheckpoint, match="tensor type 5"):
        read_ct2(tmp_path / "model.bin")

"""What an ONNX file says of itself, held against files that the onnx package writes."""

from pathlib import Path

import pytest

from modellab.checkpoints.onnx import onnx_metadata
from modellab.errors import BadCheckpoint

onnx = pytest.importorskip("onnx")


def written(path: Path, metadata: dict[str, str]) -> Path:
    """Give a model of one addition, with metadata."""
    floats = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N"]) for name in "xy"]
    add = onnx.helper.make_node("Add", ["x", "x"], ["y"])
    model = onnx.helper.make_model(onnx.helper.make_graph([add], "sum", floats[:1], floats[1:]))
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("metadata", [{}, {"vocab_size": "6", "Straße": "é" * 200, "empty": ""}])
def test_metadata_are_read(tmp_path: Path, metadata: dict[str, str]) -> None:
    """Every key comes with its value, long ones and empty ones too."""
    assert onnx_metadata(written(tmp_path / "model.onnx", metadata)) == metadata


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"", "no graph"),
        (b"nonsense" * 100, "is not an ONNX model"),
        (b"\xff" * 100, "is not an ONNX model"),
        (b"\x0a", "cut short"),
        (b"<html>not found</html>", "is not an ONNX model"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """A file that is missing, empty or something else is a bad checkpoint, by its path."""
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadCheckpoint, match=reason) as caught:
        onnx_metadata(path)
    assert str(path) in str(caught.value)


def test_a_model_that_is_cut_anywhere_is_never_mistaken(tmp_path: Path) -> None:
    """Cut at any byte, a file is refused, or gives less of its metadata; never something else."""
    whole = written(tmp_path / "model.onnx", {"kind": "tiny", "size": "6"})
    content, told = whole.read_bytes(), {"kind": "tiny", "size": "6"}
    cut = tmp_path / "cut.onnx"
    refused = 0
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        try:
            assert onnx_metadata(cut).items() <= told.items()
        except BadCheckpoint:
            refused += 1
    assert refused > len(content) * 0.8

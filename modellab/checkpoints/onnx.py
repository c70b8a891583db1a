"""ONNX: what a file says of itself. Its weights are passed over, so that it takes no time and no package.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, https://protobuf.dev/programming-guides/encoding
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from modellab.errors import BadCheckpoint

_GRAPH, _METADATA = 7, 14  # the numbers of two fields of a model
_KEY, _VALUE = 1, 2  # and of the two of an entry of its metadata
_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5
_LONGEST_VARINT_BYTES = 10


def onnx_metadata(path: Path) -> dict[str, str]:
    """Give the metadata that a model was exported with, by its keys.

    Raises:
        BadCheckpoint: when the file is missing, cut short or no ONNX model.
    """
    told, models = {}, 0
    try:
        with path.open("rb") as file:
            for number, content in _fields(file, path.stat().st_size, {_METADATA}):
                models += number == _GRAPH
                if number == _METADATA:
                    entry = dict(_fields(BytesIO(content), len(content), {_KEY, _VALUE}))
                    told[entry.get(_KEY, b"").decode()] = entry.get(_VALUE, b"").decode()
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{path} is not an ONNX model: {error}") from error
    if not models:
        raise BadCheckpoint(f"{path} is not an ONNX model: it holds no graph")
    return told


def _fields(file: BinaryIO, size_bytes: int, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """Give the number of each field, and the content of those that are wanted; that of others is passed over."""
    while file.tell() < size_bytes:
        tag = _varint(file)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            _varint(file)
            length_bytes = 0
        elif wire == _COUNTED:
            length_bytes = _varint(file)
        elif wire in {_EIGHT_BYTES, _FOUR_BYTES}:
            length_bytes = 8 if wire == _EIGHT_BYTES else 4
        else:
            raise ValueError("its bytes are no fields")
        if file.tell() + length_bytes > size_bytes:
            raise ValueError("it is cut short")
        if number in wanted:
            yield number, file.read(length_bytes)
        else:
            file.seek(length_bytes, 1)
            yield number, b""


def _varint(file: BinaryIO) -> int:
    value = 0
    for place in range(_LONGEST_VARINT_BYTES):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << (7 * place)
        if byte[0] < 0x80:  # noqa: PLR2004 - the last byte of a number
            return value
    raise ValueError("it is cut short")

"""Ct2Model: the tensors in a CTranslate2 `model.bin`.

Source: ctranslate2/specs/model_spec.py of https://github.com/OpenNMT/CTranslate2 (MIT), which writes the format.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from modellab.errors import BadCheckpoint

BINARY_VERSION = 6

Tensor: TypeAlias = npt.NDArray[Any]

# By the number the format gives a type; 5 is bfloat16, which numpy lacks.
_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ct2Model:
    """A model's specification and its tensors by name, aliases among them: read-only views of the file."""

    path: Path
    specification: str
    revision: int
    tensors: Mapping[str, Tensor]

    def tensor(self, name: str) -> Tensor:
        """Give a tensor.

        Raises:
            BadCheckpoint: when the file has none of that name.
        """
        if name not in self.tensors:
            raise BadCheckpoint(f"{self.path} has no tensor {name!r}")
        return self.tensors[name]


def read_ct2(path: Path) -> Ct2Model:
    """Give the model in a `model.bin`.

    Raises:
        BadCheckpoint: when the file is missing, cut short, of another version, or something else altogether.
    """
    try:
        content = memoryview(np.memmap(path, dtype=np.uint8, mode="r"))  # type: ignore[arg-type]
        return _read(_Reader(content), path)
    except (struct.error, UnicodeDecodeError, OverflowError) as error:
        raise BadCheckpoint(f"{path} is cut short or is no CTranslate2 model: {error}") from error
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{path} cannot be read as a CTranslate2 model: {error}") from error


class _Reader:
    """Walks over the file's little-endian numbers, names and tensors."""

    def __init__(self, content: memoryview) -> None:
        self._content, self._at = content, 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(f"<{form}", self._content, self._at)
        self._at += struct.calcsize(f"<{form}")
        return int(value)

    def name(self) -> str:
        """Give a text; its length on disk counts the zero byte at its end."""
        return bytes(self._take(self.number("H"))[:-1]).decode()

    def tensor(self) -> Tensor:
        shape = [self.number("I") for _ in range(self.number("B"))]
        kind, size_bytes = self.number("B"), self.number("I")
        if kind >= len(_TYPES):
            raise ValueError(f"tensor type {kind} is not one of float32, int8, int16, int32, float16")
        return np.frombuffer(self._take(size_bytes), dtype=_TYPES[kind]).reshape(shape)

    def at_end(self) -> bool:
        return self._at == len(self._content)

    def _take(self, size_bytes: int) -> memoryview:
        end = self._at + size_bytes
        if end > len(self._content):
            raise struct.error(f"{size_bytes} bytes wanted at {self._at} of {len(self._content)}")
        taken = self._content[self._at : end]
        self._at = end
        return taken


def _read(reader: _Reader, path: Path) -> Ct2Model:
    version = reader.number("I")
    if version != BINARY_VERSION:
        raise ValueError(f"its binary version is {version}, and only {BINARY_VERSION} is known")
    specification, revision = reader.name(), reader.number("I")
    tensors = {reader.name(): reader.tensor() for _ in range(reader.number("I"))}
    aliases = {reader.name(): reader.name() for _ in range(reader.number("I"))}
    if not reader.at_end():
        raise ValueError("there are bytes after its end")
    dangling = sorted(set(aliases.values()) - tensors.keys())
    if dangling:
        raise ValueError(f"aliases point at tensors that are not there: {', '.join(dangling)}")
    tensors |= {alias: tensors[name] for alias, name in aliases.items()}
    return Ct2Model(path=path, specification=specification, revision=revision, tensors=tensors)

"""Packing: a checkpoint in the transformers layout as one file of about half its size, its matrices in int8.

Each row of a matrix is kept as whole numbers from -127 to 127, with a scale for every 32 of them: a value is off by
half of its scale at most. One scale a row cost whisper-tiny.en 0.6 points of word error rate, one for every 32 values
less than 0.2. The rest is kept in float16. Only the package is small: a runtime computes on what `unpack` writes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal
from zlib import compress, decompress

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from modellab.checkpoints.ct2 import Tensor
from modellab.checkpoints.registry import WEIGHTS_FILE
from modellab.errors import BadCheckpoint
from modellab.sources.files import sha256_of

VERSION = 1

Precision = Literal["float32", "float16"]

_WEIGHTS = WEIGHTS_FILE["transformers"]
_MATRIX_AXES = 2
_LARGEST = 127
_GROUP = 32
_FILES = (
    "added_tokens.json",
    "config.json",
    "generation_config.json",
    "merges.txt",
    "normalizer.json",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
)
_ABOUT = "modellab-int8"  # one key, for safetensors writes several in an order of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What a package says of itself: the hash of the weights it was made from, and that of what it holds."""

    version: int
    source_sha256: str
    content_sha256: str


def pack(folder: Path, package: Path) -> Package:
    """Write a folder's weights, configuration and tokenizer as one package; equal folders give equal bytes.

    Raises:
        BadCheckpoint: when the folder is not in the transformers layout, or holds weights that int8 cannot carry.
    """
    parts = {
        f"file/{name}": np.frombuffer(compress((folder / name).read_bytes(), 9), np.uint8)
        for name in _FILES
        if (folder / name).is_file()
    }
    if "file/config.json" not in parts:
        raise BadCheckpoint(f"{folder} has no config.json, so it is not in the transformers layout")
    for name, tensor in _tensors(folder / _WEIGHTS).items():
        parts |= _packed(name, tensor)
    about = Package(version=VERSION, source_sha256=sha256_of(folder / _WEIGHTS), content_sha256=_digest(parts))
    package.parent.mkdir(parents=True, exist_ok=True)
    save_file(parts, package, metadata={_ABOUT: json.dumps(asdict(about))})
    return about


def unpack(package: Path, folder: Path, precision: Precision = "float32") -> Package:
    """Write what a package holds as a folder in the transformers layout, its weights in this precision.

    Raises:
        BadCheckpoint: when it is no package, one of another version, or not what was packed.
    """
    about = _about(package)
    parts = _tensors(package)
    if _digest(parts) != about.content_sha256:
        raise BadCheckpoint(f"{package} is not what was packed: its content has another SHA-256. Pack it again.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in _named(parts, "file"):
        if name not in _FILES:
            raise BadCheckpoint(f"{package} holds a file {name!r}, and may hold {', '.join(_FILES)} only")
        (folder / name).write_bytes(_text(decompress(parts[f"file/{name}"].tobytes()), name, precision))
    save_file(dict(_unpacked(parts, precision)), folder / _WEIGHTS, metadata={"format": "pt"})
    return about


def _packed(name: str, tensor: Tensor) -> dict[str, Tensor]:
    if not np.issubdtype(tensor.dtype, np.floating):
        return {f"plain/{name}": tensor}
    if not np.isfinite(tensor).all():
        raise BadCheckpoint(f"{name} holds values that are not finite")
    if tensor.ndim == _MATRIX_AXES and tensor.size:
        rows = tensor.astype(np.float32)
        scales = _scales(rows, name)
        steps = _spread(scales, rows.shape[1])
        return {f"rows/{name}": np.rint(rows / np.where(steps > 0, steps, 1)).astype(np.int8), f"scales/{name}": scales}
    return {f"plain/{name}": _half(tensor, name)}


def _scales(rows: Tensor, name: str) -> Tensor:
    """Give a float16 for every group of every row, rounded up, so that no whole number is beyond 127."""
    starts = np.arange(0, rows.shape[1], _GROUP)
    exact = np.maximum.reduceat(np.abs(rows), starts, axis=1) / np.float32(_LARGEST)
    half = _half(exact, name)
    return _half(np.where(half < exact, np.nextafter(half, np.float16(np.inf)), half), name)


def _spread(scales: Tensor, width: int) -> Tensor:
    """Give every value's scale."""
    return np.repeat(scales.astype(np.float32), _GROUP, axis=1)[:, :width]


def _half(tensor: Tensor, name: str) -> Tensor:
    with np.errstate(over="ignore"):
        half = tensor.astype(np.float16)
    if not np.isfinite(half).all():
        raise BadCheckpoint(f"{name} holds values that float16 cannot: the greatest is {np.abs(tensor).max():g}")
    return half


def _unpacked(parts: Mapping[str, Tensor], precision: Precision) -> Iterator[tuple[str, Tensor]]:
    for name in _named(parts, "rows"):
        rows = parts[f"rows/{name}"]
        yield name, (rows * _spread(parts[f"scales/{name}"], rows.shape[1])).astype(precision)
    for name in _named(parts, "plain"):
        tensor = parts[f"plain/{name}"]
        yield name, tensor.astype(precision) if np.issubdtype(tensor.dtype, np.floating) else tensor


def _named(parts: Mapping[str, Tensor], kind: str) -> list[str]:
    return [name.removeprefix(f"{kind}/") for name in sorted(parts) if name.startswith(f"{kind}/")]


def _text(content: bytes, name: str, precision: Precision) -> bytes:
    """Give a file as it was packed, but for the precision that `config.json` says the weights are in."""
    if name != "config.json":
        return content
    config: dict[str, Any] = json.loads(content)
    stated = {key: precision for key in ("dtype", "torch_dtype") if key in config}
    return (json.dumps(config | stated, indent=2, ensure_ascii=False) + "\n").encode()


def _about(package: Path) -> Package:
    try:
        with safe_open(package, framework="numpy") as opened:
            stated = (opened.metadata() or {}).get(_ABOUT)
        if stated is None:
            raise BadCheckpoint(f"{package} is no package of int8 weights; one is made by `make gpu-package`")
        about = Package(**json.loads(stated))
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise BadCheckpoint(f"{package} cannot be read as a package of int8 weights: {error}") from error
    if about.version != VERSION:
        raise BadCheckpoint(f"{package} is a package of version {about.version}, and only {VERSION} is known")
    return about


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"{path} cannot be read as safetensors in a type that numpy has: {error!r}") from error
    return tensors


def _digest(parts: Mapping[str, Tensor]) -> str:
    digest = sha256()
    for name in sorted(parts):
        tensor = np.ascontiguousarray(parts[name])
        digest.update(f"{name} {tensor.dtype} {tensor.shape}\n".encode())
        digest.update(tensor.data if tensor.size else b"")
    return digest.hexdigest()

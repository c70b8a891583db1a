"""ggml: Whisper in the one file that whisper.cpp reads.

Source: the loader in src/whisper.cpp of https://github.com/ggml-org/whisper.cpp (MIT), which states the format.
"""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from modellab.checkpoints.blocks import quantise
from modellab.checkpoints.ct2 import Tensor, read_ct2
from modellab.checkpoints.mel import FFT_SAMPLES, mel_filters
from modellab.checkpoints.vocabulary import Vocabulary, spellings
from modellab.checkpoints.whisper import Dimensions, dimensions, openai_tensors
from modellab.errors import BadCheckpoint

FILE = "ggml-model.bin"
MAGIC = 0x67676D6C

# By compute type: the number of the whole file, and that of a tensor. Convolutions are computed from float16 alone on
# the cpu, and a file in float32 would have them in float32: whisper.cpp 1.8.5 aborts the process on it.
FILE_TYPES: Mapping[str, int] = {"float16": 1, "q8_0": 2007, "q5_1": 2009}
_TENSOR_TYPES: Mapping[str, int] = {"float32": 0, "float16": 1, "q5_1": 7, "q8_0": 8}

_MATRIX = 2  # dimensions; convolutions have three
_SIZES = (
    "n_vocab",
    "n_audio_ctx",
    "n_audio_state",
    "n_audio_head",
    "n_audio_layer",
    "n_text_ctx",
    "n_text_state",
    "n_text_head",
    "n_text_layer",
    "n_mels",
)


def writer(compute_type: str) -> Callable[[Path, Path], None]:
    """Give the conversion from CTranslate2's layout to ggml in a compute type: one of FILE_TYPES."""

    def write(source: Path, into: Path) -> None:
        write_ggml(source, into, compute_type)

    return write


def write_ggml(source: Path, into: Path, compute_type: str) -> None:
    """Write `ggml-model.bin` as whisper.cpp reads it.

    Biases, norms and positions stay in float32 and convolutions in float16, as whisper.cpp wants them.

    Raises:
        BadCheckpoint: when the source is no Whisper model in CTranslate2's layout, or has no tokenizer.
    """
    model = read_ct2(source / "model.bin")
    sizes, tensors = dimensions(model), openai_tensors(model)
    words = Vocabulary.read(source / "tokenizer.json")
    spelt = spellings(source / "tokenizer.json")[: words.end]
    with (into / FILE).open("wb") as file:
        _write_sizes(file, sizes, compute_type)
        _write_filters(file, sizes.n_mels)
        _write_words(file, spelt)
        for name, tensor in tensors.items():
            _write_tensor(file, name, tensor, compute_type)


def compute_type_of(path: Path) -> str:
    """Give the compute type of a ggml file, by its header.

    Raises:
        BadCheckpoint: when it is missing, no Whisper model in ggml, or in a type that is not one of FILE_TYPES.
    """
    form = f"<I{len(_SIZES)}ii"
    try:
        with path.open("rb") as file:
            magic, *_, number = struct.unpack(form, file.read(struct.calcsize(form)))
    except (OSError, struct.error) as error:
        raise BadCheckpoint(f"{path} cannot be read as a ggml model: {error}") from error
    found = next((name for name, own in FILE_TYPES.items() if own == number), None)
    if magic != MAGIC or found is None:
        raise BadCheckpoint(f"{path} is no ggml model in {', '.join(FILE_TYPES)}")
    return found


def _write_sizes(file: BinaryIO, sizes: Dimensions, compute_type: str) -> None:
    numbers = [getattr(sizes, name) for name in _SIZES]
    file.write(struct.pack(f"<I{len(_SIZES)}ii", MAGIC, *numbers, FILE_TYPES[compute_type]))


def _write_filters(file: BinaryIO, count: int) -> None:
    file.write(struct.pack("<ii", count, FFT_SAMPLES // 2 + 1))
    file.write(mel_filters(count).astype("<f4").tobytes())


def _write_words(file: BinaryIO, spelt: list[bytes]) -> None:
    """Write what the tokens that are no orders spell; whisper.cpp names the others itself."""
    file.write(struct.pack("<i", len(spelt)))
    for each in spelt:
        file.write(struct.pack("<I", len(each)) + each)


def _write_tensor(file: BinaryIO, name: str, tensor: Tensor, compute_type: str) -> None:
    shaped = tensor.reshape(-1, 1) if name in {"encoder.conv1.bias", "encoder.conv2.bias"} else tensor
    kind, encoded = _kind_of(name, shaped, compute_type), name.encode()
    sizes = list(reversed(shaped.shape))
    file.write(struct.pack(f"<{3 + len(sizes)}i", len(sizes), len(encoded), _TENSOR_TYPES[kind], *sizes))
    file.write(encoded)
    file.write(_content(shaped, kind))


def _kind_of(name: str, tensor: Tensor, compute_type: str) -> str:
    if tensor.ndim < _MATRIX or name.endswith((".bias", ".positional_embedding")):
        return "float32"
    return "float16" if tensor.ndim > _MATRIX else compute_type


def _content(tensor: Tensor, kind: str) -> bytes:
    if kind in {"float32", "float16"}:
        return np.ascontiguousarray(tensor, "<f4" if kind == "float32" else "<f2").tobytes()
    return quantise(tensor, kind)

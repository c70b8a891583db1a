"""Weights in blocks: what comes back, and bit for bit what ggml's own quantiser writes."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from modellab.checkpoints.blocks import BLOCK, quantise
from modellab.errors import BadCheckpoint

TYPES = {"q8_0": 8, "q5_1": 7}
BYTES = {"q8_0": 34, "q5_1": 24}


def restored(blocks: bytes, kind: str) -> np.ndarray:
    """Give what blocks stand for, of shape (blocks, 32), read as ggml documents them."""
    rows = np.frombuffer(blocks, np.uint8).reshape(-1, BYTES[kind])
    scale = rows[:, :2].copy().view("<f2").astype(np.float64)
    if kind == "q8_0":
        return scale * rows[:, 2:].view(np.int8)
    offset = rows[:, 2:4].copy().view("<f2").astype(np.float64)
    high = np.unpackbits(rows[:, 4:8], axis=1, bitorder="little")
    low = np.hstack([rows[:, 8:] & 15, rows[:, 8:] >> 4])
    return offset + scale * (low + 16 * high.astype(np.int64))


def own_quantiser() -> ctypes.CDLL:
    """Give ggml as the wheel of whisper.cpp brings it."""
    runtime = pytest.importorskip("_pywhispercpp")
    (path,) = (Path(runtime.__file__).parent / "pywhispercpp.libs").glob("libggml-base*")
    return ctypes.CDLL(str(path))


def weights(rows: int = 8, columns: int = 96) -> np.ndarray:
    """Give weights as a network has them, and a block of each kind that is easily got wrong."""
    drawn = np.random.default_rng(5).normal(0, 0.05, (rows, columns)).astype(np.float16)
    drawn[0, :32], drawn[1, :32], drawn[2, :32], drawn[3, :32] = 0, 0.25, -0.25, np.linspace(-1, 1, 32)
    drawn[4, :32] = np.arange(32) / 2  # halves, which are rounded
    return drawn


@pytest.mark.parametrize(("kind", "steps"), [("q8_0", 127), ("q5_1", 31)])
def test_weights_come_back_within_half_a_step(kind: str, steps: int) -> None:
    """What a block stands for is within half a step of what went in, but for the rounding of its scale and offset."""
    given = weights().reshape(-1, BLOCK).astype(np.float64)
    spread = np.abs(given).max(axis=1) if kind == "q8_0" else np.ptp(given, axis=1)
    error = np.abs(restored(quantise(weights(), kind), kind) - given).max(axis=1)
    assert (error <= spread / steps / 2 + 2e-3 * np.abs(given).max(axis=1)).all()


@pytest.mark.parametrize("kind", BYTES)
def test_blocks_are_as_small_as_ggml_has_them(kind: str) -> None:
    """A block of 32 weights takes 34 bytes in q8_0 and 24 in q5_1."""
    assert len(quantise(weights(8, 96), kind)) == 8 * 3 * BYTES[kind]


@pytest.mark.parametrize("kind", BYTES)
def test_blocks_are_those_of_ggml(kind: str) -> None:
    """Bit for bit they are what ggml's reference quantiser writes."""
    ggml, given = own_quantiser(), np.ascontiguousarray(weights(64, 384), np.float32)
    written = ctypes.create_string_buffer(given.size // BLOCK * BYTES[kind])
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk(
        TYPES[kind],
        given.ctypes.data_as(ctypes.c_void_p),
        written,
        *(ctypes.c_int64(number) for number in (0, *given.shape)),
        None,
    )
    assert quantise(weights(64, 384), kind) == written.raw


def test_rows_that_are_no_whole_blocks_are_refused() -> None:
    """Rows of 40 weights are no whole blocks of 32."""
    with pytest.raises(BadCheckpoint, match="40 weights"):
        quantise(weights(8, 40), "q8_0")

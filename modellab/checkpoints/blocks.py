"""Blocks: weights as ggml quantises them, 32 in a block with a scale of their own.

Source: ggml/src/ggml-quants.c of https://github.com/ggml-org/ggml (MIT), whose reference rounding is followed.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from modellab.errors import BadCheckpoint

BLOCK = 32

_Floats: TypeAlias = npt.NDArray[np.float32]
_Bytes: TypeAlias = npt.NDArray[np.uint8]

_Q8_MOST = 127
_Q5_MOST = 31
_LOW_BITS = 0x0F
_Q5_HIGH_BIT = 4


def quantise(weights: npt.NDArray[np.floating], kind: str) -> bytes:
    """Give the blocks of a matrix, row after row.

    Args:
        weights: of shape (rows, columns).
        kind: "q8_0", eight bits and a scale; or "q5_1", five bits, a scale and an offset.

    Raises:
        BadCheckpoint: when its rows are not whole blocks.
    """
    if weights.shape[-1] % BLOCK:
        raise BadCheckpoint(f"rows of {weights.shape[-1]} weights are no whole blocks of {BLOCK}: not to be quantised")
    blocks = np.ascontiguousarray(weights, np.float32).reshape(-1, BLOCK)
    return _KINDS[kind](blocks).tobytes()


def _q8_0(blocks: _Floats) -> _Bytes:
    """Give blocks of a float16 scale and 32 signed bytes."""
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(_Q8_MOST)
    scaled = blocks * _inverse(scale)
    away_from_zero = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    return np.hstack([_half(scale), away_from_zero.astype(np.int8).view(np.uint8)])


def _q5_1(blocks: _Floats) -> _Bytes:
    """Give blocks of a float16 scale, a float16 offset, 32 fifth bits, and 16 bytes of two times four bits."""
    offset = blocks.min(axis=1, keepdims=True)
    scale = (blocks.max(axis=1, keepdims=True) - offset) / np.float32(_Q5_MOST)
    steps = ((blocks - offset) * _inverse(scale) + np.float32(0.5)).astype(np.uint8)
    first, second = np.hsplit(steps & _LOW_BITS, 2)
    high = np.packbits(steps >> _Q5_HIGH_BIT, axis=1, bitorder="little")
    return np.hstack([_half(scale), _half(offset), high, first | second << np.uint8(4)])


_KINDS: Mapping[str, Callable[[_Floats], _Bytes]] = {"q8_0": _q8_0, "q5_1": _q5_1}


def _inverse(scale: _Floats) -> _Floats:
    """Give 1 / scale; 0 for a block in which all weights are alike."""
    return np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale > 0)


def _half(values: _Floats) -> _Bytes:
    return values.astype("<f2").view(np.uint8)

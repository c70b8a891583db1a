"""Audio in whole numbers."""

import numpy as np

from modellab.speech.audio import Audio
from modellab.speech.pcm import pcm16


def test_samples_are_rounded_and_clipped() -> None:
    """Full scale is 32767 either way, what lies beyond is clipped, and the rest goes to the nearest number."""
    samples = np.array([0.0, 1.0, -1.0, 3.0, -3.0, 1.4 / 32_767, -1.6 / 32_767], np.float32)
    assert np.frombuffer(pcm16(Audio(samples=samples)), "<i2").tolist() == [0, 32767, -32767, 32767, -32767, 1, -2]


def test_sixteen_bits_come_back() -> None:
    """What was read from 16 bits loses no more than one step of them."""
    steps = np.arange(-32_767, 32_768, 13, dtype=np.int16)
    given = np.frombuffer(pcm16(Audio(samples=(steps / 32_768).astype(np.float32))), "<i2")
    assert np.abs(given.astype(int) - steps.astype(int)).max() <= 1

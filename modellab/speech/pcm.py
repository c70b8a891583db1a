"""PCM: audio as runtimes take it that want whole numbers."""

import numpy as np

from modellab.speech.audio import Audio

_LOUDEST = 32_767


def pcm16(audio: Audio) -> bytes:
    """Give the samples as signed 16-bit little-endian, mono, 16 kHz; what lies beyond [-1, 1] is clipped."""
    return (np.clip(audio.samples, -1.0, 1.0) * _LOUDEST).round().astype("<i2").tobytes()

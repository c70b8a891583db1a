"""Mel filters: how Whisper weighs the frequencies of a spectrum."""

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 16_000
FFT_SAMPLES = 400

_LINEAR_HZ = 200 / 3  # a mel, where the scale is linear
_BEND_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27  # a mel above the bend, of the logarithm of the frequency


def mel_filters(count: int) -> npt.NDArray[np.float32]:
    """Give triangles of equal area on Slaney's mel scale up to 8 kHz, of shape (count, 201).

    Source: Malcolm Slaney, Auditory Toolbox, Technical Report 1998-010, Interval Research.
    """
    frequencies = np.linspace(0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    corners = _hertz(np.linspace(0, _mel(SAMPLE_RATE_HZ / 2), count + 2))
    widths = np.diff(corners)[:, None]
    distances = corners[:, None] - frequencies
    rising, falling = -distances[:-2] / widths[:-1], distances[2:] / widths[1:]
    triangles = np.maximum(0, np.minimum(rising, falling))
    heights = 2 / (corners[2:] - corners[:-2])[:, None]
    return (triangles.astype(np.float32) * heights).astype(np.float32)


def _mel(hertz: float) -> float:
    bend = _BEND_HZ / _LINEAR_HZ
    return hertz / _LINEAR_HZ if hertz < _BEND_HZ else float(bend + np.log(hertz / _BEND_HZ) / _LOG_STEP)


def _hertz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    bend = _BEND_HZ / _LINEAR_HZ
    linear: npt.NDArray[np.float64] = mels * _LINEAR_HZ
    return np.where(mels < bend, linear, _BEND_HZ * np.exp(_LOG_STEP * (mels - bend)))

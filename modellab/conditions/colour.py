"""Colour: noise by how its power lies over the frequencies."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Colour = Callable[[int, np.random.Generator], npt.NDArray[Any]]


def white(count: int, random: np.random.Generator) -> npt.NDArray[Any]:
    """Give noise of equal power at all frequencies: float64, (count,)."""
    return random.standard_normal(count)


def pink(count: int, random: np.random.Generator) -> npt.NDArray[Any]:
    """Give noise whose power falls by 3 dB an octave and that has no offset: float64, (count,)."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum[1:] /= np.sqrt(np.arange(1, spectrum.size))
    spectrum[0] = 0.0
    return np.fft.irfft(spectrum, count)


COLOURS: Mapping[str, Colour] = {"white": white, "pink": pink}

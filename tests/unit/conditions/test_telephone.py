"""Telephone: what the line lets through, and what its code costs."""

import numpy as np
import pytest

from modellab.conditions.telephone import Telephone
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio

LAWS = pytest.mark.parametrize("law", ["mu", "a"])


def through(law: str, pitch_hz: float, peak: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Give the middle of a second of a tone, before and after the line."""
    tone = peak * np.sin(2 * np.pi * pitch_hz * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
    audio = Audio(samples=tone.astype(np.float32))
    heard = Telephone(name="telephone", law=law).apply(audio, np.random.default_rng(0))
    middle = slice(SAMPLE_RATE_HZ // 4, 3 * SAMPLE_RATE_HZ // 4)
    return audio.samples[middle], heard.samples[middle]


def level_db(samples: np.ndarray) -> float:
    """Give the level of samples in dB."""
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))


@LAWS
@pytest.mark.parametrize("pitch_hz", [400, 1000, 3200])
def test_the_band_goes_through(law: str, pitch_hz: float) -> None:
    """From 400 to 3200 Hz the level stays within half a decibel."""
    before, after = through(law, pitch_hz)
    assert level_db(after) == pytest.approx(level_db(before), abs=0.5)


@LAWS
@pytest.mark.parametrize("pitch_hz", [50, 150, 3700, 5000, 7000])
def test_what_lies_outside_does_not(law: str, pitch_hz: float) -> None:
    """Below 150 and above 3700 Hz a tone loses at least 35 dB."""
    before, after = through(law, pitch_hz)
    assert level_db(after) < level_db(before) - 35


@LAWS
@pytest.mark.parametrize("peak", [0.5, 0.05])
def test_the_code_costs_what_its_eight_bits_cost(law: str, peak: float) -> None:
    """The noise of the code lies 35 to 43 dB below loud and faint tones alike: 8 bits on a logarithmic scale."""
    before, after = through(law, 1020, peak)
    noise = after - before * np.dot(after, before) / np.dot(before, before)
    assert 35 < level_db(before) - level_db(noise) < 43


def test_the_laws_differ() -> None:
    """The two laws are two codes."""
    assert not np.array_equal(through("mu", 1020)[1], through("a", 1020)[1])

"""Room: an echo of the time that was asked, as loud as the speech."""

from collections.abc import Callable

import numpy as np
import pytest

from modellab.conditions.room import Room, impulse_response
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio


@pytest.mark.parametrize("rt60_s", [0.3, 0.6, 2.0])
def test_sound_falls_by_sixty_decibels_in_the_time_asked(rt60_s: float) -> None:
    """The slope of the energy that is still to come, from -5 to -35 dB, is that of the reverberation time.

    Source: Schroeder 1965, "New method of measuring reverberation time"; the range is ISO 3382's T30.
    """
    response = impulse_response(rt60_s, np.random.default_rng(5))[1:]
    left_db = 10 * np.log10(np.cumsum(np.square(response)[::-1])[::-1])
    left_db -= left_db[0]
    fitted = (left_db < -5) & (left_db > -35)
    slope_db_per_s = np.polyfit(np.flatnonzero(fitted) / SAMPLE_RATE_HZ, left_db[fitted], 1)[0]
    assert -60 / slope_db_per_s == pytest.approx(rt60_s, rel=0.05)


def test_direct_sound_and_echo_carry_the_same_energy() -> None:
    """The first sample is the direct sound, and all others together hold as much energy."""
    response = impulse_response(0.5, np.random.default_rng(1))
    assert response[0] == 1.0
    assert np.square(response[1:]).sum() == pytest.approx(1.0)


def test_the_room_is_as_loud_as_the_speech_was(speech: Callable[..., Audio]) -> None:
    """The energy of the whole stays, and the silence between words is filled."""
    audio = speech()
    heard = Room(name="reverb", rt60_s=0.6).apply(audio, np.random.default_rng(0))
    assert np.square(heard.samples).sum() == pytest.approx(np.square(audio.samples).sum(), rel=1e-3)
    gap = slice(round(0.31 * SAMPLE_RATE_HZ), round(0.49 * SAMPLE_RATE_HZ))
    assert not audio.samples[gap].any()
    assert np.abs(heard.samples[gap]).max() > 0.003


def test_each_seed_is_another_place(speech: Callable[..., Audio]) -> None:
    """Another chance gives another echo."""
    one, other = (
        Room(name="reverb", rt60_s=0.6).apply(speech(), np.random.default_rng(seed)).samples for seed in (1, 2)
    )
    assert not np.array_equal(one, other)


def test_silence_stays_silent() -> None:
    """Nothing comes back where nothing sounded."""
    audio = Audio(samples=np.zeros(1000, np.float32))
    assert not Room(name="reverb", rt60_s=0.3).apply(audio, np.random.default_rng(0)).samples.any()

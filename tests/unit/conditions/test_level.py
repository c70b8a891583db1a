"""Level: where somebody speaks, and noise at a distance from them."""

from collections.abc import Callable

import numpy as np
import pytest

from modellab.conditions.colour import COLOURS, pink, white
from modellab.conditions.level import active, clipped, mix, snr_db, unit_level, within_scale
from modellab.conditions.noise import Noise
from modellab.errors import BadAudio
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio

FRAME = 320


def rms_db(samples: np.ndarray) -> float:
    """Give the level of samples in dB."""
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64))))


def test_speech_is_where_frames_are_within_forty_decibels_of_the_loudest() -> None:
    """A frame of 20 ms that is 39 dB below the loudest is speech, one 41 dB below or of zeros is not."""
    levels_db = [0, -39, -41, None]
    frames = [np.zeros(FRAME) if db is None else np.full(FRAME, 10 ** (db / 20)) for db in levels_db]
    speaks = active(np.concatenate([*frames, np.full(7, 0.5)]))
    assert [bool(speaks[place]) for place in range(0, 4 * FRAME, FRAME)] == [True, True, False, False]
    assert speaks[-7:].all()
    assert speaks.size == 4 * FRAME + 7


@pytest.mark.parametrize("count", [1, FRAME - 1, FRAME, FRAME + 1])
def test_nobody_speaks_in_digital_silence(count: int) -> None:
    """Zeros hold no speech, however many."""
    assert not active(np.zeros(count, np.float32)).any()


@pytest.mark.parametrize("sound", COLOURS)
@pytest.mark.parametrize("wanted_db", [-10, 0, 10, 20, 40])
def test_noise_lies_as_far_below_the_speech_as_was_asked(
    speech: Callable[..., Audio], sound: str, wanted_db: float
) -> None:
    """What was added lies within a tenth of a decibel of the distance asked, over the samples with speech."""
    audio = speech(peak=0.01)
    heard = Noise(name="noise", snr_db=wanted_db, sound=sound).apply(audio, np.random.default_rng(0))
    speaks = np.repeat(np.add.reduceat(np.abs(audio.samples), np.arange(0, audio.samples.size, FRAME)) > 0, FRAME)
    added = heard.samples - audio.samples
    assert rms_db(audio.samples[speaks]) - rms_db(added[speaks]) == pytest.approx(wanted_db, abs=0.1)
    assert rms_db(added[speaks]) == pytest.approx(rms_db(added[~speaks]), abs=1.5), "noise is steady"


def test_silence_around_speech_makes_no_noise_louder_or_fainter(speech: Callable[..., Audio]) -> None:
    """Ten seconds of silence after the speech leave the noise as loud as it was: only speech is measured."""
    short = speech(2.0, peak=0.01)
    long = Audio(samples=np.pad(short.samples, (0, 10 * SAMPLE_RATE_HZ)))
    noise = Noise(name="noise", snr_db=10, sound="white")
    added = [noise.apply(audio, np.random.default_rng(0)).samples - audio.samples for audio in (short, long)]
    assert rms_db(added[0]) == pytest.approx(rms_db(added[1]), abs=0.1)


def test_a_sum_beyond_full_scale_is_made_quieter_as_a_whole(speech: Callable[..., Audio]) -> None:
    """Loud speech with louder noise is the faint one's sum at another gain: nothing is cut off."""
    faint, loud = (
        Noise(name="noise", snr_db=-10, sound="pink").apply(speech(peak=peak), np.random.default_rng(0)).samples
        for peak in (0.001, 1.0)
    )
    assert np.abs(loud).max() == pytest.approx(1.0)
    assert loud == pytest.approx(faint * (1 / np.abs(faint).max()), abs=1e-4)


def test_there_is_no_noise_relative_to_silence(speech: Callable[..., Audio]) -> None:
    """Speech or noise of zeros is refused, not left as it is."""
    with pytest.raises(BadAudio, match=r"it is digital silence.*10 dB"):
        Noise(name="noise", snr_db=10, sound="pink").apply(
            Audio(samples=np.zeros(1000, np.float32)), np.random.default_rng(0)
        )
    with pytest.raises(BadAudio, match="the noise is digital silence"):
        mix(speech().samples, np.zeros_like(speech().samples), 10)


def test_noise_of_each_colour_has_its_slope() -> None:
    """White noise has equal power in each band of equal width, pink noise in each octave."""
    count = 16 * SAMPLE_RATE_HZ

    def band_db(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
        spectrum, places = np.abs(np.fft.rfft(samples)) ** 2, np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
        return float(10 * np.log10(spectrum[(places >= low_hz) & (places < high_hz)].sum()))

    for colour, difference_db in ((white, 10 * np.log10(16)), (pink, 0.0)):
        samples = colour(count, np.random.default_rng(3))
        found_db = band_db(samples, 3200, 6400) - band_db(samples, 200, 400)
        assert found_db == pytest.approx(difference_db, abs=0.3)


def test_levels_are_brought_to_one_and_kept_within_scale() -> None:
    """Unit level is a power of 1 where somebody speaks; scaling leaves what fits alone; clipping cuts."""
    burst = np.concatenate([np.zeros(10 * FRAME), np.full(FRAME, 0.1)])
    assert unit_level(burst)[-1] == pytest.approx(1.0)
    assert not unit_level(np.zeros(5)).any()
    assert within_scale(np.array([0.5, -0.25])).samples.tolist() == [0.5, -0.25]
    assert within_scale(np.array([1.0, -4.0])).samples.tolist() == [0.25, -1.0]
    assert clipped(np.array([0.5, -4.0])).samples.tolist() == [0.5, -1.0]


def test_the_ratio_of_powers_is_in_decibels() -> None:
    """Twice the amplitude is 6.02 dB."""
    assert snr_db(np.full(FRAME, 0.2), np.full(FRAME, 0.1)) == pytest.approx(6.0206, abs=1e-3)

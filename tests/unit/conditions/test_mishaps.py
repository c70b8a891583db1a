"""Speed, gain, clipping, pause and cut: each does what its number says."""

from collections.abc import Callable

import numpy as np
import pytest

from modellab.conditions.clipping import Clipping
from modellab.conditions.cut import Cut
from modellab.conditions.gain import Gain
from modellab.conditions.pause import Pause
from modellab.conditions.speed import Speed
from modellab.errors import BadAudio
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.effect import Effect

MakeSpeech = Callable[..., Audio]


def heard(effect: Effect, audio: Audio) -> np.ndarray:
    """Give the samples that an effect leaves."""
    return effect.apply(audio, np.random.default_rng(0)).samples


@pytest.mark.parametrize("factor", [0.8, 1.25, 2.0])
def test_speed_changes_tempo_and_pitch(factor: float) -> None:
    """A tone played at 1.25x is 1.25 times as high and lasts as much less."""
    tone = np.sin(2 * np.pi * 500 * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
    played = heard(Speed(name="speed", factor=factor), Audio(samples=(0.5 * tone).astype(np.float32)))
    assert played.size == round(SAMPLE_RATE_HZ / factor)
    pitch_hz = np.argmax(np.abs(np.fft.rfft(played, 1 << 18))) * SAMPLE_RATE_HZ / (1 << 18)
    assert pitch_hz == pytest.approx(500 * factor, rel=0.005)


@pytest.mark.parametrize(("gain_db", "factor"), [(-20, 0.1), (6.0206, 2.0), (0, 1.0)])
def test_gain_is_in_decibels(speech: MakeSpeech, gain_db: float, factor: float) -> None:
    """20 dB down is a tenth of the amplitude."""
    audio = speech(peak=0.3)
    assert heard(Gain(name="gain", gain_db=gain_db), audio) == pytest.approx(audio.samples * factor, abs=1e-6)


def test_gain_is_cut_off_at_full_scale(speech: MakeSpeech) -> None:
    """What would lie beyond full scale lies at it."""
    audio = speech(peak=0.3)
    assert heard(Gain(name="gain", gain_db=40), audio) == pytest.approx(np.clip(audio.samples * 100, -1, 1))


@pytest.mark.parametrize("percent", [0.1, 5, 20])
def test_clipping_cuts_off_the_share_that_was_asked(speech: MakeSpeech, percent: float) -> None:
    """So many percent of all samples lie at full scale, and the others keep their shape."""
    audio = speech()
    samples = heard(Clipping(name="clip", percent=percent), audio)
    at_limit = np.abs(samples) >= 1.0
    assert 100 * at_limit.mean() == pytest.approx(percent, abs=0.05)
    gain = samples[~at_limit] / np.where(audio.samples[~at_limit] == 0, np.inf, audio.samples[~at_limit])
    assert np.ptp(gain[gain > 0]) == pytest.approx(0.0, abs=1e-3 * float(gain.max()))


def test_what_is_silent_cannot_be_clipped(speech: MakeSpeech) -> None:
    """Where fewer samples sound than should be cut off, that is said."""
    with pytest.raises(BadAudio, match="digital silence but for less than 99 %"):
        heard(Clipping(name="clip", percent=99), speech())


def test_a_pause_parts_what_is_before_from_what_is_after(speech: MakeSpeech) -> None:
    """The first half, so much silence, the second half; or the silence first."""
    audio = speech(1.0)
    first, second = np.split(audio.samples, 2)
    silence = np.zeros(SAMPLE_RATE_HZ // 4)
    within = heard(Pause(name="pause", pause_s=0.25, place="middle"), audio)
    assert np.array_equal(within, np.concatenate([first, silence, second]))
    before = heard(Pause(name="lead", pause_s=0.25, place="start"), audio)
    assert np.array_equal(before, np.concatenate([silence, first, second]))


def test_a_word_about_the_pause_lasts_longer() -> None:
    """A word before the pause stays, one after it comes later, and one that it parts lasts longer by it."""
    pause = Pause(name="pause", pause_s=2.0, place="middle")
    moved = {time_s: pause.moved_s(time_s, 1.0) for time_s in (0.0, 0.4, 0.5, 0.6, 1.0)}
    assert moved == {0.0: 0.0, 0.4: 0.4, 0.5: 2.5, 0.6: 2.6, 1.0: 3.0}


def test_a_cut_takes_the_start(speech: MakeSpeech) -> None:
    """What is left is the end, from the cut on; what was cut off comes at the start."""
    audio = speech(1.0)
    cut = Cut(name="cut", cut_s=0.25)
    assert np.array_equal(heard(cut, audio), audio.samples[SAMPLE_RATE_HZ // 4 :])
    assert [cut.moved_s(time_s, 1.0) for time_s in (0.1, 0.25, 0.5)] == [0.0, 0.0, 0.25]


@pytest.mark.parametrize("cut_s", [1.0, 2.0])
def test_a_cut_that_leaves_nothing_is_refused(speech: MakeSpeech, cut_s: float) -> None:
    """Audio that is no longer than the cut cannot be heard, and the error says how long it is."""
    with pytest.raises(BadAudio, match="it lasts 1 s, so nothing is left"):
        heard(Cut(name="cut", cut_s=cut_s), speech(1.0))

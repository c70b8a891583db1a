"""What is true of every effect: what comes out is audio, in time, and the same each time."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modellab.conditions.clipping import Clipping
from modellab.conditions.codec import MP3_KBPS, Codec
from modellab.conditions.cut import Cut
from modellab.conditions.gain import Gain
from modellab.conditions.noise import Noise
from modellab.conditions.pause import Pause
from modellab.conditions.room import Room
from modellab.conditions.speed import Speed
from modellab.conditions.telephone import Telephone
from modellab.errors import BadAudio
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.effect import Effect
from modellab.speech.utterance import Corpus

SAMPLE_S = 1 / SAMPLE_RATE_HZ


def strength(least: float, most: float) -> st.SearchStrategy[float]:
    """Give strengths from least to most."""
    return st.floats(least, most, allow_nan=False).map(lambda value: round(value, 3))


EFFECTS = st.one_of(
    st.builds(Noise, name=st.just("n"), snr_db=strength(-20, 60), sound=st.sampled_from(["white", "pink"])),
    st.builds(Room, name=st.just("r"), rt60_s=strength(0.01, 3)),
    st.builds(Telephone, name=st.just("t"), law=st.sampled_from(["mu", "a"])),
    st.builds(Codec, name=st.just("m"), kbps=st.sampled_from(MP3_KBPS), codec=st.just("mp3")),
    st.builds(Codec, name=st.just("o"), kbps=st.integers(6, 128).map(float), codec=st.just("opus")),
    st.builds(Speed, name=st.just("s"), factor=strength(0.1, 10)),
    st.builds(Gain, name=st.just("g"), gain_db=strength(-120, 120)),
    st.builds(Clipping, name=st.just("c"), percent=strength(0.01, 99)),
    st.builds(Pause, name=st.just("p"), pause_s=strength(0.001, 2), place=st.sampled_from(["start", "middle"])),
    st.builds(Cut, name=st.just("x"), cut_s=strength(0.001, 2)),
)


@st.composite
def audios(draw: st.DrawFn) -> Audio:
    """Give audio from one sample to a second: loud, faint or silent, in part or as a whole."""
    count = draw(st.one_of(st.integers(1, 400), st.integers(1, SAMPLE_RATE_HZ)))
    peak = draw(st.sampled_from([0.0, 1e-30, 1e-4, 0.5, 1.0]))
    samples = np.random.default_rng(draw(st.integers(0, 9))).uniform(-1, 1, count) * peak
    samples[: draw(st.integers(0, count))] = 0.0
    return Audio(samples=samples.astype(np.float32))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(effect=EFFECTS, audio=audios(), seed=st.integers(0, 2**32))
def test_what_comes_out_is_audio_of_the_duration_foretold(effect: Effect, audio: Audio, seed: int) -> None:
    """An effect gives audio within full scale that lasts as long as `moved_s` says, or refuses; twice the same."""
    before, lasts_s = audio.samples.copy(), audio.duration_s
    try:
        heard = effect.apply(audio, np.random.default_rng(seed))
    except BadAudio:
        assert not audio.samples.any() or isinstance(effect, Cut | Clipping | Noise | Speed)
        return
    finally:
        assert np.array_equal(audio.samples, before)
    assert heard.duration_s == pytest.approx(effect.moved_s(lasts_s, lasts_s), abs=SAMPLE_S)
    assert np.abs(heard.samples).max() <= 1.0
    again = pickle.loads(pickle.dumps(effect)).apply(audio, np.random.default_rng(seed))
    assert np.array_equal(heard.samples, again.samples)


@settings(max_examples=100, deadline=None)
@given(effect=EFFECTS, lasts_s=st.floats(0.1, 10), share=st.floats(0, 1), later=st.floats(0, 1))
def test_moments_keep_their_order(effect: Effect, lasts_s: float, share: float, later: float) -> None:
    """No effect turns two moments round, or moves one out of the audio that it leaves."""
    first, second = sorted((share * lasts_s, later * lasts_s))
    moved = [effect.moved_s(time_s, lasts_s) for time_s in (0.0, first, second, lasts_s)]
    assert moved == sorted(moved)
    assert moved[0] >= 0


@pytest.mark.parametrize(
    "effect",
    [
        Speed(name="speed", factor=1.25),
        Speed(name="slow", factor=0.8),
        Pause(name="lead", pause_s=0.7, place="start"),
        Pause(name="pause", pause_s=0.7, place="middle"),
        Cut(name="cut", cut_s=0.4),
        Room(name="room", rt60_s=0.3),
        Telephone(name="telephone", law="mu"),
        Telephone(name="telephone", law="a"),
        Codec(name="mp3", kbps=16, codec="mp3"),
        Codec(name="opus", kbps=12, codec="opus"),
        Noise(name="noise", snr_db=20, sound="pink"),
        Gain(name="gain", gain_db=-6),
        Clipping(name="clip", percent=1),
    ],
    ids=lambda effect: str(effect.condition),
)
@pytest.mark.parametrize("at_s", [0.6, 1.5], ids="{} s".format)
def test_a_sound_is_heard_when_moved_s_says(effect: Effect, at_s: float) -> None:
    """A burst comes where `moved_s` says, to within two milliseconds, and the edges of the audio likewise."""
    lasts_s = 2.0
    time_s = np.arange(round(lasts_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    burst = np.sin(2 * np.pi * 1000 * time_s) * np.exp(-(((time_s - at_s) / 0.01) ** 2))
    heard = effect.apply(Audio(samples=(0.8 * burst).astype(np.float32)), np.random.default_rng(1)).samples
    around = np.convolve(np.abs(heard), np.hanning(81), mode="same")
    assert np.argmax(around) / SAMPLE_RATE_HZ == pytest.approx(effect.moved_s(at_s, lasts_s), abs=0.002)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Gain(name="gain", gain_db=3), Gain(name="gain", gain_db=4)),
        (Gain(name="gain", gain_db=3), Gain(name="louder", gain_db=3)),
        (Noise(name="noise", snr_db=3, sound="pink"), Noise(name="noise", snr_db=3, sound="white")),
        (Telephone(name="telephone", law="a"), Telephone(name="telephone", law="mu")),
        (Pause(name="pause", pause_s=3, place="start"), Pause(name="pause", pause_s=3, place="middle")),
        (Codec(name="codec", kbps=16, codec="mp3"), Codec(name="codec", kbps=16, codec="opus")),
    ],
    ids=repr,
)
def test_effects_that_differ_give_corpora_of_other_revisions(
    corpus: Callable[..., Corpus], one: Effect, other: Effect
) -> None:
    """Whatever changes what is heard is part of the revision, and so is the version of the effect."""
    clean = corpus(1)
    revisions = {clean.under((effect,), seed=1).revision for effect in (one, other, one)}
    assert len(revisions) == 2
    assert "version=1" in repr(one)

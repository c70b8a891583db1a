"""Codec: the bit rate that was asked, no delay, and a word for who lacks PyAV."""

import sys
from collections.abc import Callable

import numpy as np
import pytest

from modellab.conditions.codec import FORMATS, MP3_KBPS, Codec, encode
from modellab.errors import BackendUnavailable
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio

MakeSpeech = Callable[..., Audio]
CODECS = pytest.mark.parametrize("codec", FORMATS)


@pytest.mark.parametrize(
    ("codec", "kbps"), [*(("mp3", kbps) for kbps in MP3_KBPS), *(("opus", kbps) for kbps in (6, 9.5, 16, 24, 64, 128))]
)
def test_the_file_has_the_bit_rate_that_was_asked(speech: MakeSpeech, codec: str, kbps: float) -> None:
    """A longer file is bigger by the bit rate times the seconds, within a tenth; the rest is the container's."""
    short, long = (len(encode(speech(seconds).samples, FORMATS[codec], kbps)) for seconds in (2.0, 12.0))
    container = 1.0 if codec == "opus" else 0.1  # Ogg adds a byte or more to each packet of 20 ms
    assert (long - short) * 8 / 10 / 1000 == pytest.approx(kbps, abs=container + 0.02 * kbps)


@CODECS
@pytest.mark.parametrize("kbps", [8, 16, 64])
def test_nothing_is_delayed(speech: MakeSpeech, codec: str, kbps: float) -> None:
    """What comes out matches what went in best when moved by at most half a millisecond."""
    audio = speech(3.0, seed=4)
    heard = Codec(name=codec, kbps=kbps, codec=codec).apply(audio, np.random.default_rng(0))
    size = 2 * audio.samples.size
    alike = np.fft.irfft(np.conj(np.fft.rfft(audio.samples, size)) * np.fft.rfft(heard.samples, size))
    delay = int(np.argmax(alike))
    assert abs(delay - size if delay > size // 2 else delay) <= SAMPLE_RATE_HZ // 2000
    assert heard.samples.size == audio.samples.size


@CODECS
def test_fewer_bits_lose_more(speech: MakeSpeech, codec: str) -> None:
    """The error is smaller at each higher bit rate, and never none."""
    audio = speech(3.0)
    errors = []
    for kbps in (8, 32, 128):
        heard = Codec(name=codec, kbps=kbps, codec=codec).apply(audio, np.random.default_rng(0))
        errors.append(float(np.square(heard.samples - audio.samples).sum()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] > 0


@CODECS
def test_without_pyav_the_error_says_what_to_install(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyAV is missing the effect cannot be made, so that no utterance is heard in vain."""
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(BackendUnavailable, match=rf"{codec} needs PyAV.*pip install 'modellab\[av\]'"):
        Codec(name=codec, kbps=16, codec=codec)

"""A microphone: audio is there once it was spoken, and not before."""

from collections.abc import Callable

import numpy as np
import pytest

from modellab.errors import MeasurementRefused
from modellab.scenarios.microphone import Microphone
from modellab.speech.audio import Audio


class Time:
    """A clock that goes on only where somebody sleeps, or moves it."""

    def __init__(self) -> None:
        self.now_s = 50.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Give the time."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Let the time pass, but wake up a little early once in a while, as a system may."""
        self.slept.append(seconds)
        self.now_s += seconds if len(self.slept) % 2 else seconds / 2


@pytest.fixture
def time() -> Time:
    """A clock that stands still."""
    return Time()


@pytest.fixture
def microphone(time: Time) -> Callable[[float], Microphone]:
    """A maker of microphones on that clock; sample n of the audio is n."""

    def make(duration_s: float) -> Microphone:
        samples = np.arange(round(duration_s * 16_000), dtype=np.float32)
        return Microphone(audio=Audio(samples=samples), clock=time, sleep=time.sleep)

    return make


def test_what_is_heard_was_spoken(microphone: Callable[[float], Microphone], time: Time) -> None:
    """Hearing waits for the step and gives all audio of that moment, from the start, and no sample more."""
    mic = microphone(3.0)
    heard = mic.hear(1.0)
    assert time.now_s - 50.0 >= 1.0
    assert heard.samples.size == mic.heard == int((time.now_s - 50.0) * 16_000)
    assert np.array_equal(heard.samples, np.arange(heard.samples.size))
    assert not mic.ended


def test_who_is_late_waits_no_longer(microphone: Callable[[float], Microphone], time: Time) -> None:
    """Where more than a step has been spoken meanwhile, all of it is given at once."""
    mic = microphone(5.0)
    time.now_s += 2.25
    assert mic.hear(1.0).duration_s == mic.heard_s == 2.25
    assert time.slept == []
    time.now_s += 60
    assert mic.hear(1.0).duration_s == 5.0
    assert (mic.ended, time.slept) == (True, [])


def test_the_last_step_ends_with_the_audio(microphone: Callable[[float], Microphone], time: Time) -> None:
    """Nobody waits for a whole step where less than one is left to be spoken."""
    mic = microphone(0.3)
    assert mic.hear(1.0).duration_s == 0.3
    assert mic.ended
    assert time.now_s == pytest.approx(50.3)


@pytest.mark.parametrize("duration_s", [0.1, 1.0, 2.9, 7.3])
def test_chunks_are_the_audio(microphone: Callable[[float], Microphone], duration_s: float) -> None:
    """All chunks together are the audio, in order, without a gap or a sample twice."""
    mic = microphone(duration_s)
    chunks = [chunk.samples for chunk in mic.chunks(0.7)]
    assert np.array_equal(np.concatenate(chunks), mic.audio.samples)
    assert all(chunk.size >= 0.7 * 16_000 - 1 for chunk in chunks[:-1])


def test_a_clock_that_goes_back_is_refused(microphone: Callable[[float], Microphone], time: Time) -> None:
    """Time that goes back means nothing, and the error says from where to where."""
    mic = microphone(3.0)
    time.now_s += 2
    mic.hear(1.0)
    time.now_s -= 0.5
    with pytest.raises(MeasurementRefused, match=r"went back, from 2\.000 s to 1\.500 s"):
        mic.now_s()
    time.now_s = 49.0
    with pytest.raises(MeasurementRefused, match=r"to -1\.000 s"):
        mic.hear(1.0)

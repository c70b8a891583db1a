"""Microphone: audio that comes no faster than it was spoken."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from modellab.errors import MeasurementRefused
from modellab.machine.clock import MONOTONIC, Clock
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio

_ROUNDING_S = 1e-6  # less than a sample, and more than what seconds are rounded to


@dataclass(kw_only=True)
class Microphone:
    """Gives audio as it is spoken: so many seconds after it was made, so many seconds of it are there.

    Attributes:
        audio: all that will be spoken.
        clock: tells the time; it may not go back.
        sleep: waits for so many seconds.
        heard: samples that were given so far.
    """

    audio: Audio
    clock: Clock = MONOTONIC
    sleep: Callable[[float], None] = time.sleep
    heard: int = field(default=0, init=False)
    _on_s: float = field(init=False, repr=False)
    _last_s: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        self._on_s = self.clock()

    @property
    def ended(self) -> bool:
        """Whether all was given."""
        return self.heard == self.audio.samples.size

    @property
    def heard_s(self) -> float:
        """Seconds that were given so far."""
        return self.heard / SAMPLE_RATE_HZ

    def now_s(self) -> float:
        """Give the seconds since the start of the audio.

        Raises:
            MeasurementRefused: when the clock went back.
        """
        now_s = self.clock() - self._on_s
        if now_s < self._last_s:
            raise MeasurementRefused(
                f"the clock went back, from {self._last_s:.3f} s to {now_s:.3f} s after the start of the audio: "
                "nothing that was timed with it means anything; measure again with a clock that only goes on"
            )
        self._last_s = now_s
        return now_s

    def hear(self, step_s: float) -> Audio:
        """Wait until there is so much more than was given before, or the end; give all there is, from the start."""
        self._wait(step_s)
        return Audio(samples=self.audio.samples[: self.heard])

    def chunks(self, step_s: float) -> Iterator[Audio]:
        """Give what is new, each time there is so much of it, until the end."""
        while not self.ended:
            given = self.heard
            self._wait(step_s)
            yield Audio(samples=self.audio.samples[given : self.heard])

    def _wait(self, step_s: float) -> None:
        """Wait, and take note of all that is there by then."""
        wanted_s = min(self.heard_s + step_s, self.audio.duration_s) - _ROUNDING_S
        while (now_s := self.now_s()) < wanted_s:
            self.sleep(wanted_s + _ROUNDING_S - now_s)
        spoken = now_s >= self.audio.duration_s - _ROUNDING_S
        self.heard = self.audio.samples.size if spoken else int(now_s * SAMPLE_RATE_HZ)

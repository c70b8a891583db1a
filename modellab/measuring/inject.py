"""Injection: making an arm worse on purpose, by a known amount, to see whether a gate tells.

`MODELLAB_INJECT=slow:1.05` has a worker's host work for 5 % longer at every call. `wer:0.5` changes half a percent of
the words, which takes knowing the speaker: it is done on this side, by whoever hears the arm.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import isfinite
from random import Random
from time import thread_time
from typing import Any, Self

import numpy as np

from modellab.backends.base import Recogniser
from modellab.errors import BadDefinition
from modellab.machine.clock import timed
from modellab.speech.audio import Audio
from modellab.speech.transcript import Transcript

VARIABLE = "MODELLAB_INJECT"
WRONG = "blick"  # what changed words become: no reference says it
_SPREAD = 2.0  # shape of the gamma distribution of speakers' rates: their sd is 0.7 of the mean
_ALLOWED = (
    "slow:FACTOR of 1 to 10, wer:POINTS of 0 to 100, seed:NUMBER, apart by commas, like slow:1.05 or wer:0.5,seed:1"
)

_TILE = np.full((64, 64), 1 / 64, np.float32)
_SPARE = np.empty_like(_TILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """What an arm is made worse by; by default nothing.

    Attributes:
        slow: how many times as long a call takes.
        wer: how many words of a hundred are changed, on average over speakers.
        seed: decides which words.

    Raises:
        BadDefinition: on a value that would mean nothing.
    """

    slow: float = 1.0
    wer: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.slow <= 10 and 0 <= self.wer <= 100 and isfinite(self.seed)):  # noqa: PLR2004
            raise BadDefinition(f"cannot inject {self}; allowed: {_ALLOWED}")

    @classmethod
    def read(cls, text: str) -> Self:
        """Give what is written so; an empty text is nothing.

        Raises:
            BadDefinition: when the text cannot be understood.
        """
        kinds = {"slow": float, "wer": float, "seed": int}
        values: dict[str, Any] = {}
        for part in filter(None, text.split(",")):
            name, _, value = part.partition(":")
            try:
                values[name] = kinds[name](value)
            except (KeyError, ValueError) as error:
                raise BadDefinition(f"cannot inject {text!r}; allowed: {_ALLOWED}") from error
        return cls(**values)

    @classmethod
    def of_this_process(cls) -> Self:
        """Give what is asked of this process by its environment; raises what `read` raises."""
        return cls.read(os.environ.get(VARIABLE, ""))

    def __str__(self) -> str:
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return ",".join(
            f"{name}:{value if name == 'seed' else format(value, '.12g')}" for name, value in changed.items()
        )

    @property
    def env(self) -> Mapping[str, str | None]:
        """The variables that ask a process for it, and for nothing else whatever this process was asked for."""
        return {VARIABLE: str(self) or None}

    def around(self, backend: Recogniser) -> Recogniser:
        """Give the backend, made as slow as asked."""
        return _Slowed(backend, self.slow - 1) if self.slow > 1 else backend

    def spoiled(self, text: str, utterance: str, speaker: str | None) -> str:
        """Give a text with as many words changed as is the lot of its speaker; equal utterances come out equal.

        A speaker's rate is drawn from a gamma distribution around `wer`, so that errors cluster as those of models do.
        """
        if not self.wer:
            return text
        drawn = Random(f"{self.seed}/speaker/{speaker or utterance}").gammavariate(_SPREAD, 1 / _SPREAD)  # noqa: S311
        rate = drawn * self.wer / 100
        chance = Random(f"{self.seed}/utterance/{utterance}")  # noqa: S311
        changed = [WRONG if chance.random() < rate else word for word in text.split()]
        return " ".join(changed) if WRONG in changed else text


class _Slowed:
    """A backend that works on for a share of the time that it took."""

    def __init__(self, backend: Recogniser, share: float) -> None:
        self._backend, self._share = backend, share

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give what the backend gives, later."""
        transcripts, seconds = timed(lambda: self._backend.transcribe(audios, language))
        toil(seconds * self._share)
        return transcripts


def toil(seconds: float) -> None:
    """Multiply matrices for so many seconds of the processor, which take longer where others want it, too."""
    end_s = thread_time() + seconds
    while thread_time() < end_s:
        np.matmul(_TILE, _TILE, out=_SPARE)

"""Piece: a part of a long recording, cut where it is quiet."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from modellab.speech.audio import SAMPLE_RATE_HZ, Audio

_FRAME = SAMPLE_RATE_HZ // 50
_SEARCHED = 0.25  # of a piece's length, before its latest end


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """Audio, and where in the recording it starts."""

    audio: Audio
    start_s: float


def pieces(audio: Audio, longest_s: float) -> tuple[Piece, ...]:
    """Give a recording in pieces of at most `longest_s` seconds, each but the last cut at its quietest moment.

    The moment is the frame of 20 ms with the least power in the last quarter that a piece may have.
    """
    return tuple(
        Piece(audio=Audio(samples=audio.samples[first:end]), start_s=first / SAMPLE_RATE_HZ)
        for first, end in _bounds(audio, round(longest_s * SAMPLE_RATE_HZ))
    )


def _bounds(audio: Audio, longest: int) -> Iterator[tuple[int, int]]:
    first, count = 0, audio.samples.size
    while count - first > longest:
        end = first + longest
        searched = max(round(longest * _SEARCHED), _FRAME)
        cut = end - searched + _quietest(audio.samples[end - searched : end])
        yield first, cut
        first = cut
    yield first, count


def _quietest(samples: np.ndarray) -> int:
    """Give the middle of the quietest frame, the latest where several are."""
    frames = samples[: samples.size - samples.size % _FRAME].reshape(-1, _FRAME).astype(np.float64)
    power = (frames**2).mean(axis=1)[::-1]
    return int(power.size - 1 - power.argmin()) * _FRAME + _FRAME // 2

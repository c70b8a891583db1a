"""Pieces: where a long recording is cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.piece import pieces


def loud(seconds: float) -> np.ndarray:
    """Give noise."""
    return np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * SAMPLE_RATE_HZ)).astype(np.float32)


@given(seconds=st.floats(0.01, 12), longest_s=st.floats(0.5, 5))
def test_pieces_put_together_are_the_recording(seconds: float, longest_s: float) -> None:
    """No sample is lost or heard twice, no piece is too long, and each starts where the one before it ends."""
    audio = Audio(samples=loud(seconds))
    cut = pieces(audio, longest_s)
    assert np.array_equal(np.concatenate([piece.audio.samples for piece in cut]), audio.samples)
    assert all(piece.audio.samples.size <= round(longest_s * SAMPLE_RATE_HZ) for piece in cut)
    ends_s = np.cumsum([piece.audio.duration_s for piece in cut])
    assert [piece.start_s for piece in cut] == pytest.approx([0.0, *ends_s[:-1]])


def test_a_short_recording_is_one_piece() -> None:
    """A recording that is no longer than a piece is left whole."""
    assert len(pieces(Audio(samples=loud(2.0)), 2.0)) == 1


def test_the_cut_is_where_it_is_quiet() -> None:
    """A pause late in what a piece may have is where it ends."""
    samples = loud(10.0)
    samples[round(3.5 * SAMPLE_RATE_HZ) : round(3.6 * SAMPLE_RATE_HZ)] = 0.0
    assert 3.5 < pieces(Audio(samples=samples), 4.0)[1].start_s < 3.6

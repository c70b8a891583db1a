"""Mel filters are those that Whisper was trained on."""

import numpy as np
import pytest

from modellab.checkpoints.mel import mel_filters


@pytest.mark.parametrize("count", [80, 128])
def test_filters_are_those_of_openai(count: int) -> None:
    """Bit for bit they are those that openai-whisper ships."""
    audio = pytest.importorskip("whisper.audio")
    np.testing.assert_array_equal(mel_filters(count), audio.mel_filters("cpu", count).numpy())


def test_filters_are_triangles_of_equal_area() -> None:
    """Each rises once and falls once, and weighs as much as any other that is wide enough to be sampled well."""
    filters = mel_filters(80)
    assert (filters.shape, filters.dtype) == ((80, 201), np.float32)
    for each in filters:
        signs = np.sign(np.diff(each[each > 0]))
        assert (np.diff(signs) <= 0).all()
    assert filters[-10:].sum(axis=1) * 40 == pytest.approx(np.ones(10), rel=0.02)

"""What can be said of the backends for recognisers of transformers without any runtime: options and windows."""

import numpy as np
import pytest

from modellab.backends.registry import backend_class, misfit, options_of
from modellab.backends.transformers_auto import _windows
from modellab.checkpoints.registry import Checkpoint
from modellab.errors import BadDefinition
from modellab.sources.files import PinnedFile
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio

NAMES = pytest.mark.parametrize("name", ["transformers-auto", "transformers-seq2seq"])


def checkpoint(architecture: str) -> Checkpoint:
    """Give a checkpoint of some architecture in the transformers layout."""
    return Checkpoint(
        name="mine",
        architecture=architecture,
        layout="transformers",
        languages=("en",),
        license="MIT",
        upstream="me",
        revision="1",
        files=(PinnedFile(name="model.safetensors", sha256=None, size_bytes=None),),
        sources=(),
    )


def audio(*stretches: tuple[float, float]) -> Audio:
    """Give noise in stretches of some seconds and some loudness."""
    random = np.random.default_rng(0)
    parts = [loud * random.standard_normal(round(long_s * SAMPLE_RATE_HZ)) for long_s, loud in stretches]
    return Audio(samples=np.clip(np.concatenate(parts), -1, 1).astype(np.float32))


@NAMES
@pytest.mark.parametrize("window_s", [0, -1.0, 0.5, float("nan"), float("inf"), "30", None, True])
def test_windows_that_cut_nothing_are_refused(name: str, window_s: object) -> None:
    """A window that is no number of seconds, or too short to hold a word, is refused by its name."""
    with pytest.raises(BadDefinition, match="window_s"):
        backend_class(name)(weights=None, window_s=window_s)


@NAMES
def test_the_window_is_an_option(name: str) -> None:
    """How long a window is may be stated of the backend, and stands in its options."""
    assert options_of(name) == ("window_s",)
    assert backend_class(name)(weights=None, window_s=12).options()["window_s"] == 12


@pytest.mark.parametrize(
    ("name", "able"),
    [
        ("transformers-auto", {"wav2vec2", "hubert", "parakeet-ctc", "parakeet-tdt"}),
        ("transformers-seq2seq", {"moonshine"}),
    ],
)
def test_a_backend_says_which_architectures_it_runs(name: str, able: set[str]) -> None:
    """Its architectures fit, and Whisper and those of the other backend do not."""
    everything = {"whisper", "wav2vec2", "hubert", "parakeet-ctc", "parakeet-tdt", "moonshine"}
    assert {kind for kind in everything if misfit(name, checkpoint(kind)) is None} == able


def test_short_audio_is_one_window() -> None:
    """What is as long as a window is heard as it is, and no sample is copied."""
    whole = audio((2.0, 0.1))
    (window,) = _windows(whole, 2.0)
    assert np.shares_memory(window.audio.samples, whole.samples)
    assert (window.start_s, window.end_s) == (0.0, 2.0)


def test_long_audio_is_cut_where_it_is_quiet() -> None:
    """Windows follow one another without loss, each cut within the pause that its last fifth holds."""
    long = audio((8.5, 0.3), (0.3, 0.001), (9.0, 0.3), (0.3, 0.001), (3.0, 0.3))
    windows = _windows(long, 10.0)
    assert [window.start_s for window in windows] == pytest.approx([0.0, 8.65, 17.95], abs=0.15)
    assert np.array_equal(np.concatenate([window.audio.samples for window in windows]), long.samples)


def test_long_audio_without_a_pause_is_cut_all_the_same() -> None:
    """No window is longer than it may be, and none but the last shorter than four fifths of that."""
    windows = _windows(audio((33.0, 0.3)), 5.0)
    lengths_s = [window.audio.duration_s for window in windows]
    assert max(lengths_s) <= 5.0
    assert min(lengths_s[:-1]) >= 4.0
    assert sum(lengths_s) == pytest.approx(33.0)


@pytest.mark.parametrize("extra", [1, 100, 20_000])
def test_a_rest_of_one_sample_is_heard_too(extra: int) -> None:
    """However little is left over beyond a window, every sample is in some window."""
    long = Audio(samples=np.zeros(SAMPLE_RATE_HZ + extra, np.float32))
    windows = _windows(long, 1.0)
    assert sum(window.audio.samples.size for window in windows) == long.samples.size
    assert all(window.audio.samples.size for window in windows)

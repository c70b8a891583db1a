"""Audio as models hear it: every file becomes mono, 16 kHz, within [-1, 1], or an error that names it."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from modellab.errors import BadAudio
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio, read_audio, read_recording, stated_duration_s

LEVEL = 0.4
FORMATS = ["wav", "flac", "ogg", "mp3"]


def tone(duration_s: float, rate_hz: int = SAMPLE_RATE_HZ) -> np.ndarray:
    """Give a sine of 300 Hz, float32, (samples,), with a peak of LEVEL."""
    return (LEVEL * np.sin(2 * np.pi * 300 * np.arange(round(duration_s * rate_hz)) / rate_hz)).astype(np.float32)


def written(path: Path, samples: np.ndarray, rate_hz: int = SAMPLE_RATE_HZ, subtype: str | None = None) -> Path:
    """Give the path of a file with these samples."""
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_formats_are_heard_alike(tmp_path: Path, suffix: str) -> None:
    """A wav, flac, ogg and mp3 of one sound have its duration to the millisecond, its level, and the same shape."""
    path = written(tmp_path / f"a.{suffix}", tone(2.0))
    audio = read_audio(path)
    assert audio.samples.dtype == np.float32
    assert audio.samples.ndim == 1
    assert audio.duration_s == pytest.approx(2.0, abs=1e-3)
    assert stated_duration_s(path) == pytest.approx(2.0, abs=1e-3)
    assert np.sqrt(np.mean(audio.samples**2)) == pytest.approx(LEVEL / np.sqrt(2), rel=0.03)


@pytest.mark.parametrize(
    ("rate_hz", "channels"), [(8_000, 1), (16_000, 2), (22_050, 2), (44_100, 1), (44_100, 2), (48_000, 8)]
)
def test_rates_and_channels_come_out_as_16_khz_mono(tmp_path: Path, rate_hz: int, channels: int) -> None:
    """Any rate and number of channels gives the same duration within a millisecond and the same level."""
    samples = np.stack([tone(1.5, rate_hz)] * channels, axis=1)
    audio = read_audio(written(tmp_path / "a.wav", samples, rate_hz))
    assert audio.duration_s == pytest.approx(1.5, abs=1e-3)
    inner = audio.samples[1000:-1000]
    assert np.abs(inner).max() == pytest.approx(LEVEL, rel=0.01)
    np.testing.assert_allclose(inner, tone(1.5)[1000:-1000], atol=0.01)


@pytest.mark.parametrize("channels", [2, 8])
def test_channels_are_averaged(tmp_path: Path, channels: int) -> None:
    """One sounding channel among silent ones is heard at its share, so that no mixture clips."""
    samples = np.zeros((SAMPLE_RATE_HZ, channels), np.float32)
    samples[:, 0] = 0.8
    audio = read_audio(written(tmp_path / "a.wav", samples, subtype="FLOAT"))
    np.testing.assert_allclose(audio.samples, 0.8 / channels, rtol=1e-6)


def test_opposite_channels_cancel(tmp_path: Path) -> None:
    """Two channels of opposite sign average to silence, and silence is audio."""
    samples = np.stack([tone(0.5), -tone(0.5)], axis=1)
    assert not read_audio(written(tmp_path / "a.wav", samples, subtype="FLOAT")).samples.any()


@pytest.mark.parametrize("rate_hz", [SAMPLE_RATE_HZ, 44_100])
def test_loud_samples_are_clipped(tmp_path: Path, rate_hz: int) -> None:
    """Samples beyond full scale are clipped to it, before and after resampling."""
    audio = read_audio(written(tmp_path / "a.wav", 5 * tone(0.5, rate_hz), rate_hz, "FLOAT"))
    assert np.abs(audio.samples).max() == 1.0


def test_samples_within_scale_are_kept_as_they_are(tmp_path: Path) -> None:
    """A 16 kHz mono wav of floats comes back bit for bit."""
    np.testing.assert_array_equal(
        read_audio(written(tmp_path / "a.wav", tone(0.3), subtype="FLOAT")).samples, tone(0.3)
    )


def test_one_sample_is_audio(tmp_path: Path) -> None:
    """A file of a single sample is audio of a sixteen-thousandth of a second."""
    audio = read_audio(written(tmp_path / "a.wav", np.array([0.5], np.float32)))
    assert audio.samples.tolist() == [0.5]
    assert audio.duration_s == 1 / SAMPLE_RATE_HZ


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kept_bytes", [0, 10, 30])
def test_a_file_cut_short_in_its_header_is_bad_audio(tmp_path: Path, suffix: str, kept_bytes: int) -> None:
    """A file that ends within its header is refused by path, and states no duration."""
    path = written(tmp_path / f"a.{suffix}", tone(1.0))
    path.write_bytes(path.read_bytes()[:kept_bytes])
    with pytest.raises(BadAudio, match=re.escape(str(path))):
        read_audio(path)
    assert stated_duration_s(path) == 0.0


@pytest.mark.parametrize("suffix", ["flac", "ogg"])
def test_a_compressed_file_cut_short_is_bad_audio(tmp_path: Path, suffix: str) -> None:
    """A flac or ogg that ends half way is refused by path."""
    path = written(tmp_path / f"a.{suffix}", tone(2.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadAudio, match=re.escape(str(path))):
        read_audio(path)


def test_a_wav_cut_short_states_what_can_be_heard(tmp_path: Path) -> None:
    """A wav that ends half way is audio as far as it goes, and states that duration and not the one it had."""
    path = written(tmp_path / "a.wav", tone(2.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    audio = read_audio(path)
    assert audio.duration_s == pytest.approx(1.0, abs=2e-3)
    assert stated_duration_s(path) == audio.duration_s


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.raw", "a.txt", "a"])
def test_what_is_no_audio_is_bad_audio(tmp_path: Path, name: str) -> None:
    """A text under any name is refused by path, and states no duration."""
    path = tmp_path / name
    path.write_text("It is a truth universally acknowledged. " * 50)
    with pytest.raises(BadAudio, match=re.escape(str(path))):
        read_audio(path)
    assert stated_duration_s(path) == 0.0


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_file_of_no_frames_is_bad_audio(tmp_path: Path, suffix: str) -> None:
    """A sound file that holds no frames is refused by path."""
    path = written(tmp_path / f"a.{suffix}", np.zeros(0, np.float32))
    with pytest.raises(BadAudio, match=re.escape(str(path))):
        read_audio(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate_hz", [SAMPLE_RATE_HZ, 44_100])
def test_samples_that_are_not_finite_are_bad_audio(tmp_path: Path, bad: float, rate_hz: int) -> None:
    """A float wav with a NaN or an infinity in it is refused by path and not clipped into a click."""
    samples = tone(0.2, rate_hz)
    samples[7] = bad
    path = written(tmp_path / "a.wav", samples, rate_hz, "FLOAT")
    with pytest.raises(BadAudio, match=rf"{re.escape(str(path))}.*not finite"):
        read_audio(path)


def test_a_missing_file_and_a_folder_are_bad_audio(tmp_path: Path) -> None:
    """A path with no file at it is refused by path."""
    for path in (tmp_path / "none.wav", tmp_path):
        with pytest.raises(BadAudio, match=re.escape(str(path))):
            read_audio(path)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((10, 1), np.float32),
        np.zeros(10, np.float64),
        np.zeros(10, np.int16),
        np.zeros(0, np.float32),
        np.array([0.0, np.nan], np.float32),
        np.array([0.0, -np.inf], np.float32),
    ],
    ids=["two dimensions", "float64", "int16", "empty", "NaN", "infinity"],
)
def test_audio_holds_finite_mono_float32_only(samples: np.ndarray) -> None:
    """Audio cannot be made of samples of another shape or type, of none, or of some that are not finite."""
    with pytest.raises(BadAudio):
        Audio(samples=samples)


def test_duration_is_samples_over_rate() -> None:
    """The duration of audio is its samples at 16 kHz."""
    assert Audio(samples=np.zeros(24_000, np.float32)).duration_s == 1.5


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("rate_hz", [SAMPLE_RATE_HZ, 44_100])
@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 0.5), (0.25, 1.0), (1.5, None), (1.5, 9.0)])
def test_a_stretch_is_what_the_whole_holds_there(
    tmp_path: Path, suffix: str, rate_hz: int, start_s: float, end_s: float | None
) -> None:
    """A stretch of any format is the same frames as those of the whole file, and ends where the file ends."""
    path = written(
        tmp_path / f"a.{suffix}", tone(2.0, rate_hz) * np.linspace(0, 1, 2 * rate_hz, dtype=np.float32), rate_hz
    )
    whole, stretch = read_recording(path), read_recording(path, start_s, end_s)
    expected = whole.samples[round(start_s * rate_hz) : None if end_s is None else round(end_s * rate_hz)]
    np.testing.assert_allclose(stretch.samples, expected, atol=1e-6)
    lasts_s = min(2.0 if end_s is None else end_s, 2.0) - start_s
    assert read_audio(path, start_s, end_s).duration_s == pytest.approx(lasts_s, abs=1e-3)


def test_only_the_stretch_is_read(tmp_path: Path) -> None:
    """A fault outside the stretch is not heard, and one within is refused by path."""
    samples = tone(1.0)
    samples[100] = np.nan
    path = written(tmp_path / "a.wav", samples, subtype="FLOAT")
    assert read_audio(path, 0.5, 1.0).duration_s == 0.5
    with pytest.raises(BadAudio, match=r"a\.wav.*not finite"):
        read_audio(path, 0.0, 0.5)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(("start_s", "end_s"), [(2.0, None), (7.0, 8.0), (1.0, 1.0)])
def test_a_stretch_without_samples_is_bad_audio(
    tmp_path: Path, suffix: str, start_s: float, end_s: float | None
) -> None:
    """A stretch beyond the end of a file, or of no length, is refused by path and times."""
    path = written(tmp_path / f"a.{suffix}", tone(1.0))
    with pytest.raises(BadAudio, match=rf"a\.{suffix} holds no samples between {start_s:g} s and"):
        read_audio(path, start_s, end_s)

"""Containers: m4a, mp4 and webm are heard as any other file where PyAV is installed."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from modellab.errors import BadAudio
from modellab.speech.audio import SAMPLE_RATE_HZ, read_audio, read_recording, stated_duration_s

CODECS = {"m4a": "aac", "mp4": "aac", "webm": "libopus"}
EACH = pytest.mark.parametrize("suffix", CODECS)


@pytest.fixture
def sweep() -> np.ndarray:
    """Four seconds of a tone that rises from 200 Hz to 1,800 Hz, float32, (samples,), 16 kHz."""
    time_s = np.arange(4 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    return (0.4 * np.sin(2 * np.pi * (200 * time_s + 200 * time_s**2))).astype(np.float32)


@pytest.fixture
def encoded(tmp_path: Path, sweep: np.ndarray) -> Callable[..., Path]:
    """A maker of files with the sweep in each of their channels."""
    av = pytest.importorskip("av", reason="PyAV is optional: pip install 'modellab[av]'")

    def make(suffix: str, channels: int = 1) -> Path:
        path, codec = tmp_path / f"a.{suffix}", CODECS[suffix]
        layout = "stereo" if channels > 1 else "mono"
        with av.open(str(path), "w") as container:
            rate_hz = 48_000 if codec == "libopus" else SAMPLE_RATE_HZ
            track = container.add_stream(codec, rate=rate_hz, layout=layout)
            to_codec = av.AudioResampler(format=track.codec_context.format, layout=layout, rate=rate_hz)
            frame = av.AudioFrame.from_ndarray(np.stack([sweep] * channels), format="fltp", layout=layout)
            frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, 0
            for part in (*to_codec.resample(frame), *to_codec.resample(None)):
                container.mux(track.encode(part))
            container.mux(track.encode(None))
        return path

    return make


def likeness(heard: np.ndarray, said: np.ndarray) -> float:
    """Give the correlation of two sounds, at the best shift of up to a hundredth of a second."""
    size = min(heard.size, said.size) - 320
    middle = said[160 : 160 + size]
    return max(float(np.corrcoef(heard[shift : shift + size], middle)[0, 1]) for shift in range(0, 320, 4))


@EACH
@pytest.mark.parametrize("channels", [1, 2])
def test_containers_are_heard(encoded: Callable[..., Path], sweep: np.ndarray, suffix: str, channels: int) -> None:
    """A file becomes mono at 16 kHz with its duration within a frame of its codec, and its sound."""
    path = encoded(suffix, channels)
    audio = read_audio(path)
    assert audio.samples.dtype == np.float32
    assert audio.duration_s == pytest.approx(4.0, abs=0.07)
    assert stated_duration_s(path) == pytest.approx(4.0, abs=0.07)
    assert likeness(audio.samples, sweep) > 0.98
    assert read_recording(path).samples.shape[1] == channels


@EACH
@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 0.5), (0.3, 0.8), (2.25, 3.0), (3.0, None)])
def test_a_stretch_of_a_container_is_heard(
    encoded: Callable[..., Path], sweep: np.ndarray, suffix: str, start_s: float, end_s: float | None
) -> None:
    """A stretch is what the whole file holds there, to the millisecond, in which webm counts."""
    path = encoded(suffix)
    whole, stretch = read_recording(path), read_recording(path, start_s, end_s)
    slack = whole.rate_hz // 1000
    last = whole.samples.shape[0] if end_s is None else round(end_s * whole.rate_hz)
    first = round(start_s * whole.rate_hz)
    assert abs(stretch.samples.shape[0] - (last - first)) <= slack
    heard = stretch.samples[slack : last - first - 2 * slack, 0]
    starts = range(first, first + 2 * slack + 1)
    assert max(np.corrcoef(heard, whole.samples[at : at + heard.size, 0])[0, 1] for at in starts) > 0.98


@EACH
def test_what_is_no_container_is_bad_audio(tmp_path: Path, suffix: str) -> None:
    """A text under the name of a container, an empty file and a missing one are refused by path and last 0 s."""
    pytest.importorskip("av")
    path = tmp_path / f"a.{suffix}"
    for content in (b"It is a truth universally acknowledged. " * 50, b""):
        path.write_bytes(content)
        with pytest.raises(BadAudio, match=f"a.{suffix}"):
            read_audio(path)
        assert stated_duration_s(path) == 0.0
    path.unlink()
    with pytest.raises(BadAudio, match=f"no audio file at .*a.{suffix}"):
        read_audio(path)
    assert stated_duration_s(path) == 0.0


def test_a_container_cut_short_is_bad_or_shorter(encoded: Callable[..., Path]) -> None:
    """An mp4 that ends half way is refused, and a webm is heard as far as it goes, stating all that it had."""
    for suffix in ("mp4", "webm"):
        path = encoded(suffix)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadAudio, match=r"a\.mp4"):
        read_audio(path.with_suffix(".mp4"))
    assert read_audio(path).duration_s < 3.0 < stated_duration_s(path)


def test_a_film_without_sound_is_bad_audio(tmp_path: Path) -> None:
    """A container without an audio track is refused by path."""
    av = pytest.importorskip("av")
    path = tmp_path / "silent.mkv"
    with av.open(str(path), "w") as container:
        track = container.add_stream("ffv1", rate=10)
        track.width, track.height, track.pix_fmt = 16, 16, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((24, 16), np.uint8), format="yuv420p")
        container.mux(track.encode(picture))
        container.mux(track.encode(None))
    with pytest.raises(BadAudio, match=r"silent\.mkv has no audio track"):
        read_audio(path)
    assert stated_duration_s(path) == 0.0


def test_without_pyav_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyAV is missing, a container is refused by path with the command that installs it, and lasts 0 s."""
    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / "a.m4a"
    path.write_bytes(b"anything")
    with pytest.raises(BadAudio, match=r"a\.m4a.*pip install 'modellab\[av\]'"):
        read_audio(path)
    assert stated_duration_s(path) == 0.0


@pytest.mark.parametrize(
    ("suffix", "codec"), [("m4a", "aac"), ("webm", "libopus"), ("mka", "aac"), ("aac", "aac"), ("mov", "pcm_s16le")]
)
def test_a_stretch_of_a_long_container_is_decoded_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, codec: str
) -> None:
    """Hearing a second near the end of ten minutes decodes some seconds, and finds what is said there."""
    av = pytest.importorskip("av", reason="PyAV is optional: pip install 'modellab[av]'")
    rate_hz = 48_000 if codec == "libopus" else SAMPLE_RATE_HZ
    path = tmp_path / f"long.{suffix}"
    time_s = np.arange(rate_hz) / rate_hz
    with av.open(str(path), "w", format="adts" if suffix == "aac" else None) as container:
        track = container.add_stream(codec, rate=rate_hz, layout="mono")
        to_codec = av.AudioResampler(format=track.codec_context.format, layout="mono", rate=rate_hz)
        for second in range(600):
            loud = 0.5 if second == 590 else 0.0
            tone = (loud * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate_hz, second * rate_hz
            for part in to_codec.resample(frame):
                container.mux(track.encode(part))
        container.mux(track.encode(None))
    decoded = []
    whole = av.AudioResampler

    class Counting:
        def __init__(self, **options: object) -> None:
            self.resampler = whole(**options)

        def resample(self, frame):
            decoded.append(frame.samples)
            return self.resampler.resample(frame)

    monkeypatch.setattr(av, "AudioResampler", Counting)
    loud, silent = (read_audio(path, start_s, start_s + 0.5).samples for start_s in (590.25, 588.25))
    assert np.abs(loud).mean() > 0.2
    assert np.abs(silent).mean() < 0.01
    assert sum(decoded) < 20 * rate_hz

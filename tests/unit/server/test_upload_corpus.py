"""Uploads, honest and not: each through the process that decodes, with what it took."""

import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modellab.errors import Refused
from modellab.server.settings import UploadSettings
from modellab.server.upload.sniff import KINDS
from modellab.server.upload.uploads import Uploads
from modellab.server.upload.verdict import Verdict
from modellab.speech.audio import Audio, read_audio

MEBIBYTE = 1 << 20
PEAK_BYTES = 160 * MEBIBYTE
HEARD = "heard"

Settings = dict[str, Any]


def noise(frames: int, channels: int = 1) -> np.ndarray:
    """Give (frames, channels) of something that is not silence."""
    return (np.random.default_rng(7).standard_normal((frames, channels)) * 0.1).astype(np.float32)


def sound(samples: np.ndarray, rate_hz: int = 16_000, kind: str = "WAV", subtype: str | None = None) -> bytes:
    """Give the bytes of a file that libsndfile writes."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=kind, subtype=subtype)
    return file.getvalue()


def container(kind: str, codec: str, rate_hz: int = 16_000, *, audio: bool = True, video: bool = False) -> bytes:
    """Give the bytes of a file that PyAV writes: a second of a tone, of a black picture, or of both."""
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        tracks = []
        if video:
            picture: Any = container.add_stream("mpeg4", rate=5)
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
            frames = [av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24") for _ in range(5)]
            tracks.append((picture, frames))
        if audio:
            track: Any = container.add_stream(codec, rate=rate_hz, layout="mono")
            tone = (np.sin(np.arange(rate_hz) * 0.05) * 0.3).astype(np.float32)[None]
            whole = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            whole.rate, whole.pts = rate_hz, 0
            size = track.codec_context.frame_size or 1024
            cut = av.AudioResampler(format=track.format, layout="mono", rate=rate_hz, frame_size=size)
            tracks.append((track, [*cut.resample(whole), *cut.resample(None)]))
        for track, frames in tracks:
            for packet in [packet for frame in [*frames, None] for packet in track.encode(frame)]:
                container.mux(packet)
    return file.getvalue()


def flac_that_says(data: bytes, *, rate_hz: int, channels: int, frames: int) -> bytes:
    """Give a FLAC file whose header is forged: STREAMINFO holds rate, channels, depth and length in eight bytes."""
    told = rate_hz << 44 | (channels - 1) << 41 | (16 - 1) << 36 | frames
    return data[:18] + struct.pack(">Q", told) + data[26:]


def wav_that_says(channels: int = 1, rate_hz: int = 16_000, data_bytes: int = 3200, tag: int = 1) -> bytes:
    """Give a wav file whose header is forged over 100 ms of silence."""
    depth = 32 if tag == 3 else 16
    form = struct.pack(
        "<HHIIHH", tag, channels, rate_hz, rate_hz * channels * depth // 8 % 2**32, channels * depth // 8, depth
    )
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", data_bytes) + bytes(3200)
    return b"RIFF" + struct.pack("<I", min(36 + data_bytes, 2**32 - 1)) + b"WAVE" + chunks


@pytest.fixture(scope="module")
def hour() -> bytes:
    """An hour of silence."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 16_000, 1, "PCM_16", format="FLAC") as writer:
        for _ in range(60):
            writer.write(np.zeros(60 * 16_000, np.int16))
    return file.getvalue()


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uploads]:
    """Uploads with the limits of a server by default."""
    with Uploads.of(UploadSettings(), tmp_path_factory.mktemp("data") / "uploads").running() as uploads:
        yield uploads


Told = Callable[[bytes], str]


def outcome(uploads: Uploads, data: bytes) -> str:
    """Give the status and the code of a refusal, or `heard`; nothing is left of the file."""
    told = HEARD
    try:
        uploads.decode(io.BytesIO(data))
    except Refused as refused:
        told = f"{refused.status} {refused.code}"
        words = str(refused)
        if "Errno" in words or str(uploads.folder) in words:
            pytest.fail(f"a decoder wanted to open something, or a path is told: {words}")
    assert list(uploads.folder.iterdir()) == []
    return told


@pytest.fixture
def told(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> Told:
    """What becomes of a file, where the process that decoded it stayed small."""
    peaks: list[int] = []
    read = Verdict.of_line

    def noted(line: bytes) -> Verdict:
        verdict = read(line)
        peaks.append(verdict.peak_bytes)
        return verdict

    monkeypatch.setattr(Verdict, "of_line", noted)

    def tell(data: bytes) -> str:
        found = outcome(uploads, data)
        assert 0 < max(peaks, default=1) < PEAK_BYTES
        return found

    return tell


HONEST = {
    "wav": lambda: sound(noise(16_000)),
    "wav of floats, two channels": lambda: sound(noise(44_100 * 7, 2), 44_100, subtype="FLOAT"),
    "wav of eight channels": lambda: sound(noise(48_000, 8), 48_000),
    "flac of 24 bits": lambda: sound(noise(96_000, 2), 96_000, "FLAC", "PCM_24"),
    "ogg": lambda: sound(noise(44_100), 44_100, "OGG", "VORBIS"),
    "opus": lambda: sound(noise(48_000), 48_000, "OGG", "OPUS"),
    "mp3": lambda: sound(noise(22_050), 22_050, "MP3"),
    "aiff": lambda: sound(noise(8_000), 8_000, "AIFF"),
    "caf": lambda: sound(noise(11_025), 11_025, "CAF", "PCM_16"),
    "m4a": lambda: container("ipod", "aac"),
    "mp4 with pictures": lambda: container("mp4", "aac", video=True),
    "webm": lambda: container("webm", "libopus", 48_000),
    "mkv with pictures": lambda: container("matroska", "aac", video=True),
    "aac": lambda: container("adts", "aac"),
    "one sample": lambda: sound(noise(1)),
    "louder than full scale": lambda: sound(noise(1600) * 50, subtype="FLOAT"),
}


@pytest.mark.parametrize("name", HONEST)
def test_what_is_heard_is_what_the_bench_hears(name: str, uploads: Uploads, tmp_path: Path) -> None:
    """The samples of a file are those that `read_audio` gives, to the bit, though it is read in blocks.

    But for mp3: its decoder rounds otherwise once it was sought in, as `read_audio` does.
    """
    data = HONEST[name]()
    path = tmp_path / f"file.{name.split(maxsplit=1)[0]}"
    path.write_bytes(data)
    samples = uploads.decode(io.BytesIO(data)).samples
    np.testing.assert_allclose(samples, read_audio(path).samples, rtol=0, atol=1e-6 if name == "mp3" else 0)


def test_a_file_of_many_blocks_is_heard_whole(uploads: Uploads, tmp_path: Path) -> None:
    """Ten minutes of two channels, the most that is allowed, are the samples that `read_audio` gives."""
    path = tmp_path / "long.flac"
    soundfile.write(path, np.repeat(noise(600 * 100, 2), 80, axis=0), 8_000)
    with path.open("rb") as file:
        np.testing.assert_array_equal(uploads.decode(file).samples, read_audio(path).samples)


def test_a_file_is_read_from_where_it_stands(uploads: Uploads) -> None:
    """What was read before does not count."""
    sent = io.BytesIO(b"before" + sound(noise(1600)))
    sent.seek(6)
    assert uploads.decode(sent).samples.size == 1600


def lies(hour: bytes) -> dict[str, tuple[bytes, str]]:
    """Give what is no good, and what is said of it."""
    long = "413 too_long"
    bad = "400 bad_audio"
    no = "415 unsupported_media"
    eight = sound(np.zeros((16_000, 8), np.float32), kind="FLAC")
    broken = np.array([0.1, np.nan, 0.2], np.float32)
    endless = np.array([0.1, np.inf, 0.2], np.float32)
    return {
        "an hour of silence in a small file": (hour, long),
        "an hour that says nothing of its length": (
            flac_that_says(hour, rate_hz=16_000, channels=1, frames=0),
            long,
        ),
        "a rate that no recorder has": (
            flac_that_says(eight, rate_hz=655_350, channels=8, frames=60 * 655_350),
            bad,
        ),
        "a minute that becomes most of a gigabyte": (
            flac_that_says(eight, rate_hz=384_000, channels=8, frames=60 * 384_000),
            "413 too_much_decoded",
        ),
        "no bytes": (b"", "400 empty_file"),
        "one byte": (b"R", no),
        "a playlist": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", no),
        "a list of files": (b"ffconcat version 1.0\nfile /etc/passwd\n", no),
        "a page": (b"<!doctype html><title>x</title>", no),
        "xml": (b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'/>", no),
        "a wav without channels": (wav_that_says(channels=0), bad),
        "a wav with too many channels": (wav_that_says(channels=60), bad),
        "a wav without a rate": (wav_that_says(rate_hz=0), bad),
        "a wav whose rate is none": (wav_that_says(rate_hz=2**31 - 1), bad),
        "a wav that is all header": (sound(noise(0)), bad),
        "a sample that is not a number": (sound(broken, subtype="FLOAT"), bad),
        "a sample without end": (sound(endless, subtype="FLOAT"), bad),
        "noise after an ID3 tag": (b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + noise(4000).tobytes(), bad),
        "an ID3 tag that ends nowhere": (b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f", bad),
        "pictures without sound": (container("matroska", "aac", audio=False, video=True), bad),
        "an mp4 that ends before its index": (container("ipod", "aac")[:400], bad),
        "sound in a code that is not heard here": (container("matroska", "ac3", 48_000), no),
        "a wav in the coat of an mp4": (b"\x00\x00\x00\x1cftypM4A " + sound(noise(1600)), bad),
    }


def test_lies_are_told(hour: bytes, told: Told) -> None:
    """Each lie is refused with its own code, by a process that stays small, and leaves nothing behind."""
    assert len(hour) < 200_000
    cases = lies(hour)
    assert {name: told(data) for name, (data, _) in cases.items()} == {name: code for name, (_, code) in cases.items()}


def test_a_wav_that_claims_four_gigabytes_is_as_long_as_it_is(told: Told) -> None:
    """What a header claims beyond the file is not there, and is not waited for."""
    assert told(wav_that_says(data_bytes=2**32 - 1)) == HEARD


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("name", ["wav", "flac of 24 bits", "ogg", "opus", "mp3", "m4a", "webm", "aac", "caf"])
def test_a_cut_file_is_heard_or_refused(name: str, kept: float, told: Told) -> None:
    """Of a file that was cut is heard what is there, or it is called bad: the server has not failed."""
    data = HONEST[name]()
    assert told(data[: int(len(data) * kept)]) in {HEARD, "400 bad_audio", "415 unsupported_media"}


def test_most_of_a_cut_file_is_heard(uploads: Uploads) -> None:
    """Formats whose frames stand alone give what lies before the cut."""
    for name in ("WAV", "MP3", "OGG"):
        data = sound(noise(160_000), kind=name)
        heard, whole = uploads.decode(io.BytesIO(data[: len(data) // 2])), uploads.decode(io.BytesIO(data))
        assert 0.2 < heard.duration_s / whole.duration_s < 0.8, name


def test_the_limits_are_exact(tmp_path: Path) -> None:
    """What is at a limit is heard, what is one beyond it is not, and the answer tells both."""
    data = sound(noise(16_000))
    edge = {"max_bytes": len(data), "max_duration_s": 1.0, "max_decoded_bytes": 64_000}
    beyond = [
        ("max_bytes", len(data) - 1, "too_large", str(len(data) - 1)),
        ("max_duration_s", 0.9, "too_long", "1.0 s, the limit is 0.9 s"),
        ("max_decoded_bytes", 63_999, "too_much_decoded", "64000 bytes, the limit is 63999"),
    ]
    with Uploads.of(UploadSettings(**edge), tmp_path).running() as uploads:
        assert uploads.decode(io.BytesIO(data)).duration_s == 1.0
    for setting, value, code, words in beyond:
        settings = UploadSettings(**(edge | {setting: value}))
        with Uploads.of(settings, tmp_path).running() as uploads, pytest.raises(Refused, match=words) as refused:
            uploads.decode(io.BytesIO(data))
        assert (refused.value.status, refused.value.code, refused.value.param) == (413, code, "file")


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    """Once a file is too large, the rest of it stays unread, and what was read is gone."""
    sent = io.BytesIO(bytes(10 * MEBIBYTE))
    uploads = Uploads.of(UploadSettings(max_bytes=MEBIBYTE), tmp_path)
    with pytest.raises(Refused, match="too large"):
        uploads.decode(sent)
    assert sent.tell() <= 2 * MEBIBYTE
    assert list(tmp_path.iterdir()) == []


def test_what_is_counted_is_believed_and_not_what_is_stated(hour: bytes, tmp_path: Path) -> None:
    """A stream that grows past the bound is stopped on the way, whether it says its length or not."""
    data = flac_that_says(hour, rate_hz=16_000, channels=1, frames=0)
    settings = UploadSettings(max_decoded_bytes=8 * MEBIBYTE)
    with (
        Uploads.of(settings, tmp_path).running() as uploads,
        pytest.raises(Refused, match=r"decodes to more than \d+ bytes") as refused,
    ):
        uploads.decode(io.BytesIO(data))
    assert refused.value.code == "too_much_decoded"


HEADS = {
    "wav": b"RIFF\x24\x08\x00\x00WAVEfmt ",
    "flac": b"fLaC\x00\x00\x00\x22",
    "ogg": b"OggS\x00\x02",
    "aiff": b"FORM\x00\x00\x10\x00AIFFCOMM",
    "caf": b"caff\x00\x01\x00\x00desc",
    "mp4": b"\x00\x00\x00\x1cftypM4A ",
    "matroska": b"\x1a\x45\xdf\xa3",
    "aac": b"\xff\xf1\x60\x40",
    "mp3": b"\xff\xfb\x90\x00",
}
ALLOWED = {HEARD, "400 bad_audio", "413 too_long", "413 too_much_decoded", "415 unsupported_media", "422 bad_audio"}
BOUNDED = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@settings(BOUNDED, max_examples=150)
@given(kind=st.sampled_from(KINDS), rest=st.binary(max_size=4096))
def test_random_bytes_behind_a_magic_number(kind: str, rest: bytes, told: Told) -> None:
    """Whatever follows a magic number, the answer is one that is documented."""
    assert told(HEADS[kind] + rest) in ALLOWED


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """The honest files, made once."""
    return {name: make() for name, make in HONEST.items()}


@settings(BOUNDED, max_examples=150)
@given(
    name=st.sampled_from(sorted(HONEST)),
    places=st.lists(st.tuples(st.integers(0, 1 << 30), st.binary(min_size=1, max_size=8)), min_size=1, max_size=8),
    near=st.booleans(),
)
def test_damaged_files(
    name: str, places: list[tuple[int, bytes]], near: bool, files: dict[str, bytes], told: Told
) -> None:
    """Whatever is damaged in a good file, in its header or anywhere, the answer is one that is documented."""
    data = bytearray(files[name])
    for place, damage in places:
        start = place % min(len(data), 256 if near else len(data))
        data[start : start + len(damage)] = damage
    assert told(bytes(data)) in ALLOWED


def test_audio_is_what_is_promised(uploads: Uploads) -> None:
    """Eight channels are averaged: what cancels out is silence."""
    loud = np.ones((16_000, 8), np.float32) * 0.5
    loud[:, ::2] *= -1
    audio = uploads.decode(io.BytesIO(sound(loud, subtype="FLOAT")))
    assert isinstance(audio, Audio)
    assert np.abs(audio.samples).max() == 0.0

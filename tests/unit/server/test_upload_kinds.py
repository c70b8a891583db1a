"""What a file is by its first bytes, and the shape of a sound."""

import numpy as np
import pytest

from modellab.server.upload.peaks import peaks
from modellab.server.upload.sniff import KINDS, kind_of

HEADS = [
    (b"RIFF\x24\x00\x00\x00WAVEfmt ", "wav"),
    (b"RIFX\x00\x00\x00\x24WAVEfmt ", "wav"),
    (b"RF64\xff\xff\xff\xffWAVEds64", "wav"),
    (b"RIFF\n\n\n\nWAVE", "wav"),
    (b"fLaC\x00\x00\x00\x22", "flac"),
    (b"OggS\x00\x02\x00\x00", "ogg"),
    (b"FORM\x00\x00\x10\x00AIFFCOMM", "aiff"),
    (b"FORM\x00\x00\x10\x00AIFCFVER", "aiff"),
    (b"caff\x00\x01\x00\x00desc", "caf"),
    (b"\x00\x00\x00\x1cftypM4A ", "mp4"),
    (b"\x1a\x45\xdf\xa3\x9fB\x86\x81", "matroska"),
    (b"\xff\xf1\x60\x40", "aac"),
    (b"\xff\xf9\x60\x40", "aac"),
    (b"ID3\x04\x00", "mp3"),
    (b"\xff\xfb\x90\x00", "mp3"),
    (b"\xff\xf3\x90\x00", "mp3"),
]
NONE = [
    b"",
    b"R",
    b"RIFF\x24\x00\x00\x00AVI LIST",
    b"FORM\x00\x00\x10\x00ILBMBMHD",
    b"#EXTM3U\n#EXT-X-VERSION:3\n",
    b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"<?xml version='1.0'?><MPD/>",
    b"<html><audio src=x></html>",
    b"[playlist]\nFile1=http://localhost/\n",
    b"\xef\xbb\xbf#EXTM3U\n",
    b"\xff\xfe#\x00E\x00X\x00T\x00",
    b" RIFF\x24\x00\x00\x00WAVE",
    b"PK\x03\x04",
    b"\x7fELF",
    b"\x00" * 16,
]


@pytest.mark.parametrize(("head", "kind"), HEADS)
def test_a_kind_is_known_by_its_magic_number(head: bytes, kind: str) -> None:
    """Each kind is known by its first bytes, whatever lies within its sizes, a line break included."""
    assert kind_of(head) == kind


def test_each_kind_has_a_head_here() -> None:
    """No kind is left out above."""
    assert {kind for _, kind in HEADS} == set(KINDS)


@pytest.mark.parametrize("head", NONE)
def test_what_is_no_audio_is_no_kind(head: bytes) -> None:
    """Playlists, pages, programs, pictures and text are nothing that is heard."""
    assert kind_of(head) is None


def test_peaks_are_the_least_and_the_greatest_of_each_stretch() -> None:
    """Each stretch is told by its ends, rounded to a thousandth."""
    samples = np.array([0.1, -0.2, 0.33333, 0.4, -0.5, 0.0], np.float32)
    assert peaks(samples, 3) == [(-0.2, 0.1), (0.333, 0.4), (-0.5, 0.0)]


def test_peaks_cover_every_sample() -> None:
    """A single click is seen, wherever it is, and whether or not the stretches divide the sound."""
    for place in (0, 1, 499, 500, 998, 1000):
        samples = np.zeros(1001, np.float32)
        samples[place] = -1.0
        assert min(low for low, _ in peaks(samples, 7)) == -1.0


@pytest.mark.parametrize(("size", "count", "expected"), [(0, 5, 0), (3, 5, 3), (5, 5, 5), (5, 1, 1), (5, 0, 0)])
def test_there_are_never_more_peaks_than_samples(size: int, count: int, expected: int) -> None:
    """As many as asked for, or as samples; none of nothing."""
    assert len(peaks(np.zeros(size, np.float32), count)) == expected


def test_peaks_stay_within_full_scale() -> None:
    """What is louder than full scale is drawn at full scale."""
    assert peaks(np.array([-3.0, 2.0], np.float32), 1) == [(-1.0, 1.0)]

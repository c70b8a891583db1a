"""Sidecars: folders of recordings, each with its text beside it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from modellab.corpora.sidecar import read_sidecars
from modellab.errors import BadManifest


def recording(path: Path, text: str | None = "hello") -> Path:
    """Write a second of silence, and its text beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(16_000, np.float32), 16_000)
    if text is not None:
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
    return path


def test_recordings_are_found_at_any_depth_in_order(tmp_path: Path) -> None:
    """Every wav, flac, ogg and mp3 is an utterance, in the order of paths, with the text of its name."""
    for name in ("b.wav", "a/y.flac", "a/x.ogg", "c/d/z.mp3", "UP.WAV"):
        recording(tmp_path / name, f" said in {name}\n")
    corpus = read_sidecars(tmp_path, "mine", "en", "s1")
    assert [u.id for u in corpus] == ["UP", "a/x", "a/y", "b", "c/d/z"]
    assert [u.reference for u in corpus] == [
        f"said in {name}" for name in ("UP.WAV", "a/x.ogg", "a/y.flac", "b.wav", "c/d/z.mp3")
    ]
    assert {(u.language, u.speaker) for u in corpus} == {("en", "s1")}
    assert all(u.duration_s == pytest.approx(1.0, abs=1e-3) for u in corpus)


@pytest.mark.parametrize(
    ("folder", "given", "language"),
    [("de", "", "de"), ("deep/fr", "", "fr"), ("recordings", "", ""), ("Test-1", "", ""), ("de", "en", "en")],
)
def test_a_folder_of_two_letters_names_the_language(tmp_path: Path, folder: str, given: str, language: str) -> None:
    """The folder of a recording names its language where it can be a code of one; a stated language goes before."""
    recording(tmp_path / folder / "a.wav")
    (read,) = read_sidecars(tmp_path, "c", given)
    assert read.language == language


def test_a_recording_without_text_is_refused(tmp_path: Path) -> None:
    """A recording that has no text beside it is refused, naming both."""
    recording(tmp_path / "a.wav")
    recording(tmp_path / "b.wav", text=None)
    with pytest.raises(BadManifest, match=r"b\.wav, expected in b\.txt"):
        read_sidecars(tmp_path, "c")


def test_a_text_of_another_encoding_is_refused(tmp_path: Path) -> None:
    """A text that is not UTF-8 is refused, naming it."""
    recording(tmp_path / "a.wav").with_suffix(".txt").write_bytes("größer".encode("latin-1"))
    with pytest.raises(BadManifest, match=r"a\.txt"):
        read_sidecars(tmp_path, "c")


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    """A folder in which there is no recording holds no corpus."""
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(BadManifest, match="no utterances"):
        read_sidecars(tmp_path, "c")


def test_two_recordings_of_one_name_are_refused(tmp_path: Path) -> None:
    """A recording in two formats would be one id twice, and is refused."""
    recording(tmp_path / "a.wav")
    recording(tmp_path / "a.flac")
    with pytest.raises(BadManifest, match="'a'"):
        read_sidecars(tmp_path, "c")


def test_audio_that_cannot_be_read_is_kept(tmp_path: Path) -> None:
    """A recording that is no audio stays in the corpus, of no duration, so that hearing it is what fails."""
    recording(tmp_path / "a.wav").write_bytes(b"nonsense")
    (read,) = read_sidecars(tmp_path, "c")
    assert read.duration_s == 0.0

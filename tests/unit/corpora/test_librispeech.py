"""LibriSpeech's trees: transcripts by chapter, speakers by folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.corpora.librispeech import read_librispeech
from modellab.errors import BadManifest

TRANSCRIPT = "84-121123-0000 GO DO YOU HEAR\n84-121123-0001 BUT IN LESS THAN FIVE MINUTES\n"


@pytest.fixture
def tree(record: Callable[..., Path], write: Callable[..., Path], tmp_path: Path) -> Path:
    """A tree of two speakers."""
    for id_ in ("84/121123/84-121123-0000", "84/121123/84-121123-0001"):
        record(f"dev-clean/{id_}.flac")
    record("dev-clean/174/50561/174-50561-0000.flac", 1.0)
    write("dev-clean/84/121123/84-121123.trans.txt", TRANSCRIPT)
    write("dev-clean/174/50561/174-50561.trans.txt", "174-50561-0000 FORGOTTEN TOO\n")
    return tmp_path / "dev-clean"


def test_a_tree_is_read(tree: Path) -> None:
    """Every line of every transcript is an utterance in English, and the folder of the chapter's folder its speaker."""
    corpus = read_librispeech(tree, "dev-clean")
    assert [(u.id, u.reference, u.speaker, u.language, u.duration_s) for u in corpus] == [
        ("174-50561-0000", "FORGOTTEN TOO", "174", "en", 1.0),
        ("84-121123-0000", "GO DO YOU HEAR", "84", "en", 2.0),
        ("84-121123-0001", "BUT IN LESS THAN FIVE MINUTES", "84", "en", 2.0),
    ]
    assert {u.extra["chapter"] for u in corpus} == {"50561", "121123"}
    assert all(u.audio.is_file() for u in corpus)


def test_the_speaker_is_known_from_within(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The speaker is the same where the path that is given is the chapter's own folder, even as `.`."""
    monkeypatch.chdir(tree / "84" / "121123")
    assert {u.speaker for u in read_librispeech(Path(), "chapter")} == {"84"}


def test_a_language_may_be_stated(tree: Path) -> None:
    """A stated language goes before English."""
    assert read_librispeech(tree, "c", "fr").languages == ("fr",)


def test_recordings_may_be_of_another_format(tree: Path, record: Callable[..., Path]) -> None:
    """A recording with another suffix than flac is found."""
    (tree / "174/50561/174-50561-0000.flac").unlink()
    record("dev-clean/174/50561/174-50561-0000.wav")
    assert next(iter(read_librispeech(tree, "c"))).audio.suffix == ".wav"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"84-121123-0009 NOBODY", "no audio file at .*84-121123-0009.flac"),
        (b"84-121123-0000 AGAIN", "id '84-121123-0000' stands on line 1 already"),
        ("84-121123-0001 GRÖSSER".encode("latin-1"), "not UTF-8"),
    ],
)
def test_a_bad_line_is_refused(tree: Path, line: bytes, reason: str) -> None:
    """A line without a recording, of an id that stands already or in another encoding is refused by file and line."""
    (tree / "84/121123/84-121123.trans.txt").write_bytes(b"84-121123-0000 GO\n" + line + b"\n")
    with pytest.raises(BadManifest, match=rf"84-121123\.trans\.txt:2: {reason}"):
        read_librispeech(tree, "c")


def test_an_id_in_two_transcripts_is_refused(tree: Path, record: Callable[..., Path]) -> None:
    """An id that stands in another transcript already is refused, naming both places."""
    record("dev-clean/84/9/84-121123-0000.flac")
    (tree / "84/9/84-9.trans.txt").write_text("84-121123-0000 GO\n")
    with pytest.raises(BadManifest, match=r"84-9\.trans\.txt:1: .*stands at .*84-121123\.trans\.txt:1 already"):
        read_librispeech(tree, "c")


def test_a_folder_without_transcripts_is_refused(tmp_path: Path) -> None:
    """A folder in which there is no transcript holds no corpus."""
    with pytest.raises(BadManifest, match="no utterances"):
        read_librispeech(tmp_path, "c")

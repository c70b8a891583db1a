"""Kaldi's data folders: recordings, segments and who says what in them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.corpora.kaldi import read_kaldi
from modellab.errors import BadManifest

SEGMENTS = "u1 call 0.00 0.75\nu2 call 0.75 -1\n"


@pytest.fixture
def folder(record: Callable[..., Path], write: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder of one recording in two segments by two speakers."""
    record("data/wav/a call.wav")
    write("data/wav.scp", "call wav/a call.wav\n")
    write("data/segments", SEGMENTS)
    write("data/text", "u1 good  morning\nu2\n")
    write("data/utt2spk", "u1 ann\nu2 bob\n")
    return tmp_path / "data"


def test_segments_are_stretches_of_recordings(folder: Path) -> None:
    """A segment is an utterance from its start to its end, where -1 is the recording's, with text and speaker."""
    first, second = read_kaldi(folder, "k", "en")
    assert (first.id, first.reference, first.speaker, first.language) == ("u1", "good  morning", "ann", "en")
    assert (first.start_s, first.end_s, first.duration_s) == (0.0, 0.75, 0.75)
    assert (second.reference, second.start_s, second.end_s, second.duration_s) == ("", 0.75, None, 1.25)
    assert {first.audio, second.audio} == {folder / "wav" / "a call.wav"}


def test_without_segments_a_recording_is_an_utterance(folder: Path) -> None:
    """Without `segments` and `utt2spk`, recordings are utterances whole, and speakers are unknown."""
    for name in ("segments", "utt2spk"):
        (folder / name).unlink()
    (folder / "text").write_text("call good morning\n")
    (only,) = read_kaldi(folder, "k")
    assert (only.id, only.is_cut, only.speaker, only.duration_s) == ("call", False, None, 2.0)


def test_languages_may_be_stated_by_utterance(folder: Path) -> None:
    """`utt2lang` goes before the language that is stated for all."""
    (folder / "utt2lang").write_text("u1 de\nu2 fr\n")
    assert [u.language for u in read_kaldi(folder, "k", "en")] == ["de", "fr"]


@pytest.mark.parametrize("command", ["touch {ran} |", "sph2pipe -f wav a.sph|", "| touch {ran}", "$(touch {ran}) |"])
def test_a_command_is_never_run(folder: Path, command: str) -> None:
    """A piped command in `wav.scp` is refused by file, line and name, and not run."""
    ran = folder / "ran"
    (folder / "wav.scp").write_text(f"ok wav/a call.wav\ncall {command.format(ran=ran)}\n")
    with pytest.raises(BadManifest, match=r"wav\.scp:2: recording 'call' is the output of a command"):
        read_kaldi(folder, "k")
    assert not ran.exists()


BAD = {
    "a missing recording": ("wav.scp", "call wav/none.wav\n", r"wav\.scp:1: no audio file at .*none\.wav"),
    "an offset into an archive": ("wav.scp", "call wav.ark:12\n", r"wav\.scp:1: no audio file"),
    "a recording without a path": ("wav.scp", "call\n", r"wav\.scp:1: a line is `<recording> <path>`"),
    "a recording twice": ("wav.scp", "call wav/a call.wav\n" * 2, r"wav\.scp:2: id 'call' stands on line 1"),
    "an unknown recording": ("segments", "u1 none 0 1\nu2 call 1 2\n", r"segments:1: no recording 'none'"),
    "a segment of three": ("segments", "u1 call 0\nu2 call 1 2\n", r"segments:1: a line is"),
    "a segment of five": ("segments", "u1 call 0 1 2\nu2 call 1 2\n", r"segments:1: a line is"),
    "a time that is none": ("segments", "u1 call zero 1\nu2 call 1 2\n", r"segments:1: a time must be .* not 'zero'"),
    "an endless time": ("segments", "u1 call 0 inf\nu2 call 1 2\n", r"segments:1: a time must be .* not 'inf'"),
    "a time of NaN": ("segments", "u1 call nan 1\nu2 call 1 2\n", r"segments:1: a time must be .* not 'nan'"),
    "a negative start": ("segments", "u1 call -1 1\nu2 call 1 2\n", r"segments:1: a time must be .* not '-1'"),
    "reversed": (
        "segments",
        "u1 call 1 0.5\nu2 call 1 2\n",
        r"segments:1: the segment 1 to 0.5 s ends before it starts",
    ),
    "of no length": ("segments", "u1 call 1 1\nu2 call 1 2\n", r"segments:1: the segment 1 to 1 s has no length"),
    "overlapping": ("segments", "u1 call 0 1\nu2 call 0.9 2\n", r"segments:2: .*0.9 to 2 s overlaps 0 to 1 s"),
    "overlapping one without end": ("segments", "u2 call 1 2\nu1 call 0 -1\n", r"segments:1: .* overlaps 0 to the end"),
    "beyond the recording": ("segments", "u1 call 0 1\nu2 call 1 2.6\n", r"segments:2: 1 to 2.6 s lies beyond"),
    "starting after the recording": ("segments", "u1 call 0 1\nu2 call 2 -1\n", r"segments:2: .* lies beyond"),
    "a segment twice": ("segments", "u1 call 0 1\nu1 call 1 2\n", r"segments:2: id 'u1' stands on line 1"),
    "a text of nobody": ("text", "u1 a\nu2 b\nu3 c\n", r"text:3: no utterance 'u3'"),
    "no text": ("text", "u1 a\n", r"segments:2: utterance 'u2' has no line in .*text"),
    "a text twice": ("text", "u1 a\nu1 b\n", r"text:2: id 'u1' stands on line 1"),
    "another encoding": ("text", b"u1 a\nu2 gr\xf6\xdfer\n", r"text:2: not UTF-8"),
    "no speaker": ("utt2spk", "u1 ann\n", r"segments:2: utterance 'u2' has no line in .*utt2spk"),
    "an empty speaker": ("utt2spk", "u1 ann\nu2\n", r"utt2spk:2: a line is `<utterance> <speaker>`"),
}


@pytest.mark.parametrize(("name", "text", "reason"), BAD.values(), ids=BAD)
def test_a_bad_line_is_refused(folder: Path, name: str, text: str | bytes, reason: str) -> None:
    """A line that says something it may not is refused by file and line, with the reason."""
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadManifest, match=reason):
        read_kaldi(folder, "k")


def test_an_end_may_be_rounded_beyond_the_recording(folder: Path) -> None:
    """A segment that ends within half a second after its recording ends with it."""
    (folder / "segments").write_text("u1 call 0 1\nu2 call 1 2.4\n")
    assert [u.duration_s for u in read_kaldi(folder, "k")] == [1.0, 1.0]


@pytest.mark.parametrize("name", ["wav.scp", "text"])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    """A folder without `wav.scp` or `text` is refused by path."""
    (folder / name).unlink()
    with pytest.raises(BadManifest, match=name):
        read_kaldi(folder, "k")

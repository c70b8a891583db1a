"""Tables: CSV and TSV with named columns."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.corpora.table import read_table
from modellab.errors import BadManifest

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def recordings(record: Callable[..., Path]) -> None:
    """Two recordings of two seconds, `a.wav` and `deep/b.wav`."""
    record("a.wav")
    record("deep/b.wav")


def test_our_own_columns(write: Write) -> None:
    """A row has the manifest's facts by their names, and other columns are kept."""
    text = "id,audio,text,language,speaker,duration_s,mood\nu1,deep/b.wav,Guten Tag,de,ann,1.5,calm\n"
    (read,) = read_table(write("t.csv", text), "c", "en")
    assert (read.id, read.reference, read.language, read.speaker) == ("u1", "Guten Tag", "de", "ann")
    assert (read.audio.name, read.duration_s, read.extra) == ("b.wav", 1.5, {"mood": "calm"})


@pytest.mark.parametrize("audio", ["audio", "path", "file", "audio_filepath", "Path"])
@pytest.mark.parametrize("text", ["text", "sentence", "transcript", "Transcription"])
def test_other_names_for_columns(write: Write, audio: str, text: str) -> None:
    """The names that others give to audio and reference are understood, in any case, in any order."""
    (read,) = read_table(write("t.tsv", f"{text}\t{audio}\nhello\tdeep/b.wav\n"), "c", "en")
    assert (read.id, read.reference, read.language, read.speaker) == ("deep/b", "hello", "en", None)
    assert (read.duration_s, read.is_cut) == (2.0, False)


@pytest.mark.parametrize(
    "text",
    ["audio,text\na.wav,hello\n", "audio;text\na.wav;hello\n", "audio\ttext\na.wav\thello\n"],
    ids=["commas", "semicolons", "tabs"],
)
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_what_spreadsheets_write(write: Write, text: str, start: bytes) -> None:
    """A CSV may be cut by commas, semicolons or tabs, begin with a byte order mark and end lines as Windows does."""
    (read,) = read_table(write("t.csv", start + text.replace("\n", "\r\n").encode()), "c")
    assert read.reference == "hello"


def test_quotes_frame_a_cell_of_a_csv_alone(write: Write) -> None:
    """A quoted cell of a CSV may hold commas and line ends; in a TSV a quote is a letter."""
    (read,) = read_table(write("t.csv", 'audio,text\na.wav,"one, ""two""\nthree"\n'), "c")
    assert read.reference == 'one, "two"\nthree'
    (read,) = read_table(write("t.tsv", 'audio\ttext\na.wav\t"one, two\n'), "c")
    assert read.reference == '"one, two'


def test_rows_may_be_stretches(write: Write) -> None:
    """A row with a start or an end is a stretch of its recording, called after the recording and its start."""
    first, second = read_table(write("t.csv", "path,text,start_s,end_s\na.wav,x,0,0.5\na.wav,y,0.5,\n"), "c")
    assert (first.id, first.start_s, first.end_s, first.duration_s) == ("a@0.000", 0.0, 0.5, 0.5)
    assert (second.id, second.start_s, second.end_s, second.duration_s) == ("a@0.500", 0.5, None, 1.5)


def test_an_empty_text_says_that_nobody_spoke(write: Write) -> None:
    """An empty cell under the reference is an empty reference."""
    (read,) = read_table(write("t.csv", "audio,text\na.wav,\n"), "c")
    assert read.reference == ""


BAD = {
    "no audio": ("name,text\na.wav,x\n", r":1: no column for the audio \(audio, .*found: 'name', 'text'"),
    "no text": ("audio,words\na.wav,x\n", r":1: no column for the reference .*found: 'audio', 'words'"),
    "no header": ("a.wav,hello\n", r":1: no column for the audio .*found: 'a\.wav', 'hello'"),
    "nothing": ("", r":1: no column for the audio .*found: nothing"),
    "old line ends": ("audio,text\ra.wav,x\r", r":1: not a table"),
    "a name too long": (f"audio,text\n{'x' * 5000},x\n", r":2: no audio file at"),
    "a name with a zero": ("audio,text\na\0.wav,x\n", r":2: no audio file at"),
    "a cell too long": (f"audio,text\na.wav,{'x' * 200_000}\n", r":2: not a table"),
    "a column twice": ("audio,text,Text\na.wav,x,y\n", r":1: two columns are named 'text'"),
    "a missing file": ("audio,text\n\nnone.wav,x\n", r":3: no audio file at .*none\.wav"),
    "an empty file": ("audio,text\n,x\n", r":2: no audio file at"),
    "a cell too many": ("audio,text\na.wav,x, y\n", r":2: 3 cells under 2 columns"),
    "a cell too few": ("audio,text\na.wav\n", r":2: 1 cells under 2 columns"),
    "an open quote": ('audio,text\na.wav,x\na.wav,"y\nz\n', r":3: not a table"),
    "an id twice": ('audio,text\na.wav,"x\ny"\na.wav,z\n', r":4: id 'a' stands at .*t\.csv:2 already"),
    "a duration of text": ("audio,text,duration\na.wav,x,long\n", r":2: a time must be seconds, 0 or more, not 'long'"),
    "reversed": ("audio,text,start,end\na.wav,x,1,0.5\n", r":2: the segment 1 to 0.5 s ends before it starts"),
    "of no length": ("audio,text,start,end\na.wav,x,0,0\n", r":2: the segment 0 to 0 s has no length"),
    "overlapping": ("id,audio,text,start,end\n1,a.wav,x,0,1\n2,a.wav,x,0.5,1\n", r":3: .* overlaps 0 to 1 s"),
    "overlapping the whole": ("id,audio,text,start,end\n1,a.wav,x,,\n2,a.wav,x,0.5,1\n", r":3: .* overlaps 0 to the"),
    "beyond the recording": ("audio,text,start,end\na.wav,x,1,5\n", r":2: 1 to 5 s lies beyond"),
    "another encoding": ("audio,text\na.wav,größer\n".encode("latin-1"), r":2: not UTF-8"),
    "UTF-16": ("audio,text\na.wav,x\n".encode("utf-16"), r":1: not UTF-8"),
}


@pytest.mark.parametrize(("text", "reason"), BAD.values(), ids=BAD)
def test_a_bad_table_is_refused(write: Write, text: str | bytes, reason: str) -> None:
    """A table that says something it may not is refused by file and line, with the reason."""
    with pytest.raises(BadManifest, match=rf"t\.csv{reason}"):
        read_table(write("t.csv", text), "c")


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    """A table that is not there is refused by path."""
    with pytest.raises(BadManifest, match=r"none\.csv"):
        read_table(tmp_path / "none.csv", "c")

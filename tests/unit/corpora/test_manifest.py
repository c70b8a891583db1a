"""Manifests: what each line says, and which lines are refused."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from modellab.corpora.manifest import read_manifest
from modellab.errors import BadManifest
from modellab.speech.transcript import Word

GOOD: dict[str, Any] = {"audio": "a.wav", "text": "hello"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two seconds of audio in `a.wav` and in `deep/b.flac`."""
    (tmp_path / "deep").mkdir()
    for name in ("a.wav", "deep/b.flac"):
        soundfile.write(tmp_path / name, np.zeros(32_000, np.float32), 16_000)
    return tmp_path


def manifest(folder: Path, *lines: dict[str, Any] | str) -> Path:
    """Give the path of a manifest of these lines; texts stand as they are."""
    path = folder / "manifest.jsonl"
    written = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    path.write_text("\n".join(written) + "\n", encoding="utf-8")
    return path


def test_our_own_words(folder: Path) -> None:
    """A line of ours is read with its id, audio, text, language, speaker and duration, and the rest is kept."""
    line = {
        "id": "u1",
        "audio": "deep/b.flac",
        "text": "Guten Tag",
        "language": "de",
        "speaker": "s1",
        "duration_s": 1.5,
        "license": "MIT",
        "take": 3,
        "tags": ["dropped", "as not plain"],
    }
    corpus = read_manifest(manifest(folder, line), "mine", "en")
    (read,) = corpus
    assert corpus.name == "mine"
    assert (read.id, read.audio, read.reference) == ("u1", folder / "deep" / "b.flac", "Guten Tag")
    assert (read.language, read.speaker, read.duration_s) == ("de", "s1", 1.5)
    assert read.extra == {"license": "MIT", "take": "3"}


def test_nemos_words(folder: Path) -> None:
    """A line of NeMo's is read by its `audio_filepath`, `text` and `duration`."""
    line = {"audio_filepath": str(folder / "a.wav"), "text": "hello", "duration": 2}
    (read,) = read_manifest(manifest(folder, line), "nemo", "en")
    assert (read.audio, read.reference, read.duration_s) == (folder / "a.wav", "hello", 2.0)
    assert (read.language, read.speaker) == ("en", None)


def test_what_a_line_leaves_out_is_found(folder: Path) -> None:
    """Without an id the path without suffix is it, and without a duration the file's header states it."""
    first, second = read_manifest(manifest(folder, GOOD, {**GOOD, "audio": "deep/b.flac"}), "c")
    assert (first.id, second.id) == ("a", "deep/b")
    assert (first.duration_s, second.duration_s) == (2.0, 2.0)
    assert first.language == ""


@pytest.mark.parametrize(("given", "expected"), [(0, "0"), (7, "7"), ("", "a"), (None, "a")])
def test_an_id_may_be_a_number(folder: Path, given: object, expected: str) -> None:
    """A number is an id, zero too; an empty id is none."""
    (read,) = read_manifest(manifest(folder, {**GOOD, "id": given}), "c")
    assert read.id == expected


def test_an_empty_text_says_that_nobody_spoke(folder: Path) -> None:
    """An empty reference is one."""
    (read,) = read_manifest(manifest(folder, {**GOOD, "text": ""}), "c")
    assert read.reference == ""


def test_blank_lines_and_windows_line_ends_are_nothing(folder: Path) -> None:
    """Blank lines are passed over and counted as lines, and a carriage return is no part of a line."""
    path = folder / "m.jsonl"
    path.write_bytes(b'\r\n{"audio": "a.wav", "text": "x"}\r\n\r\n  \n{"audio": "a.wav"}\r\n')
    with pytest.raises(BadManifest, match=r"m\.jsonl:5: no 'text'"):
        read_manifest(path, "c")


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_line_ends_at_a_newline_alone(folder: Path, separator: str) -> None:
    """A separator that JSON allows within a text does not end the line."""
    (read,) = read_manifest(manifest(folder, {**GOOD, "text": f"one{separator}two"}), "c")
    assert read.reference == f"one{separator}two"


BAD_LINES = {
    "not JSON": ("{audio: a.wav}", "not JSON"),
    "cut short": ('{"audio": "a.wav", "te', "not JSON"),
    "a list": ('["a.wav", "hello"]', "object was expected, not list"),
    "a number": ("3", "object was expected, not int"),
    "no audio": ({"text": "hello"}, "no 'audio'"),
    "an empty audio": ({**GOOD, "audio": ""}, "no 'audio'"),
    "an audio that is no text": ({**GOOD, "audio": 3}, "no 'audio'"),
    "no text": ({"audio": "a.wav"}, "no 'text'"),
    "a text that is none": ({**GOOD, "text": None}, "no 'text'"),
    "a text that is a number": ({**GOOD, "text": 5}, "no 'text'"),
    "half a surrogate pair": ('{"audio": "a.wav", "text": "\\ud800"}', "not JSON.*surrogates"),
    "a missing file": ({**GOOD, "audio": "none.wav"}, "no audio file at .*none.wav"),
    "a folder": ({**GOOD, "audio": "deep"}, "no audio file at .*deep"),
    "a negative duration": ({**GOOD, "duration_s": -1}, "the duration must be seconds, 0 or more, not -1"),
    "a duration of text": ({**GOOD, "duration_s": "2 s"}, "the duration must be seconds, 0 or more, not '2 s'"),
    "a duration of truth": ({**GOOD, "duration": True}, "the duration must be seconds, 0 or more, not True"),
    "an endless duration": ('{"audio": "a.wav", "text": "", "duration": Infinity}', "the duration must be seconds"),
    "a duration of NaN": ('{"audio": "a.wav", "text": "", "duration": NaN}', "the duration must be seconds"),
    "reversed": ({**GOOD, "start_s": 1, "end_s": 0.5}, "the segment 1 to 0.5 s ends before it starts"),
    "of no length": ({**GOOD, "start_s": 1, "end_s": 1}, "the segment 1 to 1 s has no length"),
    "no length by duration": ({**GOOD, "offset": 1, "duration": 0}, "the segment 1 to 1 s has no length"),
    "a start of text": ({**GOOD, "start_s": "soon"}, "a time must be seconds, 0 or more, not 'soon'"),
    "a negative offset": ({**GOOD, "offset": -1}, "a time must be seconds, 0 or more, not '-1'"),
    "an offset of truth": ({**GOOD, "offset": True}, "a time must be seconds, 0 or more, not 'True'"),
    "beyond the recording": ({**GOOD, "start_s": 1, "end_s": 5}, "1 to 5 s lies beyond .*a.wav, which lasts 2 s"),
    "overlapping the first": ({**GOOD, "id": "second", "start_s": 1}, "1 to the end s overlaps 0 to the end s"),
    "an id twice": ({**GOOD, "id": "first"}, "id 'first' stands on line 1 already"),
}


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_is_refused(folder: Path, line: dict[str, Any] | str, reason: str) -> None:
    """A line that says something it may not is refused by file and line, with the reason."""
    path = manifest(folder, {**GOOD, "id": "first"}, line)
    with pytest.raises(BadManifest, match=rf"manifest\.jsonl:2: .*{reason}"):
        read_manifest(path, "c")


def test_another_encoding_is_refused(folder: Path) -> None:
    """A manifest that is not UTF-8 is refused by path."""
    path = folder / "latin.jsonl"
    path.write_bytes('{"audio": "a.wav", "text": "größer"}'.encode("latin-1"))
    with pytest.raises(BadManifest, match=r"cannot read manifest .*latin\.jsonl"):
        read_manifest(path, "c")


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    """A manifest that is not there is refused by path."""
    with pytest.raises(BadManifest, match=r"none\.jsonl"):
        read_manifest(tmp_path / "none.jsonl", "c")


def test_a_manifest_of_nothing_is_refused(folder: Path) -> None:
    """A manifest of blank lines holds no corpus."""
    with pytest.raises(BadManifest, match="'c' has no utterances"):
        read_manifest(manifest(folder, "", "  "), "c")


def test_lines_may_be_stretches(folder: Path) -> None:
    """A line with a start or an end is a stretch of its recording, whose length is its duration."""
    lines = ({**GOOD, "end_s": 0.5}, {**GOOD, "start_s": 0.5, "end_s": 1.25}, {**GOOD, "id": "u", "start_s": 1.25})
    corpus = read_manifest(manifest(folder, *lines), "c")
    assert [(u.id, u.start_s, u.end_s, u.duration_s) for u in corpus] == [
        ("a@0.000", 0.0, 0.5, 0.5),
        ("a@0.500", 0.5, 1.25, 0.75),
        ("u", 1.25, None, 0.75),
    ]
    assert all(u.extra == {} for u in corpus)


@pytest.mark.parametrize(
    ("line", "cut"),
    [
        ({"offset": 0.5, "duration": 1}, (0.5, 1.5, 1.0)),
        ({"offset": 0, "duration": 1}, (0.0, 1.0, 1.0)),
        ({"offset": 0, "duration": 1.98}, (0.0, None, 1.98)),
        ({"offset": 0}, (0.0, None, 2.0)),
        ({"offset": None, "duration": 1}, (0.0, None, 1.0)),
        ({"offset": 1.5}, (1.5, None, 0.5)),
        ({"duration": 1}, (0.0, None, 1.0)),
    ],
)
def test_nemos_offset_cuts(folder: Path, line: dict[str, Any], cut: tuple[float, float | None, float]) -> None:
    """NeMo's `offset` and `duration` are a stretch, but for an offset of 0 that keeps the whole recording."""
    (read,) = read_manifest(manifest(folder, {**GOOD, **line}), "c")
    assert (read.start_s, read.end_s, read.duration_s) == cut


@pytest.mark.parametrize("name", ["broken.wav", "broken.mp3", "broken.raw", "empty.flac"])
def test_audio_that_cannot_be_read_is_kept(folder: Path, name: str) -> None:
    """A file that is there and is no audio stays in the corpus, of no duration, so that hearing it is what fails."""
    (folder / name).write_bytes(b"" if name.startswith("empty") else b"not audio at all")
    corpus = read_manifest(manifest(folder, GOOD, {**GOOD, "audio": name}), "c")
    assert [(u.audio.name, u.duration_s) for u in corpus] == [("a.wav", 2.0), (name, 0.0)]


WORDS = [{"word": "good", "start_s": 0.1, "end_s": 0.4}, {"text": "day", "start": 0.4, "end": 1}]


@pytest.mark.parametrize("stretch", [{}, {"start_s": 0.5, "end_s": 1.5}, {"offset": 0.5, "duration": 1}])
def test_words_have_times(folder: Path, stretch: dict[str, Any]) -> None:
    """The words of a line are those of its utterance, their times counted from its start, and part of the revision."""
    bare, timed = (
        read_manifest(manifest(folder, {**GOOD, **stretch, **words}), "c") for words in ({}, {"words": WORDS})
    )
    assert timed.utterances[0].words == (
        Word(text="good", start_s=0.1, end_s=0.4),
        Word(text="day", start_s=0.4, end_s=1),
    )
    assert (bare.utterances[0].words, timed.utterances[0].extra) == ((), {})
    assert timed.revision != bare.revision


@pytest.mark.parametrize("words", [None, []])
def test_a_line_may_have_no_words(folder: Path, words: object) -> None:
    """Words that are null or none at all are none."""
    (read,) = read_manifest(manifest(folder, {**GOOD, "words": words}), "c")
    assert read.words == ()


def word(**changes: Any) -> dict[str, Any]:
    return {"word": "day", "start_s": 0.5, "end_s": 0.8} | changes


BAD_WORDS = {
    "a text": ("good day", "'words' is a list of objects"),
    "a list of texts": (["good", "day"], "'words' is a list of objects"),
    "a number": (2, "'words' is a list of objects"),
    "without a word": ([{"start_s": 0, "end_s": 1}], "a word is a text that is not empty, not None"),
    "an empty word": ([word(word=" ")], "a word is a text that is not empty"),
    "a word of a number": ([word(word=3)], "a word is a text that is not empty, not 3"),
    "without a start": ([word(start_s=None)], "the word 'day' has a time of None"),
    "an end that is a text": ([word(end_s="0.8")], "the word 'day' has a time of '0.8'"),
    "an end that is true": ([word(end_s=True)], "the word 'day' has a time of True"),
    "an end that is NaN": ([word(end_s=float("nan"))], "the word 'day' has a time of nan"),
    "an endless end": ([word(end_s=float("inf"))], "the word 'day' has a time of inf"),
    "reversed": ([word(end_s=0.4)], "'day' from 0.5 to 0.4 s ends before it starts"),
    "before the utterance": (
        [word(start_s=-0.6)],
        "'day' from -0.6 to 0.8 s lies outside the utterance, which lasts 2 s",
    ),
    "after the utterance": ([word(end_s=2.6)], "'day' from 0.5 to 2.6 s lies outside"),
    "out of order": (
        [word(), word(word="good", start_s=0.4)],
        "'good' from 0.4 to 0.8 s starts before the word before",
    ),
}


@pytest.mark.parametrize(("words", "reason"), BAD_WORDS.values(), ids=BAD_WORDS)
def test_bad_words_are_refused(folder: Path, words: object, reason: str) -> None:
    """Words that say something they may not are refused by file and line."""
    with pytest.raises(BadManifest, match=rf"manifest\.jsonl:2: .*{reason}"):
        read_manifest(manifest(folder, GOOD, {**GOOD, "id": "u", "words": words}), "c")


def test_words_may_be_rounded_beyond_the_utterance(folder: Path) -> None:
    """A word may end within half a second after its utterance, whose end another has stated."""
    (read,) = read_manifest(manifest(folder, {**GOOD, "words": [word(end_s=2.4)]}), "c")
    assert read.words[0].end_s == 2.4


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_stretch_of_a_long_recording_is_heard_alone(tmp_path: Path, suffix: str) -> None:
    """Hearing five seconds of two hours, and hashing the whole, takes no more memory than a minute of it would."""
    rate_hz, minute = 8_000, np.zeros(60 * 8_000, np.int16)
    with soundfile.SoundFile(tmp_path / f"long.{suffix}", "w", rate_hz, 1) as file:
        for _ in range(120):
            file.write(minute)
    line = {"audio": f"long.{suffix}", "text": "hello", "start_s": 7_000, "end_s": 7_005}
    path = manifest(tmp_path, line)
    tracemalloc.start()
    try:
        (read,) = read_manifest(path, "c")
        assert read.hear().duration_s == pytest.approx(5.0)
        assert tracemalloc.get_traced_memory()[1] < 60 * rate_hz * 4
    finally:
        tracemalloc.stop()


def test_nesting_without_end_is_not_json(folder: Path) -> None:
    """A line that nests deeper than can be read is refused by file and line."""
    with pytest.raises(BadManifest, match=r"manifest\.jsonl:1: not JSON"):
        read_manifest(manifest(folder, '{"a":' * 100_000), "c")

"""NIST's segment time marks: segments of recordings, and those that are not scored."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.corpora.stm import UNSCORED, read_stm
from modellab.errors import BadManifest

LINES = f"""\
;; a comment
talk 1 ann 0.00 0.50 <o,f0,female> so first
talk 1 inter_segment_gap 0.50 0.75 <o,,> {UNSCORED}

talk 1 bob 0.75 1.50 <unk> of  all
talk 1 ann 1.50 2.00
"""


@pytest.fixture
def stm(record: Callable[..., Path], write: Callable[..., Path]) -> Path:
    """An STM of one recording of two seconds, in TED-LIUM's folders."""
    record("sph/talk.wav")
    return write("stm/talk.stm", LINES)


def test_segments_are_read(stm: Path) -> None:
    """A line is a stretch of its recording with speaker, text and, where there is one, label."""
    first, second, third = read_stm(stm, "talks", "en")
    assert (first.reference, first.speaker, first.start_s, first.end_s) == ("so first", "ann", 0.0, 0.5)
    assert (first.id, first.language, first.duration_s) == ("talk-1-0.000-0.500", "en", 0.5)
    assert first.extra == {"file": "talk", "channel": "1", "label": "o,f0,female"}
    assert (second.reference, second.speaker, "label" in second.extra) == ("<unk> of  all", "bob", False)
    assert third.reference == ""
    assert first.audio.samefile(stm.parents[1] / "sph" / "talk.wav")


def test_what_is_not_scored_is_left_out_and_counted(stm: Path) -> None:
    """A segment that NIST's scoring ignores is no utterance, and the corpus says how many there were."""
    corpus = read_stm(stm, "talks")
    assert (len(corpus), corpus.left_out) == (3, {UNSCORED: 1})
    assert UNSCORED in repr(corpus)


def test_a_folder_of_several_is_one_corpus(stm: Path, record: Callable[..., Path]) -> None:
    """All STM files of a folder are read, in the order of their names."""
    record("stm/later.flac")
    (stm.parent / "later.stm").write_text("later A ann 0 1 hello\n")
    assert next(iter(read_stm(stm.parent, "talks"))).id == "later-A-0.000-1.000"
    assert len(read_stm(stm.parent, "talks")) == 4


def test_a_channel_cannot_be_heard_alone(stm: Path, record: Callable[..., Path]) -> None:
    """The second channel of a stereo recording is refused by line; that of a mono one is the recording."""
    stm.write_text("talk A ann 0 1 hello\ntalk B bob 1 2 hello\n")
    assert len(read_stm(stm, "talks")) == 2
    record("sph/talk.wav", channels=2)
    with pytest.raises(BadManifest, match=r"talk\.stm:2: channel 'B' of .*cannot be heard alone"):
        read_stm(stm, "talks")


BAD = {
    "four words": ("talk 1 ann 0", "a line is `<file> <channel>"),
    "a missing recording": ("none 1 ann 0 1 hello", "no audio file none in"),
    "a time that is none": ("talk 1 ann zero 1 hello", "a time must be seconds, 0 or more, not 'zero'"),
    "reversed": ("talk 1 ann 1 0.5 hello", "the segment 1 to 0.5 s ends before it starts"),
    "of no length": ("talk 1 ann 1 1 hello", "the segment 1 to 1 s has no length"),
    "overlapping": ("talk 1 ann 0.4 0.6 hello", "the segment 0.4 to 0.6 s overlaps 0 to 0.5 s"),
    "twice": ("talk 1 ann 0 0.5 hello", "segment 'talk-1-0.000-0.500' stands at .*talk.stm:1 already"),
    "beyond the recording": ("talk 1 ann 1 9 hello", "1 to 9 s lies beyond .*which lasts 2 s"),
    "another encoding": ("talk 1 ann 1 2 größer".encode("latin-1"), "not UTF-8"),
}


@pytest.mark.parametrize(("line", "reason"), BAD.values(), ids=BAD)
def test_a_bad_line_is_refused(stm: Path, line: str | bytes, reason: str) -> None:
    """A line that says something it may not is refused by file and line, with the reason."""
    stm.write_bytes(b"talk 1 ann 0 0.5 hello\n" + (line if isinstance(line, bytes) else line.encode()))
    with pytest.raises(BadManifest, match=rf"talk\.stm:2: {reason}"):
        read_stm(stm, "talks")


def test_an_stm_of_comments_is_refused(stm: Path) -> None:
    """A file without a segment to score holds no corpus."""
    stm.write_text(";; nothing\n")
    with pytest.raises(BadManifest, match="no utterances"):
        read_stm(stm, "talks")

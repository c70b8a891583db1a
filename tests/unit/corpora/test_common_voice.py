"""Common Voice: a release's tables and clips."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.corpora.common_voice import read_common_voice
from modellab.errors import BadManifest

HEADER = "client_id\tpath\tsentence\tup_votes\tage\tlocale\n"
ROWS = f"""{HEADER}\
ab12\tcommon_voice_1.mp3\t"Guten Tag", sagte sie.\t2\t\tde
cd34\tcommon_voice_2.mp3\tEr sagte "Ja\t3\tsixties\tzh-CN
"""


@pytest.fixture
def release(record: Callable[..., Path], write: Callable[..., Path], tmp_path: Path) -> Path:
    """A release of two clips."""
    for number in (1, 2):
        record(f"de/clips/common_voice_{number}.mp3", number)
    write("de/test.tsv", ROWS)
    write("de/clip_durations.tsv", "clip\tduration[ms]\ncommon_voice_1.mp3\t1000\n")
    return tmp_path / "de"


@pytest.mark.parametrize("named", ["test.tsv", "."])
def test_a_release_is_read(release: Path, named: str) -> None:
    """A row is an utterance with its sentence as it stands, quotes too; a release's folder is its test set."""
    first, second = read_common_voice(release / named, "cv")
    assert (first.id, first.reference, first.speaker) == ("common_voice_1", '"Guten Tag", sagte sie.', "ab12")
    assert (first.language, first.audio) == ("de", release / "clips" / "common_voice_1.mp3")
    assert first.duration_s == pytest.approx(1.0, abs=0.01)
    assert first.extra == {"up_votes": "2", "locale": "de"}
    assert (second.reference, second.language, second.extra["locale"]) == ('Er sagte "Ja', "zh", "zh-CN")


def test_a_clip_may_lack_its_suffix(release: Path) -> None:
    """The first releases named clips without `.mp3`, and are read."""
    (release / "test.tsv").write_text(ROWS.replace(".mp3", ""))
    assert [u.audio.name for u in read_common_voice(release, "cv")] == ["common_voice_1.mp3", "common_voice_2.mp3"]


def test_a_folder_of_several_sets_and_no_test_set_is_refused(release: Path) -> None:
    """A release without a test set is read where it has one set, and refused by the names of several."""
    (release / "test.tsv").rename(release / "dev.tsv")
    assert len(read_common_voice(release, "cv")) == 2
    (release / "other.tsv").write_text(ROWS)
    with pytest.raises(BadManifest, match=r"no test\.tsv; give the path of one of: dev\.tsv, other\.tsv"):
        read_common_voice(release, "cv")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ROWS.replace("sentence", "text"), r"test\.tsv:1: .*sentence.*found: 'client_id', 'path', 'text'"),
        (ROWS.replace("_2.mp3", "_3.mp3"), r"test\.tsv:3: no audio file at .*common_voice_3\.mp3"),
        (ROWS.replace("_2.mp3", "_1.mp3"), r"test\.tsv:3: id 'common_voice_1' stands at .*test\.tsv:2 already"),
        (ROWS + "ab12\tcommon_voice_1.mp3\tcut sh", r"test\.tsv:4: 3 cells under 6 columns"),
        (HEADER, "no utterances"),
        ("", r"test\.tsv:1: .*found: nothing"),
    ],
)
def test_a_bad_table_is_refused(release: Path, text: str, reason: str) -> None:
    """A table without its columns, and a row that cannot be read, are refused by file and line."""
    (release / "test.tsv").write_text(text)
    with pytest.raises(BadManifest, match=reason):
        read_common_voice(release / "test.tsv", "cv")


def test_another_encoding_is_refused(release: Path) -> None:
    """A table that is not UTF-8 is refused by file and line."""
    (release / "test.tsv").write_bytes(ROWS.replace("Ja", "größer").encode("latin-1"))
    with pytest.raises(BadManifest, match=r"test\.tsv:3: not UTF-8"):
        read_common_voice(release, "cv")

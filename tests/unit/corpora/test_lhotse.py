"""Lhotse's cut manifests: what each cut says, and which cuts are refused."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modellab.corpora.lhotse import read_lhotse
from modellab.errors import BadManifest
from modellab.speech.transcript import Word

WORDS = [["hello", 1.1, 0.3, None], ["", 1.4, 0.1, None], ["you", 1.5, 0.5, 0.9]]


def recording(**changes: Any) -> dict[str, Any]:
    source = {"type": "file", "channels": [0], "source": "a.wav"} | changes.pop("of", {})
    whole = {"id": "rec", "sources": [source], "sampling_rate": 16_000, "num_samples": 64_000, "duration": 4.0}
    return whole | changes


def said(**changes: Any) -> dict[str, Any]:
    whole = {"id": "s1", "recording_id": "rec", "start": 1.0, "duration": 1.5, "channel": 0, "text": "hello you"}
    return whole | changes


def cut(*supervisions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    whole = {"id": "c1", "start": 0, "duration": 4.0, "channel": 0, "supervisions": list(supervisions) or [said()]}
    return whole | {"recording": recording(), "type": "MonoCut"} | changes


@pytest.fixture
def manifest(record: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A maker of manifests of these cuts, beside a recording of four seconds; texts stand as they are."""
    record("a.wav", 4.0)

    def make(*cuts: dict[str, Any] | str, name: str = "cuts.jsonl") -> Path:
        path = tmp_path / name
        lines = "".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in cuts)
        path.write_bytes(gzip.compress(lines.encode()) if name.endswith(".gz") else lines.encode())
        return path

    return make


@pytest.mark.parametrize("name", ["cuts.jsonl", "cuts.jsonl.gz"])
def test_a_supervision_is_a_stretch_of_its_recording(manifest: Callable[..., Path], tmp_path: Path, name: str) -> None:
    """A supervision starts where it says after its cut does, and its words count from its own start."""
    supervision = said(
        start=0.0,
        language="English",
        speaker="ann",
        gender="F",
        custom={"take": 2, "array": {"storage_type": "lilcom"}},
        alignment={"word": WORDS, "phone": [["HH", 0, 1]]},
    )
    corpus = read_lhotse(manifest(cut(supervision, start=1.0, duration=1.5), name=name), "calls", "de")
    (read,) = corpus
    assert corpus.name == "calls"
    assert (read.id, read.audio, read.reference) == ("s1", tmp_path / "a.wav", "hello you")
    assert (read.start_s, read.end_s, read.duration_s) == (1.0, 2.5, 1.5)
    assert (read.language, read.speaker) == ("en", "ann")
    assert read.extra == {"cut": "c1", "recording": "rec", "take": "2", "gender": "F"}
    assert read.words == (Word(text="hello", start_s=0.1, end_s=0.4), Word(text="you", start_s=0.5, end_s=1.0))
    assert read.hear().duration_s == 1.5


def test_what_lhotse_writes_is_read(manifest: Callable[..., Path], tmp_path: Path) -> None:
    """Manifests that the library itself writes, trimmed and truncated, lead to the same stretch and words."""
    lhotse = pytest.importorskip("lhotse", reason="lhotse is optional: pip install 'modellab[lhotse]'")
    manifest()
    recorded = lhotse.Recording.from_file(tmp_path / "a.wav")
    aligned = [lhotse.supervision.AlignmentItem(*item) for item in WORDS]
    segment = lhotse.SupervisionSegment(
        id="s1", recording_id=recorded.id, start=1.0, duration=1.5, text="hello you", alignment={"word": aligned}
    )
    cuts = lhotse.CutSet.from_manifests(
        recordings=lhotse.RecordingSet.from_recordings([recorded]),
        supervisions=lhotse.SupervisionSet.from_segments([segment]),
    ).to_eager()
    read = []
    for number, each in enumerate((cuts[0], cuts[0].trim_to_supervisions()[0], cuts[0].truncate(offset=0.5))):
        path = tmp_path / f"{number}.jsonl.gz"
        lhotse.CutSet.from_cuts([each]).to_file(path)
        read += read_lhotse(path, "c")
    assert [(u.start_s, u.end_s, u.words[1].start_s) for u in read] == [(1.0, 2.5, 0.5)] * 3


def test_a_supervision_of_the_whole_is_not_cut(manifest: Callable[..., Path]) -> None:
    """One that lasts as long as its recording, but for rounding, is the recording whole."""
    (read,) = read_lhotse(manifest(cut(said(start=0, duration=3.98))), "c")
    assert (read.is_cut, read.duration_s) == (False, 4.0)


def test_the_rest_is_optional(manifest: Callable[..., Path]) -> None:
    """Without language, speaker and alignment, the language is the one given, and an empty text says nobody spoke."""
    (read,) = read_lhotse(manifest(cut(said(text=""))), "c", "de")
    assert (read.reference, read.language, read.speaker, read.words) == ("", "de", None, ())


def test_a_path_may_be_relative_to_the_working_folder(
    manifest: Callable[..., Path], record: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording that is not beside the manifest is looked for where Lhotse looks."""
    record("project/wav/b.wav", 4.0)
    monkeypatch.chdir(tmp_path / "project")
    path = manifest(cut(recording=recording(of={"source": "wav/b.wav"})))
    assert [u.audio for u in read_lhotse(path, "c")] == [Path("wav/b.wav")]


def test_what_is_left_out_is_counted(manifest: Callable[..., Path]) -> None:
    """Mixed, padded and multichannel cuts, and what nobody has transcribed, are counted and not read."""
    others = [{"id": kind, "type": kind} for kind in ("MixedCut", "MixedCut", "MultiCut", "PaddingCut")]
    silent = cut(id="c2") | {"supervisions": []}
    corpus = read_lhotse(manifest(*others, silent, cut(said(), said(id="s2", text=None))), "c")
    assert [u.id for u in corpus] == ["s1"]
    assert corpus.left_out == {
        "MixedCut": 2,
        "MultiCut": 1,
        "PaddingCut": 1,
        "cut without supervisions": 1,
        "supervision without text": 1,
    }
    with pytest.raises(BadManifest, match=r"has no utterances, and leaves out \{'MixedCut': 2"):
        read_lhotse(manifest(*others), "c")


def test_a_command_is_never_run(manifest: Callable[..., Path], tmp_path: Path) -> None:
    """A recording that a command would give is refused by file, line and name, on any channel, and not run."""
    ran = tmp_path / "ran"
    command = {"type": "command", "channels": [0], "source": f"touch {ran}"}
    for sources in ([command], [{"type": "file", "channels": [0], "source": "a.wav"}, command | {"channels": [1]}]):
        path = manifest(cut(), cut(id="c2", recording=recording(sources=sources)))
        with pytest.raises(BadManifest, match=r"cuts\.jsonl:2: the recording of cut 'c2' is the output of a command"):
            read_lhotse(path, "c")
    for piped in (f"pipe:touch {ran}", f"touch {ran} |"):
        with pytest.raises(BadManifest, match=r"cuts\.jsonl:1: no audio file"):
            read_lhotse(manifest(cut(recording=recording(of={"source": piped}))), "c")
    assert not ran.exists()


@pytest.mark.parametrize("kind", ["url", "memory", "shar", "pickle", None, ["file"]])
def test_what_is_no_file_is_refused(manifest: Callable[..., Path], kind: object) -> None:
    """A recording on the web, in memory or in an archive is refused by its type, with what to do."""
    path = manifest(cut(recording=recording(of={"type": kind})))
    with pytest.raises(BadManifest, match=r"cuts\.jsonl:1: the recording of cut 'c1' is of the type .* only 'file'"):
        read_lhotse(path, "c")


SPEED = [{"name": "Speed", "kwargs": {"factor": 1.1}}]
BAD: dict[str, tuple[dict[str, Any] | str, str]] = {
    "not JSON": ('{"id": "c1", ', "not JSON"),
    "nested without end": ('{"a":' * 100_000, "not JSON"),
    "a list": ("[]", "object was expected, not list"),
    "a recording manifest": (recording(), r"not a cut: its type is None, and its keys \['duration', 'id'"),
    "a line of a manifest of ours": ({"audio": "a.wav", "text": "hello"}, "not a cut"),
    "an unknown type": (cut(type="DataCut"), "not a cut: its type is 'DataCut'"),
    "a type that is none": (cut(type=["MonoCut"]), "not a cut"),
    "supervisions that are none": (cut(supervisions="hello"), "'supervisions' must be a list of objects"),
    "features alone": (cut(recording=None), "cut 'c1' has no recording; features alone"),
    "another speed": (cut(recording=recording(transforms=SPEED)), "cut 'c1' is transformed.*Speed"),
    "no sources": (cut(recording=recording(sources=None)), "'sources' must be a list"),
    "a source that names nothing": (cut(recording=recording(of={"source": ""})), "names no file"),
    "a missing recording": (cut(recording=recording(of={"source": "b.wav"})), r"no audio file at .*b\.wav"),
    "a name that no file has": (cut(recording=recording(of={"source": "\0"})), "no audio file at"),
    "a channel that no source holds": (cut(channel=1), "no source of cut 'c1' holds its channel, 1"),
    "one channel of two": (cut(recording=recording(of={"channels": [0, 1]})), "channel 0 of a.wav, which has several"),
    "an id that is none": (cut(said(id=3)), "a supervision's id is a text, not 3"),
    "a text that is none": (cut(said(text=["hello"])), "a supervision's text is a text, not"),
    "a start that is none": (cut(said(start="1.0")), "'start' must be seconds, not '1.0'"),
    "a start that is true": (cut(said(start=True)), "'start' must be seconds, not True"),
    "an endless duration": (cut(said(duration=float("inf"))), "'duration' must be seconds, not inf"),
    "no duration": (cut(said(duration=None)), "'duration' must be seconds, not None"),
    "of no length": (cut(said(duration=0)), "the segment 1 to 1 s has no length"),
    "reversed": (cut(said(duration=-0.5)), "the segment 1 to 0.5 s ends before it starts"),
    "before the recording": (cut(said(start=-0.5)), "a time must be seconds, 0 or more, not '-0.5'"),
    "beyond what the file holds": (cut(said(duration=9), duration=10), "1 to 10 s lies beyond .* lasts 4 s"),
    "words that are no list": (cut(said(alignment={"word": "hello"})), "an alignment of words is a list"),
    "an alignment that is none": (cut(said(alignment=["word"])), "an alignment of words is a list"),
    "a word without a duration": (cut(said(alignment={"word": [["hello", 1.0]]})), "an alignment of words is a list"),
    "a word that is none": (cut(said(alignment={"word": [[3, 1.0, 0.2]]})), "a word is a text"),
    "a word at no time": (cut(said(alignment={"word": [["hello", None, 0.2]]})), "'start' must be seconds, not None"),
    "a reversed word": (cut(said(alignment={"word": [["hello", 1.5, -0.2]]})), "'hello' from 0.5 to 0.3 s ends before"),
    "a word outside": (cut(said(alignment={"word": [["hello", 0.2, 0.2]]})), "'hello' .* lies outside the utterance"),
}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("line", "reason"), BAD.values(), ids=BAD)
def test_a_bad_cut_is_refused(
    manifest: Callable[..., Path], line: dict[str, Any] | str, reason: str, suffix: str
) -> None:
    """A line that says something it may not is refused by file and line, with the reason."""
    path = manifest("", cut(said(id="s0", start=3.0, duration=0.5)), line, name=f"cuts.jsonl{suffix}")
    with pytest.raises(BadManifest, match=rf"cuts\.jsonl{suffix}:3: .*{reason}"):
        read_lhotse(path, "c")


def test_supervisions_may_not_overlap_or_stand_twice(manifest: Callable[..., Path]) -> None:
    """Overlapping stretches of a recording and an id that stands twice are refused, naming both lines."""
    overlapping = said(id="s2", start=2.0)
    with pytest.raises(BadManifest, match=r"cuts\.jsonl:2: the segment 2 to 3.5 s overlaps 1 to 2.5 s .*jsonl:1\)"):
        read_lhotse(manifest(cut(), cut(overlapping, id="c2")), "c")
    with pytest.raises(BadManifest, match=r"cuts\.jsonl:2: supervision 's1' stands at .*cuts\.jsonl:1 already"):
        read_lhotse(manifest(cut(), cut(id="c2")), "c")


def test_a_file_that_cannot_be_read_is_refused(manifest: Callable[..., Path], tmp_path: Path) -> None:
    """A missing manifest, one of another encoding and a truncated or damaged archive are refused by file and line."""
    with pytest.raises(BadManifest, match=r"none\.jsonl:1: cannot be read"):
        read_lhotse(tmp_path / "none.jsonl", "c")
    path = manifest(cut(), name="latin.jsonl")
    path.write_bytes(path.read_bytes() + json.dumps(cut(said(text="größer")), ensure_ascii=False).encode("latin-1"))
    with pytest.raises(BadManifest, match=r"latin\.jsonl:2: not UTF-8"):
        read_lhotse(path, "c")
    cuts = [cut(said(id=f"s{i}", start=i / 1000, duration=0.001), id=f"c{i}") for i in range(500)]
    path = manifest(*cuts, name="long.jsonl.gz")
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-4], whole[:-8] + bytes(8)):
        path.write_bytes(damaged)
        with pytest.raises(BadManifest, match=r"long\.jsonl\.gz:\d+: cannot be read"):
            read_lhotse(path, "c")


def test_a_manifest_of_nothing_is_refused(manifest: Callable[..., Path]) -> None:
    """A manifest of blank lines holds no corpus."""
    with pytest.raises(BadManifest, match="'c' has no utterances"):
        read_lhotse(manifest("", " "), "c")


def test_audio_that_cannot_be_read_is_kept(manifest: Callable[..., Path], tmp_path: Path) -> None:
    """A file that is there and is no audio stays in the corpus, so that hearing it is what fails."""
    (tmp_path / "broken.wav").write_bytes(b"not audio")
    (read,) = read_lhotse(manifest(cut(recording=recording(of={"source": "broken.wav"}))), "c")
    assert (read.start_s, read.end_s, read.duration_s) == (1.0, 2.5, 1.5)

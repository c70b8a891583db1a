"""Formats: what lies at a path says who reads it."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.corpora.format import FORMATS, detect
from modellab.corpora.registry import CorpusRegistry, read_corpora
from modellab.corpora.selection import parse_selection
from modellab.errors import BadManifest

LINE = json.dumps({"audio": "a.wav", "text": "hello"})
CUT = {"id": "c", "start": 0, "duration": 2, "channel": 0, "type": "MonoCut"}
SAID = {"id": "s", "recording_id": "a", "start": 0, "duration": 2, "text": "hello"}
HEARD = {"id": "a", "sources": [{"type": "file", "channels": [0], "source": "a.wav"}]}
CUTS = json.dumps({**CUT, "supervisions": [SAID], "recording": HEARD})
LIES = {
    "lhotse": ("cuts.jsonl", CUTS, ("", "cuts.jsonl")),
    "lhotse in an archive": ("train.jsonl.gz", gzip.compress(CUTS.encode()), ("train.jsonl.gz",)),
    "lhotse by content": ("train.jsonl", f"\n{CUTS}", ("train.jsonl",)),
    "dataset": ("rows.parquet", b"", ("", "rows.parquet")),
    "dataset as the hub has it": ("data/test-00000-of-00001.parquet", b"", ("", "data")),
    "manifest": ("manifest.jsonl", LINE, ("", "manifest.jsonl")),
    "manifest by content": ("lines.txt", LINE, ("lines.txt",)),
    "kaldi": ("wav.scp", "a a.wav\n", ("", "wav.scp")),
    "librispeech": ("1-2.trans.txt", "a HELLO\n", ("", "1-2.trans.txt")),
    "common-voice": ("test.tsv", "path\tsentence\tclient_id\nb.wav\thello\tann\n", ("", "test.tsv")),
    "stm": ("a.stm", "a 1 ann 0 2 hello\n", ("", "a.stm")),
    "stm in its folder": ("stm/a.stm", "a 1 ann 0 2 hello\n", ("stm", "stm/a.stm")),
    "table": ("a.csv", "path,text\na.wav,hello\n", ("a.csv",)),
    "table cut by tabs": ("a.tsv", "path\ttext\na.wav\thello\n", ("a.tsv",)),
    "sidecar": ("a.txt", "hello", ("",)),
}


@pytest.mark.parametrize(
    ("kind", "given"),
    [(kind, given) for kind, (_, _, paths) in LIES.items() for given in paths],
    ids=[f"{kind}: {given or 'folder'}" for kind, (_, _, paths) in LIES.items() for given in paths],
)
def test_a_corpus_is_read_by_what_lies_there(
    kind: str, given: str, record: Callable[..., Path], write: Callable[..., Path], tmp_path: Path
) -> None:
    """A file or folder of each format is told from the others, and read by its path."""
    (name, text, _), reader = LIES[kind], kind.partition(" ")[0]
    record("set/wav/a.wav" if name.startswith("stm/") else "set/a.wav")
    if reader == "common-voice":
        record("set/clips/b.wav")
    write(f"set/{name}", text)
    if reader == "dataset":
        _put_rows(tmp_path / "set" / name, tmp_path / "set" / "a.wav")
    if reader == "kaldi":
        write("set/text", "a hello\n")
    path = tmp_path / "set" / given
    assert detect(path)[0].reader == reader
    registry = CorpusRegistry(definitions={}, source=tmp_path)
    assert [u.reference.lower() for u in registry.read(parse_selection(str(path)), tmp_path)] == ["hello"]


def _put_rows(path: Path, audio: Path) -> None:
    """Put one row of a dataset into a parquet file, and take its recording away."""
    pytest.importorskip("datasets", reason="datasets is optional: pip install 'modellab[datasets]'")
    from pyarrow import Table, parquet

    parquet.write_table(Table.from_pylist([{"audio": {"bytes": audio.read_bytes()}, "text": "hello"}]), path)
    audio.unlink()


@pytest.mark.parametrize("line", [LINE, '{"id": "c", "audio": "a.wav", "text": "hello", "type": "a cut"}', "nonsense"])
def test_a_manifest_is_no_list_of_cuts(line: str, write: Callable[..., Path]) -> None:
    """A file of JSON lines of ours, and one that is none, is the manifest reader's."""
    assert detect(write("set/lines.jsonl", line))[0].reader == "manifest"


@pytest.mark.parametrize("given", ["", "notes.md", "broken.wav"])
def test_what_is_no_corpus_is_refused(given: str, write: Callable[..., Path], tmp_path: Path) -> None:
    """A path with something at it that is no corpus is refused, saying what was looked for."""
    write("set/notes.md", "# Notes")
    path = write(f"set/{given}", "nothing") if given else tmp_path / "set"
    with pytest.raises(BadManifest, match=r"is no corpus of a known format\. Looked for: ") as refused:
        CorpusRegistry(definitions={}, source=tmp_path).read(parse_selection(str(path)), tmp_path)
    assert all(known.looks_for in str(refused.value) for known in FORMATS)


@pytest.mark.parametrize("reader", ["common-voice", "kaldi", "lhotse", "librispeech", "stm", "table"])
def test_a_definition_may_name_each_reader(
    reader: str, record: Callable[..., Path], write: Callable[..., Path], tmp_path: Path
) -> None:
    """An entry of `corpora.toml` is read by the reader that it names, with its language."""
    name, text, _ = LIES[reader]
    record("set/clips/b.wav" if reader == "common-voice" else "set/a.wav")
    write(f"set/{name}", text)
    write("set/text", "a hello\n")
    files = "\n".join(
        f'"{path.relative_to(tmp_path / "set").as_posix()}" = {{}}'
        for path in (tmp_path / "set").rglob("*")
        if path.is_file()
    )
    manifest = f'manifest = "{name}"' if reader in {"table", "lhotse"} else ""
    entry = f"""
schema = 1
[corpus.mine]
reader = "{reader}"
description = "one"
license = "MIT"
language = "de"
{manifest}
sources = [{{ kind = "folder", path = "set" }}]
[corpus.mine.files]
{files}
"""
    registry = read_corpora(write("corpora.toml", entry))
    (read,) = registry.read(parse_selection("mine"), tmp_path / "cache")
    assert (read.reference.lower(), read.language) == ("hello", "de")
    assert read.audio.resolve().is_relative_to((tmp_path / "cache").resolve())

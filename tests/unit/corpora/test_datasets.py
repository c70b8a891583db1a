"""Datasets: saved to disk, as parquet files, and streamed from a hub, which here is a server of our own."""

import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile

from modellab.corpora.datasets import HubDataset, find_dataset, parse_hub_dataset, unpack_dataset
from modellab.corpora.manifest import read_manifest
from modellab.errors import BadDefinition, BadManifest
from modellab.speech.utterance import Corpus

datasets = pytest.importorskip("datasets", reason="datasets is optional: pip install 'modellab[datasets]'")

COMMIT = "c" * 40


def encoded(duration_s: float = 0.5, suffix: str = "wav") -> bytes:
    """Give a file's bytes: silence at 16 kHz of this duration, which tells it from others."""
    content = io.BytesIO()
    soundfile.write(content, np.zeros(round(duration_s * 16_000), np.float32), 16_000, format=suffix)
    return content.getvalue()


def table(**columns: list[Any]) -> Any:
    """Give a dataset of three utterances with these columns besides its audio and text."""
    audio = [{"bytes": encoded(0.1 * place), "path": f"clip{place}.wav"} for place in (1, 2, 3)]
    columns = {"audio": audio, "text": ["one", "two", ""], **columns}
    kept = {name: values for name, values in columns.items() if values}
    whole = datasets.Dataset.from_dict(kept)
    return whole.cast_column("audio", datasets.Audio()) if "audio" in kept else whole


def bare(path: Path, audio: list[dict[str, Any]]) -> Path:
    """Give a parquet file of this audio as another program writes it: the library would look at what the paths name."""
    import pyarrow as pa
    from pyarrow import parquet

    layout = pa.schema({"clip": pa.struct({"bytes": pa.binary(), "path": pa.string()})})
    rows = pa.table({"clip": audio}, schema=layout)
    parquet.write_table(rows.append_column("sentence", [[f"hello {place}" for place in range(len(audio))]]), path)
    return path


def read(path: Path, cache: Path) -> Corpus:
    """Give the corpus of a dataset on this disk."""
    found = find_dataset(path)
    assert found is not None
    return read_manifest(unpack_dataset(found, cache), "c")


@pytest.fixture(params=["saved", "parquet", "folder", "snapshot"])
def put(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Any], Path]:
    """A maker of datasets on this disk in each of the ways they lie there."""

    def make(dataset: Any) -> Path:
        path = tmp_path / "set"
        if request.param == "saved":
            dataset.save_to_disk(path)
            return path
        (path / "data").mkdir(parents=True)
        if request.param == "parquet":
            dataset.to_parquet(path / "rows.parquet")
            return path / "rows.parquet"
        folder = path if request.param == "folder" else path / "data"
        half = len(dataset) // 2
        dataset.select(range(half)).to_parquet(folder / "test-00000-of-00002.parquet")
        dataset.select(range(half, len(dataset))).to_parquet(folder / "test-00001-of-00002.parquet")
        dataset.select([0]).to_parquet(folder / "train-00000-of-00001.parquet")
        return path

    return make


def test_rows_are_utterances(put: Callable[[Any], Path], tmp_path: Path) -> None:
    """A row has its id, text, speaker, language and duration; its audio is the bytes as they are; the rest is kept."""
    named = datasets.ClassLabel(names=["female", "male"])
    dataset = table(
        id=[7, 8, 9],
        speaker_id=[31, 32, 31],
        locale=["de", "en-US", "German"],
        gender=[0, 1, 0],
        duration=[9.5, 9.5, 9.5],
        tags=[["a"], ["b"], []],
    ).cast_column("gender", named)
    corpus = read(put(dataset), tmp_path / "cache")
    assert [(u.id, u.reference, u.speaker) for u in corpus] == [("7", "one", "31"), ("8", "two", "32"), ("9", "", "31")]
    assert [u.language for u in corpus] == ["de", "en", "de"]
    assert [u.duration_s for u in corpus] == [0.1, 0.2, 0.3]
    assert [u.audio.read_bytes() for u in corpus] == [encoded(0.1), encoded(0.2), encoded(0.3)]
    facts = {"source_id": "7", "gender": "female", "source_duration": "9.5"}
    assert {key: corpus.utterances[0].extra[key] for key in facts} == facts
    assert all("tags" not in u.extra and u.audio.suffix == ".wav" for u in corpus)
    assert all(u.audio.is_relative_to(tmp_path / "cache" / "corpora") for u in corpus)


@pytest.mark.parametrize(
    ("ids", "paths", "expected"),
    [
        (["x", "y", "z"], ["a.wav", "b.wav", "c.wav"], ["x", "y", "z"]),
        (["x", "x", "z"], ["d/a.wav", "d/b.wav", "d/c.wav"], ["a", "b", "c"]),
        (["x", None, "z"], ["a.wav", "b.wav", "c.wav"], ["a", "b", "c"]),
        (None, ["a.wav", "a.wav", "a.wav"], ["000000", "000001", "000002"]),
        (None, [None, None, None], ["000000", "000001", "000002"]),
    ],
)
def test_ids_are_of_one_row_each(ids: Any, paths: list[Any], expected: list[str], tmp_path: Path) -> None:
    """An id that several rows bear gives way to the name of the audio, and that to the row's number."""
    audio = [{"bytes": encoded(), "path": path} for path in paths]
    table(audio=audio, id=ids).to_parquet(tmp_path / "a.parquet")
    corpus = read(tmp_path / "a.parquet", tmp_path / "cache")
    assert [u.id for u in corpus] == expected
    assert [u.extra.get("source_id") for u in corpus] == (ids or [None] * 3)


@pytest.mark.parametrize("column", ["text", "sentence", "transcription", "transcript", "normalized_text", "raw_text"])
def test_the_text_has_many_names(column: str, tmp_path: Path) -> None:
    """The reference is the first column of text among the usual names; a number of that name is none."""
    columns = {"text": [1, 2, 3]} if column != "text" else {}
    table(**columns, **{column: ["a", "b", "c"]}).to_parquet(tmp_path / "a.parquet")
    assert [u.reference for u in read(tmp_path / "a.parquet", tmp_path)] == ["a", "b", "c"]


@pytest.mark.parametrize(("suffix", "path"), [("flac", "a.wav"), ("mp3", None), ("ogg", "a"), ("wav", "a.mp3")])
def test_audio_is_named_by_what_it_is(suffix: str, path: str | None, tmp_path: Path) -> None:
    """The suffix of the file that is written is that of what the bytes begin like, whatever path they bear."""
    audio = [{"bytes": encoded(0.1 * place, suffix), "path": path} for place in (1, 2, 3)]
    table(audio=audio).to_parquet(tmp_path / "a.parquet")
    corpus = read(tmp_path / "a.parquet", tmp_path)
    assert {u.audio.suffix for u in corpus} <= {f".{suffix}", ""}
    assert all(u.hear().duration_s == pytest.approx(u.duration_s, abs=0.05) for u in corpus)


def test_a_table_of_another_program_is_read(tmp_path: Path) -> None:
    """A parquet file without the library's own metadata has its audio where bytes and path stand together."""
    path = bare(tmp_path / "a.parquet", [{"bytes": encoded(), "path": "x.wav"}])
    assert [(u.id, u.reference) for u in read(path, tmp_path)] == [("x", "hello 0")]


def test_audio_may_lie_beside_the_table(tmp_path: Path) -> None:
    """Audio that a row names by path alone is read from there, relative to the table's folder."""
    (tmp_path / "x.wav").write_bytes(encoded())
    path = bare(tmp_path / "a.parquet", [{"bytes": None, "path": "x.wav"}])
    assert [u.duration_s for u in read(path, tmp_path / "cache")] == [0.5]


@pytest.mark.parametrize("named", ["none.wav", "https://127.0.0.1:9/a.wav", "\0", "."])
def test_a_path_that_leads_nowhere_is_refused(named: str, tmp_path: Path) -> None:
    """A row whose audio is neither in it nor beside the table is refused by number and path, and nothing is fetched."""
    path = bare(tmp_path / "a.parquet", [{"bytes": encoded(), "path": None}, {"bytes": None, "path": named}])
    with pytest.raises(BadManifest, match=r"a\.parquet, row 1: no audio, only a path that is not read"):
        read(path, tmp_path / "cache")


def test_audio_that_cannot_be_read_is_kept(put: Callable[[Any], Path], tmp_path: Path) -> None:
    """Bytes that are no audio, and none at all, stay in the corpus, so that hearing them is what fails."""
    audio = [{"bytes": content, "path": "a"} for content in (b"not audio", b"", encoded())]
    corpus = read(put(table(audio=audio)), tmp_path / "cache")
    assert [u.duration_s for u in corpus] == [0.0, 0.0, 0.5]


def test_it_is_unpacked_once(put: Callable[[Any], Path], tmp_path: Path) -> None:
    """A second reading writes nothing; a dataset that has changed is unpacked anew, and nothing is left of the old."""
    path, cache = put(table()), tmp_path / "cache"
    first = read(path, cache)
    written = first.utterances[0].audio
    before = written.stat().st_mtime_ns
    assert read(path, cache).revision == first.revision
    assert written.stat().st_mtime_ns == before
    shard = next(
        file for file in (path if path.is_dir() else path.parent).rglob("*") if file.suffix in {".parquet", ".arrow"}
    )
    os.utime(shard, ns=(1, 1))
    assert read(path, cache).revision == first.revision
    assert written.stat().st_mtime_ns != before
    assert len(list((cache / "corpora").glob("*/manifest.jsonl"))) == 1


def test_the_test_split_is_read(tmp_path: Path) -> None:
    """Of several saved splits it is `test`; without one the splits are named, and an only one is taken."""
    first, other = table(text=["a", "b", "c"]), table(text=["d", "e", "f"])
    datasets.DatasetDict(train=other, test=first).save_to_disk(tmp_path / "both")
    datasets.DatasetDict(dev=first).save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=other, dev=first).save_to_disk(tmp_path / "none")
    for name in ("both", "one", "none/dev"):
        assert [u.reference for u in read(tmp_path / name, tmp_path / "cache")] == ["a", "b", "c"]
    with pytest.raises(BadManifest, match="none has no split named 'test'; name one of: dev, train"):
        read(tmp_path / "none", tmp_path / "cache")
    first.to_parquet(tmp_path / "two" / "train-00000-of-00001.parquet")
    first.to_parquet(tmp_path / "two" / "dev-00000-of-00001.parquet")
    with pytest.raises(BadManifest, match="two has no split named 'test'; name one of: dev, train"):
        read(tmp_path / "two", tmp_path / "cache")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no audio": ({"audio": None}, "no columns of audio.*found: 'text'"),
    "two of audio": (
        {"audio": None, **{name: [{"bytes": b"", "path": ""}] * 3 for name in ("left", "right")}},
        "2 columns of audio, and none named 'audio'; found: 'text', 'left', 'right'",
    ),
    "no text": (
        {"text": None, "words": ["a", "b", "c"]},
        r"no column of text \(text, sentence.*found: 'audio', 'words'",
    ),
    "a text of numbers": ({"text": [1, 2, 3]}, "no column of text"),
    "a row without a text": ({"text": ["a", None, "c"]}, "row 1: no 'text' that holds the reference"),
    "a row without audio": ({"audio": [{"bytes": b"", "path": ""}, None, None]}, "row 1: no audio"),
}


@pytest.mark.parametrize(("columns", "reason"), BAD.values(), ids=BAD)
def test_a_bad_dataset_is_refused(
    put: Callable[[Any], Path], columns: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    """A dataset that lacks what is needed is refused by path, naming its columns or the row; nothing is left of it."""
    with pytest.raises(BadManifest, match=rf"(set|parquet).*: .*{reason}|(set|parquet).*, {reason}"):
        read(put(table(**columns)), tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache" / "corpora").iterdir()] == [".lock"]


def test_a_dataset_of_no_rows_is_refused(put: Callable[[Any], Path], tmp_path: Path) -> None:
    """A dataset of no rows holds no corpus."""
    with pytest.raises(BadManifest, match=r"has no rows|is no dataset that can be read"):
        read(put(table().select([])), tmp_path / "cache")


@pytest.mark.parametrize("damage", ["nonsense", "empty", "cut short", "hole"])
def test_a_damaged_file_is_refused(damage: str, tmp_path: Path) -> None:
    """A parquet file that is none, or not whole, is refused by path and reason."""
    path = tmp_path / "a.parquet"
    table().to_parquet(path)
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(
        {
            "nonsense": b"PAR1 not at all",
            "empty": b"",
            "cut short": whole[:half],
            "hole": whole[:4] + bytes(half) + whole[4 + half :],
        }[damage]
    )
    with pytest.raises(BadManifest, match=r"a\.parquet"):
        read(path, tmp_path / "cache")


@pytest.mark.parametrize("name", ["state.json", "dataset_info.json", "data-00000-of-00001.arrow"])
def test_a_damaged_saved_dataset_is_refused(name: str, tmp_path: Path) -> None:
    """A saved dataset whose files are damaged is refused by path."""
    table().save_to_disk(tmp_path / "set")
    (tmp_path / "set" / name).write_bytes(b"{")
    with pytest.raises(BadManifest, match="set is no dataset that can be read"):
        read(tmp_path / "set", tmp_path / "cache")


def test_shards_of_other_columns_are_refused(tmp_path: Path) -> None:
    """A file without the columns of the first is refused by the row that did not come."""
    table().to_parquet(tmp_path / "set" / "test-00000-of-00002.parquet")
    table(text=None, sentence=["a", "b", "c"]).to_parquet(tmp_path / "set" / "test-00001-of-00002.parquet")
    with pytest.raises(BadManifest, match="row 3"):
        read(tmp_path / "set", tmp_path / "cache")


def test_without_the_library_the_error_says_what_to_install(
    put: Callable[[Any], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `datasets` is missing, a dataset is refused by path with the command that installs it."""
    path = put(table())
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(BadManifest, match=r"set.*pip install 'modellab\[datasets\]'"):
        read(path, tmp_path / "cache")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf:google/fleurs:de_de:test", ("google/fleurs", "de_de", "test")),
        ("hf:lab/tiny::test", ("lab/tiny", "", "test")),
        ("hf:lab/tiny:en:", ("lab/tiny", "en", "")),
        ("hf:tiny", ("tiny", "", "")),
    ],
)
def test_a_dataset_of_the_hub_is_named(text: str, expected: tuple[str, str, str]) -> None:
    """Configuration and split may be empty or left out."""
    name, config, split = expected
    assert parse_hub_dataset(text) == HubDataset(name=name, config=config, split=split)


@pytest.mark.parametrize("text", ["hf:", "hf::en:test", "hf:a/b/c", "hf:a/b:en:test:more", "hf:../b", "hf:/etc/b"])
def test_another_form_is_refused(text: str) -> None:
    """What names no dataset is refused with the form."""
    with pytest.raises(BadDefinition, match="hf:NAME:CONFIG:SPLIT"):
        parse_hub_dataset(text)


class Hub:
    """What a server has of the dataset `lab/tiny`, by path in its repository, and what it was asked for."""

    def __init__(self, url: str) -> None:
        self.url, self.files, self.asked, self.breaks_at = url, dict[str, bytes](), list[str](), ""

    def put(self, name: str, dataset: Any) -> None:
        """Put a parquet file into the repository."""
        content = io.BytesIO()
        dataset.to_parquet(content)
        self.files[name] = content.getvalue()


class Handler(BaseHTTPRequestHandler):
    """So much of the hub's interface as a streamed dataset asks for."""

    hub: Hub

    def do_GET(self) -> None:
        """Answer what is asked for."""
        path = unquote(self.path.partition("?")[0])
        self.hub.asked.append(f"{self.command} {path}")
        if found := re.fullmatch(rf"/datasets/lab/tiny/resolve/{COMMIT}/(.+)", path):
            self.give_file(found[1])
        elif re.fullmatch(rf"/api/datasets/(lab/)?tiny(/revision/{COMMIT})?", path):
            siblings = [{"rfilename": name} for name in self.hub.files]
            self.give({"_id": "1", "id": "lab/tiny", "sha": COMMIT, "siblings": siblings, "private": False, "tags": []})
        elif found := re.fullmatch(rf"/api/datasets/lab/tiny/tree/{COMMIT}/?(.*)", path):
            self.give(self.entries(found[1]))
        else:
            self.give({"error": "Repository not found"}, status=404, code="RepoNotFound")

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        """Answer which of some paths there are."""
        length = int(self.headers.get("Content-Length", 0))
        asked = self.rfile.read(length)
        self.hub.asked.append(f"POST {self.path}")
        paths = json.loads(asked)["paths"] if asked.startswith(b"{") else re.findall(r"paths=([^&]+)", asked.decode())
        every = {entry["path"]: entry for entry in self.entries("")}
        self.give([every[path] for path in map(unquote, paths) if path in every])

    def entries(self, folder: str) -> list[dict[str, Any]]:
        """Give what lies in a folder at any depth; a server may give more than it is asked for."""
        names = [name for name in self.hub.files if name.startswith(folder)]
        folders = {str(parent) for name in names for parent in Path(name).parents if str(parent) not in {".", folder}}
        listed = [{"type": "directory", "path": each, "oid": "f" * 40} for each in sorted(folders)]
        return listed + [
            {"type": "file", "path": name, "size": len(self.hub.files[name]), "oid": "e" * 40} for name in names
        ]

    def give_file(self, name: str) -> None:
        """Answer with a file, or the part of it that is asked for."""
        if name not in self.hub.files:
            self.give({"error": "Entry not found"}, status=404, code="EntryNotFound")
            return
        content = self.hub.files[name]
        if self.hub.breaks_at and self.hub.breaks_at in name and self.command == "GET":
            self.give({"error": "broken"}, status=403)
            return
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(span[1]), int(span[2] or len(content) - 1)) if span else (0, len(content) - 1)
        headers = {"Content-Range": f"bytes {first}-{min(last, len(content) - 1)}/{len(content)}"} if span else {}
        self.answer(
            content[first : last + 1], 206 if span else 200, {"ETag": '"e"', "X-Repo-Commit": COMMIT, **headers}
        )

    def give(self, value: object, status: int = 200, code: str = "") -> None:
        """Answer with JSON."""
        self.answer(
            json.dumps(value).encode(), status, {"X-Repo-Commit": COMMIT} | ({"X-Error-Code": code} if code else {})
        )

    def answer(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        """Answer."""
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub in a thread."""
    handler = type("Bound", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.hub = Hub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield handler.hub
    server.shutdown()
    server.server_close()
    thread.join()


READ = """
import json, sys
from pathlib import Path
from modellab.corpora.registry import CorpusRegistry
from modellab.corpora.selection import parse_selection
from modellab.errors import ModelLabError
for source in sys.argv[2:]:
    try:
        corpus = CorpusRegistry(definitions={}, source=Path()).read(parse_selection(source), Path(sys.argv[1]))
    except ModelLabError as error:
        print(type(error).__name__, error)
    else:
        print(json.dumps([corpus.name, [[u.id, u.reference, u.language, u.duration_s] for u in corpus]]))
"""


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., list[str]]:
    """A maker of readings in a fresh process, since the library reads its environment when imported: its lines."""

    def run(*sources: str, endpoint: str = "http://127.0.0.1:9", offline: bool = False) -> list[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        home = str(tmp_path / "hf")
        environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": home, "HF_HUB_OFFLINE": str(int(offline))}
        environment |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")
        command = [sys.executable, "-c", READ, str(tmp_path / "cache"), *sources]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert told.returncode == 0, told.stderr
        assert told.stderr == ""
        return told.stdout.splitlines()

    return run


CARD = """---
configs:
- config_name: de_de
  data_files: [{split: test, path: de/rows.parquet}]
- config_name: xs
  data_files: [{split: dev, path: xs/rows.parquet}]
---
"""


@pytest.fixture
def tiny(hub: Hub) -> Hub:
    """A hub with two splits of one configuration."""
    hub.put("data/test-00000-of-00001.parquet", table(id=["x", "y", "z"]))
    hub.put("data/train-00000-of-00001.parquet", table(id=["x", "y", "z"], text=["d", "e", "f"]))
    return hub


def test_a_dataset_is_streamed_from_the_hub_once(tiny: Hub, ask: Callable[..., list[str]], tmp_path: Path) -> None:
    """A split is read through HF_ENDPOINT; afterwards it is read offline, and the hub is not asked again."""
    (told,) = ask("hf:lab/tiny::test", endpoint=tiny.url)
    name, utterances = json.loads(told)
    assert name == "lab-tiny-test"
    assert utterances == [["x", "one", "", 0.1], ["y", "two", "", 0.2], ["z", "", "", 0.3]]
    (written,) = (tmp_path / "cache" / "corpora").glob("*/source.json")
    assert json.loads(written.read_text())["revision"] == COMMIT
    assert tiny.asked
    tiny.asked.clear()
    assert ask("hf:lab/tiny::test", endpoint=tiny.url) == [told]
    assert ask("hf:lab/tiny::test", offline=True) == [told]
    assert tiny.asked == []


def test_the_test_split_of_the_hub_is_read(tiny: Hub, ask: Callable[..., list[str]]) -> None:
    """Without a split it is `test`, and one that is named is read; another is refused, naming those there are."""
    default, train, none = ask("hf:lab/tiny", "hf:lab/tiny::train", "hf:lab/tiny::dev", endpoint=tiny.url)
    assert [text for _, text, *_ in json.loads(default)[1]] == ["one", "two", ""]
    assert [text for _, text, *_ in json.loads(train)[1]] == ["d", "e", "f"]
    assert none == "UnknownName no split of hf:lab/tiny::dev 'dev'. Known: test, train."


def test_a_configuration_may_name_the_language(hub: Hub, ask: Callable[..., list[str]]) -> None:
    """Rows that state no language are of the one that the configuration names, where it is a language's name."""
    hub.files["README.md"] = CARD.encode()
    hub.put("de/rows.parquet", table(locale=["", "fr", ""]))
    hub.put("xs/rows.parquet", table())
    german, small, none = ask("hf:lab/tiny:de_de:test", "hf:lab/tiny:xs:", "hf:lab/tiny:fr:test", endpoint=hub.url)
    assert [language for _, _, language, _ in json.loads(german)[1]] == ["de", "fr", "de"]
    assert [language for _, _, language, _ in json.loads(small)[1]] == ["", "", ""]
    assert none.startswith("SourceUnreachable dataset hf:lab/tiny:fr:test cannot be read")
    assert all(name in none for name in ("de_de", "xs"))


def test_loose_audio_on_the_hub_is_refused(hub: Hub, ask: Callable[..., list[str]]) -> None:
    """Recordings that lie in the repository as files, with a table beside them, are refused by row."""
    hub.files |= {f"test/{name}.wav": encoded(0.2) for name in "ab"}
    hub.files["test/metadata.csv"] = b"file_name,text\na.wav,one\nb.wav,two\n"
    (told,) = ask("hf:lab/tiny", endpoint=hub.url)
    assert re.match(r"(SourceUnreachable|BadManifest) hf:lab/tiny \(test\), row 0: .*is not read", told)


def test_a_dataset_of_the_hub_reads_nothing_elsewhere(hub: Hub, ask: Callable[..., list[str]], tmp_path: Path) -> None:
    """A row that names audio on this disk, on another site or in another repository is refused, and not read."""
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encoded())
    elsewhere = {
        "disk": str(secret),
        "file": f"file://{secret}",
        "site": f"{hub.url}/secret.wav",
        "other": "hf://datasets/lab/secret@main/a.wav",
        "chain": f"zip://a::file://{secret}::hf://datasets/lab/tiny@{COMMIT}/a.wav",
    }
    for split, named in elsewhere.items():
        path = bare(tmp_path / "a.parquet", [{"bytes": None, "path": named}])
        hub.files[f"data/{split}-00000-of-00001.parquet"] = path.read_bytes()
    told = ask(*(f"hf:lab/tiny::{split}" for split in elsewhere), endpoint=hub.url)
    for split, line in zip(elsewhere, told, strict=True):
        assert line.startswith(
            f"BadManifest hf:lab/tiny::{split} ({split}), row 0: no audio, only a path that is not read"
        )
    assert not [asked for asked in hub.asked if "secret" in asked]


def test_a_broken_download_leaves_nothing(tiny: Hub, ask: Callable[..., list[str]], tmp_path: Path) -> None:
    """Where the hub gives out on the way, the dataset is named, nothing is kept, and the next try is whole."""
    tiny.breaks_at = "test-"
    (told,) = ask("hf:lab/tiny", endpoint=tiny.url)
    assert told.startswith("SourceUnreachable ")
    assert "hf:lab/tiny" in told
    assert [path.suffix for path in (tmp_path / "cache" / "corpora").iterdir()] == [".lock"]
    tiny.breaks_at = ""
    (told,) = ask("hf:lab/tiny", endpoint=tiny.url)
    assert len(json.loads(told)[1]) == 3


def test_a_hub_that_cannot_be_asked_is_one_line(hub: Hub, ask: Callable[..., list[str]]) -> None:
    """Offline, without a connection and without such a dataset, the dataset, the reason and the remedy are one line."""
    (offline,), (unreachable,) = ask("hf:lab/tiny:en:test", offline=True), ask("hf:lab/tiny:en:test")
    (unknown,) = ask("hf:lab/none:en:test", endpoint=hub.url)
    for told in (offline, unreachable, unknown):
        assert re.match("SourceUnreachable dataset hf:lab/(tiny|none):en:test cannot be read: ", told)
    assert "HF_HUB_OFFLINE" in offline
    assert "HF_ENDPOINT" in unreachable
    assert "save_to_disk" in unreachable
    assert "has no such dataset, or it needs a token (HF_TOKEN)" in unknown


def test_columns_of_the_hub_are_named_where_one_lacks(hub: Hub, ask: Callable[..., list[str]]) -> None:
    """A dataset of the hub without a text is refused, naming its columns."""
    hub.put("data/test-00000-of-00001.parquet", table(text=None, label=["a", "b", "c"]))
    (told,) = ask("hf:lab/tiny", endpoint=hub.url)
    assert re.match(r"BadManifest hf:lab/tiny \(test\): no column of text .*found: 'audio', 'label'", told)


def test_a_script_is_never_run(tiny: Hub, ask: Callable[..., list[str]], tmp_path: Path) -> None:
    """A dataset with a script of its own is refused, and the script is not run."""
    tiny.files["tiny.py"] = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
    (told,) = ask("hf:lab/tiny", endpoint=tiny.url)
    assert "A dataset's script is never run" in told
    assert not (tmp_path / "ran").exists()

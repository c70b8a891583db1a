"""The command `modellab profile`: a table, one JSON object, a flame graph, and what it says where there is none."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from modellab.cli import main
from modellab.testing import FakeBackend

MODELS = """
schema = 1
[checkpoints.toy]
architecture = "whisper"
layout = "ctranslate2"
languages = ["en"]
license = "MIT"
upstream = "nobody/toy"
revision = "1"
files = { "model.bin" = { sha256 = "0000000000000000000000000000000000000000000000000000000000000000" } }
sources = [{ kind = "folder", path = "nowhere" }]
"""
BENCH = """
schema = 1
model = ["toy"]
backend = ["fake"]
device = ["cpu"]
corpus = ["speech"]
timed_corpus = ["speech"]
rounds = 2
[compute_type]
default = ["float32"]
[decode]
beam_size = 1
"""
CORPORA = """
schema = 1
[corpus.silence]
reader = "synthesis"
description = "nobody speaks"
license = "Apache-2.0"
sounds = [{ id = "zeros", sound = "silence", duration_s = 1 }]
"""
CONDITIONS = Path(__file__).parents[3] / "fixtures" / "conditions.toml"
TOY = "fake:toy:cpu:float32"

Run = Callable[..., int]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Three utterances of a second each, and the manifest that names them."""
    lines = []
    for place in range(3):
        soundfile.write(tmp_path / f"{place}.wav", np.full(16_000, place / 10, np.float32), 16_000)
        lines.append(json.dumps({"audio": f"{place}.wav", "text": f"one {place}", "id": f"u{place}", "language": "en"}))
    path = tmp_path / "speech.jsonl"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The command, in a lab of one checkpoint of no weights."""
    fixtures = tmp_path / "fixtures"
    fixtures.mkdir()
    texts = {"models": MODELS, "corpora": CORPORA, "bench": BENCH, "conditions": CONDITIONS.read_text()}
    for name, text in texts.items():
        (fixtures / f"{name}.toml").write_text(text)
    common = ["--fixtures", str(fixtures), "--cache-dir", str(tmp_path / "cache"), "profile"]
    return lambda *words: main([*common, *map(str, words)])


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the fake name a stage."""
    monkeypatch.setattr(FakeBackend, "stages", lambda self: {"decoder": [(self, "_write")]})


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[FakeBackend]:
    """The fakes that were loaded."""
    loaded: list[FakeBackend] = []
    load = FakeBackend.load

    def note(backend: FakeBackend) -> None:
        loaded.append(backend)
        load(backend)

    monkeypatch.setattr(FakeBackend, "load", note)
    return loaded


def rows(written: str) -> dict[str, list[str]]:
    """Give the rows of the table by stage, as they are written."""
    lines = written.splitlines()
    first = next(number for number, line in enumerate(lines) if line.split()[:1] == ["stage"])
    last = next(number for number, line in enumerate(lines) if line.split()[:1] == ["whole"])
    cells = [line.rsplit(maxsplit=3) for line in lines[first + 1 : last + 1]]
    return {name.strip(): figures for name, *figures in cells}


@pytest.mark.usefixtures("staged")
def test_the_table_has_every_stage(run: Run, manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each stage has seconds, its share and milliseconds per second of audio; shares sum to all of it."""
    assert run(TOY, manifest) == 0
    written = capsys.readouterr().out
    table = rows(written)
    assert list(table) == ["decode audio", "decoder", "other", "harness", "whole"]
    shares = [float(figures[1].rstrip("%")) for figures in table.values()]
    assert shares[-1] == 100
    assert sum(shares[:-1]) == pytest.approx(100, abs=0.3)  # of rounding
    seconds, _, per_audio_ms = (float(cell.rstrip("%")) for cell in table["whole"])
    assert per_audio_ms == pytest.approx(1000 * seconds / 6, abs=0.2)  # 3 utterances of a second, 2 rounds
    assert TOY in written
    assert "rounds: 2" in written


def test_the_largest_stage_is_named_last(
    run: Run, manifest: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line says where most of the time goes, and a backend without stages is said to be one row."""
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda _: sleep(0.1))  # the fake sleeps while it writes
    assert run(TOY, manifest) == 0
    *_, note, last = capsys.readouterr().out.splitlines()
    assert note == "fake does not say where its stages are: its whole call is one row"
    assert last.startswith("most of the time goes into: runtime (")


@pytest.mark.usefixtures("staged")
def test_json_is_one_object(
    run: Run, manifest: Path, capsys: pytest.CaptureFixture[str], heard: list[FakeBackend]
) -> None:
    """The same as JSON: nothing else is printed, seconds sum to the whole and shares to 1; options are followed."""
    assert run(TOY, manifest, "--json", "--rounds", 4, "--limit", 2, "--threads", 3) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["seconds"]) == ["decode audio", "decoder", "other", "harness"]
    assert sum(found["seconds"].values()) == pytest.approx(found["whole_s"])
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert (found["utterances"], found["rounds"], found["audio_s"], found["threads"]) == (2, 4, 8.0, 3)
    assert found["largest"] in found["seconds"]
    assert [backend.batches for backend in heard] == [[1] * (1 + 2 * 4)]
    assert [backend.closes for backend in heard] == [1]


def test_what_failed_is_counted(run: Run, manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An utterance that cannot be read is counted once and its reason told; the others are profiled."""
    (manifest.parent / "1.wav").write_bytes(b"not audio")
    assert run(TOY, manifest) == 0
    assert "1 of 3 utterances failed, the first u1: " in capsys.readouterr().out


@pytest.mark.usefixtures("staged")
def test_conditions_are_heard(run: Run, manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A corpus under a condition is profiled under it; what the condition does belongs to the audio's decoding."""
    assert run(TOY, f"{manifest}+gain:-6dB", "--json", "--rounds", 1) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["corpus"], found["failed"]) == ("speech+gain:-6dB", 0)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("fake:toy:cpu", "no model id 'fake:toy:cpu'"),
        ("fate:toy:cpu:float32", "no backend 'fate'. Did you mean 'fake'?"),
        ("fake:tot:cpu:float32", "no checkpoint 'tot'. Did you mean 'toy'?"),
        ("fake:toy:cpu:float33", "no compute type 'float33'"),
        ("fake:toy:cuda:float32", "the fake has no float32 on cuda"),
    ],
)
def test_a_model_that_is_not_there_is_an_error(
    run: Run, capsys: pytest.CaptureFixture[str], heard: list[FakeBackend], model: str, said: str
) -> None:
    """A model that nobody knows or that cannot run here ends the command with what is known, and nothing is loaded."""
    assert run(model, "silence") == 1
    assert said in capsys.readouterr().err
    assert heard == []


@pytest.mark.parametrize(
    ("corpus", "said"),
    [("speach", "'speach'"), ("/nowhere/manifest.jsonl", "/nowhere/manifest.jsonl"), ("a[", "NAME_OR_PATH")],
)
def test_a_corpus_that_is_not_there_is_an_error(
    run: Run, capsys: pytest.CaptureFixture[str], heard: list[FakeBackend], corpus: str, said: str
) -> None:
    """A corpus that nobody knows ends the command, and nothing is loaded."""
    assert run(TOY, corpus) == 1
    assert said in capsys.readouterr().err
    assert heard == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rounds", "0"], "must be 1 or more"),
        (["--limit", "-1"], "must be 1 or more"),
        (["--threads", "many"], "invalid"),
        (["--flame", "graph.png"], "must end with .svg or .json"),
        (["--flame", "nowhere/graph.svg"], "there is no folder nowhere"),
    ],
)
def test_an_option_that_cannot_be_followed_is_refused(
    run: Run, manifest: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """Numbers below 1, and files that a flame graph cannot be written to, are refused as options."""
    with pytest.raises(SystemExit, match="2"):
        run(TOY, manifest, *words)
    assert said in capsys.readouterr().err


def test_without_py_spy_nothing_is_measured(
    run: Run,
    manifest: Path,
    capsys: pytest.CaptureFixture[str],
    heard: list[FakeBackend],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A flame graph that cannot be drawn is said so before anything is loaded, with the extra to install."""
    monkeypatch.setattr("modellab.measuring.flame.shutil.which", lambda *_, **__: None)
    assert run(TOY, manifest, "--flame", manifest.parent / "graph.svg") == 1
    assert "pip install 'modellab[profile]'" in capsys.readouterr().err
    assert heard == []


def test_the_flame_graph_is_of_the_hearing(
    run: Run, manifest: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The corpus is heard again for the graph, which is told of apart from the table."""
    drawn: list[tuple[Path, int]] = []
    counted = 0
    write = FakeBackend._write

    def count(*words: object) -> object:
        nonlocal counted
        counted += 1
        return write(*words)

    @contextmanager
    def pretend(into: Path) -> Iterator[None]:
        before = counted
        yield
        drawn.append((into, counted - before))

    monkeypatch.setattr(FakeBackend, "_write", count)
    monkeypatch.setattr("modellab.measuring.flame.py_spy", lambda: "py-spy")
    monkeypatch.setattr("modellab.measuring.flame.flame_graph", pretend)
    monkeypatch.setattr("modellab.commands.profile.FLAME_S", 0.01)
    path = manifest.parent / "graph.svg"
    assert run(TOY, manifest, "--json", "--flame", path) == 0
    ((into, heard),) = drawn
    assert into == path
    assert heard > 0
    assert heard % 3 == 0
    told = capsys.readouterr()
    assert f"flame graph: {path}" in told.err
    json.loads(told.out)

"""Replay: the audio of a run is heard again where its corpora still are what the run heard, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import parse_selection
from modellab.errors import BadAudio
from modellab.records.environment import Environment
from modellab.records.record import Record
from modellab.records.replay import Replay
from modellab.records.run import CorpusFacts, Run, Session
from modellab.speech.transcript import Transcript

FIXTURES = Path(__file__).parents[3] / "fixtures"


@pytest.fixture
def manifest(tmp_path) -> Path:
    """Four utterances of a second each, and the manifest that names them."""
    lines = []
    for place in range(4):
        samples = np.sin(np.arange(16_000) * (place + 1) / 20).astype(np.float32) / 4
        soundfile.write(tmp_path / f"{place}.wav", samples, 16_000)
        lines.append(f'{{"audio": "{place}.wav", "text": "one {place}", "id": "u{place}"}}')
    path = tmp_path / "manifest.jsonl"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def heard(manifest, tmp_path):
    """Give what replays a run that heard a selection of this manifest."""

    def make(revision: str | None = None, limit: int | None = None, selection: str | None = None) -> Replay:
        corpora = read_corpora(FIXTURES / "corpora.toml")
        corpus = corpora.read(parse_selection(str(manifest)), tmp_path / "cache")
        drawn = corpus if limit is None else corpus.sample(limit, 3)
        session = Session(
            number=1, argv=(), started_at="2026-01-02T03:04:05+00:00", workers=1, seed=3, limit=limit, models={}
        )
        environment = Environment(
            python="3.11.0", platform="Linux", machine="x86_64", processor="A processor", cores=2,
            memory_bytes=8 << 30, packages={}, git_commit=None, git_dirty=None,
        )  # fmt: skip
        facts = CorpusFacts(
            revision=revision or drawn.revision,
            utterances=len(drawn),
            duration_s=drawn.duration_s,
            languages=(),
            selection=str(manifest) if selection is None else selection,
        )
        run = Run(id="r", created_at="", environment=environment, corpora={"c": facts}, sessions=(session,))
        return Replay(run=run, fixtures=FIXTURES, cache=tmp_path / "cache")

    return make


def record(utterance: str = "u1") -> Record:
    return Record(
        model="m:m:m:m", corpus="c", utterance=utterance, audio_duration_s=1.0, reference="", lane="accuracy",
        session=1, transcript=Transcript(text=""),
    )  # fmt: skip


@pytest.mark.parametrize("limit", [None, 3])
def test_audio_is_heard_again(heard, limit) -> None:
    """An utterance of a corpus that is still the same is heard, sampled as the session had it."""
    replay = heard(limit=limit)
    audible = [name for name in ("u0", "u1", "u2", "u3") if _lasts_s(replay, name) == 1.0]
    assert len(audible) == (limit or 4)


def test_another_revision_is_not_heard(heard) -> None:
    """A corpus that has changed since is not taken for what the run heard, and both sides are told apart."""
    with pytest.raises(BadAudio, match="revision 0123abc in the run and is another now"):
        heard(revision="0123abc")(record())


@pytest.mark.parametrize("selection", ["hf:someone/dataset", "/nowhere/manifest.jsonl", "librivox"])
def test_nothing_is_fetched(heard, selection, monkeypatch) -> None:
    """What is not on this disk is not fetched for a report, and the reason names no path of this machine."""
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it asked the network"))
    with pytest.raises(BadAudio, match="no audio: c could not be read") as caught:
        heard(selection=selection)(record())
    assert "/nowhere" not in str(caught.value)


def test_missing_files_and_fixtures_are_reasons(heard, manifest, tmp_path) -> None:
    """A recording that is gone, or a folder without definitions, gives a reason and not a failure."""
    replay = heard()
    assert _lasts_s(replay, "u0") == 1.0
    (manifest.parent / "1.wav").unlink()
    assert _lasts_s(replay, "u1") is None
    assert _lasts_s(heard_without_fixtures(replay, tmp_path), "u0") is None


def heard_without_fixtures(replay: Replay, folder: Path) -> Replay:
    return Replay(run=replay.run, fixtures=folder / "none", cache=replay.cache)


def _lasts_s(replay: Replay, utterance: str) -> float | None:
    try:
        return replay(record(utterance)).duration_s
    except BadAudio:
        return None

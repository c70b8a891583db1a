"""Recordings are found again, remembered within bounds, and not looked for over and over where there are none."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from modellab.corpora.manifest import read_manifest
from modellab.errors import Refused
from modellab.records.environment import Environment
from modellab.records.replay import Replay
from modellab.records.run import CorpusFacts, Run, Session
from modellab.server.library import recordings as module
from modellab.server.library.recordings import Recordings

ENVIRONMENT = Environment(
    python="", platform="", machine="", processor="", cores=1, memory_bytes=1, packages={}, git_commit=None,
    git_dirty=None,
)  # fmt: skip
SESSION = Session(number=1, argv=(), started_at="", workers=1, seed=1, limit=None, models={})


class Clock:
    """A clock that is moved by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that heard three seconds of silence, each an utterance."""
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.wav", np.zeros(16_000, np.float32), 16_000)
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(f'{{"id": "{n}", "audio": "{n}.wav", "text": ""}}\n' for n in range(3)))
    corpus = read_manifest(path, "c")
    facts = CorpusFacts(revision=corpus.revision, utterances=3, duration_s=3, languages=(), selection=str(path))
    return Run(id="r", created_at="", environment=ENVIRONMENT, corpora={"c": facts}, sessions=(SESSION,))


@pytest.fixture
def recordings(tmp_path: Path, clock: Clock) -> Recordings:
    """Recordings of the definitions in a folder."""
    (tmp_path / "corpora.toml").write_text("schema = 1\n[corpus]\n")
    return Recordings(tmp_path, tmp_path / "cache", clock)


def test_a_corpus_is_read_once(recordings: Recordings, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Utterances of one corpus are heard without reading it again, and one that was heard without anything."""
    first = recordings.hear(run, "c", "0")
    monkeypatch.setattr(Replay, "_utterances", lambda *_: pytest.fail("the corpus was read again"))
    assert recordings.hear(run, "c", "1").tag != first.tag
    monkeypatch.setattr(Replay, "hear", lambda *_: pytest.fail("it was heard again"))
    assert recordings.hear(run, "c", "0") is first


def test_few_are_remembered(recordings: Recordings, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As much as fits, and the last one always."""
    monkeypatch.setattr(module, "MOST_BYTES", 1)
    first = recordings.hear(run, "c", "0")
    assert recordings.hear(run, "c", "0") is first
    recordings.hear(run, "c", "1")
    assert recordings.hear(run, "c", "0") is not first


def test_what_is_not_there_is_looked_for_later(recordings: Recordings, run: Run, clock: Clock, tmp_path: Path) -> None:
    """A corpus that cannot be read is not read again for a while; then it may be there."""
    manifest = tmp_path / "manifest.jsonl"
    manifest.rename(tmp_path / "aside")
    with pytest.raises(Refused) as caught:
        recordings.hear(run, "c", "0")
    assert (caught.value.status, caught.value.code) == (404, "audio_unavailable")
    (tmp_path / "aside").rename(manifest)
    with pytest.raises(Refused):
        recordings.hear(run, "c", "0")
    clock.now_s += 31
    assert recordings.hear(run, "c", "0").audio.duration_s == 1.0


def test_one_utterance_silences_no_other(recordings: Recordings, run: Run, tmp_path: Path) -> None:
    """Where one file is broken, or an id is none, the others of the corpus are heard."""
    assert recordings.hear(run, "c", "0")
    (tmp_path / "1.wav").unlink()
    for utterance in ("1", "nobody"):
        with pytest.raises(Refused):
            recordings.hear(run, "c", utterance)
    assert recordings.hear(run, "c", "2")

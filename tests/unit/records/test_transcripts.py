"""The transcript cache: what is recalled, and when nothing is."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from modellab.records.transcripts import FILE, TranscriptCache
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment, Transcript, Word

WRITTEN = Transcript(
    text="  Raw, TEXT ",
    segments=(Segment(text="Raw", start_s=0.0, end_s=1.0, words=(Word(text="Raw", start_s=0.25, end_s=0.5),)),),
    language="en",
)


def sound(value: float = 0.5) -> Audio:
    """Give a second of one value."""
    return Audio(samples=np.full(16_000, value, dtype=np.float32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the cache is, in a folder that is not there yet."""
    return tmp_path / "cache" / FILE


@pytest.fixture
def cache(path: Path) -> Iterator[TranscriptCache]:
    """The cache of a model."""
    made = TranscriptCache(path, "model-a")
    yield made
    made.close()


def test_what_was_kept_is_recalled_as_it_was(cache: TranscriptCache) -> None:
    """A transcript comes back whole, with its times, from samples that are equal and not the same."""
    assert cache.recall(sound(), "en") is None
    cache.keep(sound(), "en", WRITTEN)
    assert cache.recall(sound(), "en") == WRITTEN


def test_other_audio_language_or_model_is_not_recalled(cache: TranscriptCache, path: Path) -> None:
    """One sample, the language told and the model each make another question."""
    cache.keep(sound(), "en", WRITTEN)
    samples = sound().samples.copy()
    samples[-1] = np.nextafter(samples[-1], np.float32(1.0))
    other = TranscriptCache(path, "model-b")
    assert cache.recall(Audio(samples=samples), "en") is None
    assert cache.recall(sound(), None) is None
    assert cache.recall(sound(), "de") is None
    assert other.recall(sound(), "en") is None
    other.close()


def test_what_is_kept_outlives_the_process(cache: TranscriptCache, path: Path) -> None:
    """A cache that is closed and opened again knows what it knew; closing twice is harmless."""
    cache.keep(sound(), "en", WRITTEN)
    cache.close()
    cache.close()
    with closing(TranscriptCache(path, "model-a")) as again:
        assert again.recall(sound(), "en") == WRITTEN


@pytest.mark.parametrize("content", [b"not a database" * 100, b""], ids=["garbage", "empty"])
def test_a_broken_file_recalls_nothing_and_harms_nothing(cache: TranscriptCache, path: Path, content: bytes) -> None:
    """A file that is no database costs time only: nothing is recalled, and keeping does not raise."""
    path.parent.mkdir()
    path.write_bytes(content)
    assert cache.recall(sound(), "en") is None
    cache.keep(sound(), "en", WRITTEN)


def test_a_folder_that_cannot_be_made_harms_nothing(tmp_path: Path) -> None:
    """Where the cache cannot be, listening goes on without it."""
    (tmp_path / "cache").write_text("a file")
    cache = TranscriptCache(tmp_path / "cache" / FILE, "model-a")
    cache.keep(sound(), "en", WRITTEN)
    assert cache.recall(sound(), "en") is None


def test_a_transcript_that_cannot_be_read_is_not_recalled(cache: TranscriptCache) -> None:
    """What an older version wrote in another form is heard again."""
    cache.keep(sound(), "en", WRITTEN)
    with cache._open() as database:
        database.execute("""UPDATE transcripts SET transcript = '{"words": 1}'""")
    assert cache.recall(sound(), "en") is None


def test_a_file_that_another_process_makes_is_waited_for(
    cache: TranscriptCache, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who opens the file while another writes its first page waits, and what is kept then is there."""
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("modellab.write_ahead.time.sleep", lambda _: other.close())
    cache.keep(sound(), "en", WRITTEN)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        other.execute("COMMIT")
    assert cache.recall(sound(), "en") == WRITTEN


def _keep(path: Path, writer: int) -> None:
    cache = TranscriptCache(path, "model-a")
    for number in range(50):
        cache.keep(sound(number / 100 + writer / 1000), "en", Transcript(text=f"{writer}-{number}"))
    cache.close()


def test_processes_write_side_by_side(cache: TranscriptCache, path: Path) -> None:
    """What several processes keep at once is all there."""
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        list(pool.map(_keep, [path] * 4, range(4)))
    known = [cache.recall(sound(n / 100 + w / 1000), "en") for w in range(4) for n in range(50)]
    assert [each and each.text for each in known] == [f"{w}-{n}" for w in range(4) for n in range(50)]

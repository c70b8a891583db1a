"""A worker on real weights and real speech: it hears what its backend hears in this process."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from modellab.backends.base import Backend
from modellab.backends.registry import backend_class
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.errors import BackendRaised
from modellab.machine.clock import MONOTONIC
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.worker import Worker
from modellab.sources.cache import cache_root
from modellab.speech.audio import Audio

FIXTURES = Path(__file__).parents[2] / "fixtures"
NAME = "faster-whisper"


@pytest.fixture(scope="module")
def cache() -> Path:
    """Where weights and speech are kept."""
    override = os.environ.get("MODELLAB_CACHE_DIR")
    return cache_root(Path(override) if override else None)


@pytest.fixture(scope="module")
def audios(cache: Path) -> Sequence[Audio]:
    """The audio of five read sentences."""
    corpus = read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), cache)
    return tuple(utterance.hear() for utterance in corpus)


@pytest.fixture(scope="module")
def backend(cache: Path) -> Backend:
    """whisper-tiny.en for faster-whisper in int8, not loaded."""
    pytest.importorskip("faster_whisper")
    weights = prepare(Registry.read(FIXTURES / "models.toml").get("whisper-tiny.en"), "ctranslate2", cache)
    return backend_class(NAME)(weights=weights, compute_type="int8", threads=2)


@pytest.fixture(scope="module")
def worker(backend: Backend) -> Iterator[Worker]:
    """The same, loaded in a worker."""
    with Worker(blueprint=Blueprint.of(NAME, backend), limit_s=120) as made:
        yield made


def test_a_worker_hears_what_its_backend_hears(worker: Worker, backend: Backend, audios: Sequence[Audio]) -> None:
    """Transcripts from a worker are equal to those in process, alone and in one batch."""
    with backend:
        expected = list(backend.transcribe(audios, "en"))
    assert all(transcript.text for transcript in expected)
    assert list(worker.transcribe(audios, "en")) == expected
    assert [worker.transcribe([audio], "en")[0] for audio in audios] == expected


def test_a_worker_is_timed_inside(worker: Worker, audios: Sequence[Audio]) -> None:
    """Import, load and listening take time, and listening no more than it looks like from here."""
    before = MONOTONIC()
    _, seconds = worker.listen(audios, "en")
    assert 0.01 < seconds < MONOTONIC() - before
    assert worker.import_s > 0.01
    assert worker.load_s > 0.01
    assert {"faster-whisper", "ctranslate2"} <= set(worker.versions)


def test_a_worker_loads_its_model_again(worker: Worker, audios: Sequence[Audio]) -> None:
    """A model that was unloaded and loaded again in the same process writes the same words."""
    pid, expected = worker.pid, list(worker.transcribe(audios, "en"))
    worker.unload()
    with pytest.raises(BackendRaised, match="load comes first"):
        worker.transcribe(audios, "en")
    worker.reload()
    assert list(worker.transcribe(audios, "en")) == expected
    assert worker.pid == pid


def test_the_memory_of_a_worker_holds_the_weights(worker: Worker, backend: Backend) -> None:
    """A worker holds a quarter of the weights' file or more, which is float32 in int8, and less than 2 GiB."""
    weights_bytes = (backend.weights.folder / "model.bin").stat().st_size
    told = worker.memory()
    assert weights_bytes / 4 < told.resident_bytes <= told.peak_bytes < 2 << 30
    assert worker.cpu_s() > 0.1


def test_weights_that_are_not_there_are_a_bad_checkpoint(backend: Backend, tmp_path: Path) -> None:
    """What a runtime says of weights that are not there crosses as a BadCheckpoint that names the folder."""
    blueprint = Blueprint.of(NAME, backend)
    weights = blueprint.fields["weights"] | {"folder": str(tmp_path)}
    broken = Blueprint(backend=NAME, fields=blueprint.fields | {"weights": weights})
    with pytest.raises(BackendRaised, match=str(tmp_path)) as caught:
        Worker(blueprint=broken, limit_s=120).load()
    assert (caught.value.kind, caught.value.stage) == ("BadCheckpoint", "load")

"""LFM2-Audio through the real loader of liquid-audio, on a tiny checkpoint that is made here."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import liquid_audio_here
import pytest
import tiny_lfm2

from modellab.backends.base import DecodeOptions
from modellab.backends.lfm2 import Lfm2
from modellab.checkpoints.weights import Weights
from modellab.environments.definition import read_environments
from modellab.environments.environment import Environment
from modellab.errors import BackendRaised, EnvironmentUnavailable
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.worker import Worker
from modellab.scoring.normalize import normalizer_for
from modellab.scoring.wer import score_all
from modellab.sources.cache import CACHE_VARIABLE, build_once, cache_root
from modellab.speech.audio import Audio

ROOT = Path(__file__).parents[2]
LIMIT_S = 900
CONTRACT = """
from pathlib import Path
from modellab.backends.lfm2 import Lfm2
from modellab.checkpoints.weights import Weights
from modellab.contract import BackendContract
from modellab.speech.audio import Audio
from tiny_lfm2 import clips

class TestLfm2(BackendContract):
    name = "lfm2"
    words_in_silence = 20  # it knows three sounds by heart, and nothing else

    @classmethod
    def make(cls):
        return Lfm2(weights=Weights(checkpoint="tiny", layout="lfm2-audio", revision="1", sha256="0" * 64,
            languages=("en",), folder=Path({folder!r})))

    @classmethod
    def speech(cls):
        return [Audio(samples=samples) for samples, _ in clips()]
"""


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of the environment that `modellab env create lfm2` makes, else of one that these tests make."""
    proper = Environment.of(read_environments(ROOT / "fixtures" / "environments.toml").get("lfm2"), _cache())
    with suppress(EnvironmentUnavailable):
        proper.open()
        return proper.surroundings.python
    made = _cache() / "tests" / f"liquid-audio-{_digest(liquid_audio_here)}"
    return liquid_audio_here.python_of(build_once(made, made.is_dir, liquid_audio_here.install))


@pytest.fixture(scope="module")
def folder(python: Path) -> Path:
    """The tiny checkpoint, fitted once and kept as long as its making is the same."""
    made = _cache() / "tests" / f"tiny-lfm2-{_digest(tiny_lfm2)}"
    return build_once(made, made.is_dir, lambda part: _told(python, tiny_lfm2.__file__, str(part)))


@pytest.fixture
def backend(folder: Path) -> Lfm2:
    """The backend on the tiny checkpoint, not loaded."""
    weights = Weights(
        checkpoint="tiny", layout="lfm2-audio", revision="1", sha256="0" * 64, languages=("en",), folder=folder
    )
    return Lfm2(weights=weights)


@pytest.fixture
def listening(python: Path, backend: Lfm2) -> Iterator[Worker]:
    """The backend, loaded in its environment."""
    with Worker(blueprint=Blueprint.of("lfm2", backend, python)) as worker:
        yield worker


@pytest.mark.slow
def test_it_writes_what_it_was_taught(listening: Worker) -> None:
    """Of three sounds it knows by heart it writes the sentences, so that its word error rate is one, and that is 0."""
    sounds, sentences = zip(*tiny_lfm2.clips(), strict=True)
    texts = [heard.text for heard in listening.transcribe([Audio(samples=samples) for samples in sounds])]
    assert texts == list(sentences)
    assert [score.errors for score in score_all(zip(sentences, texts, strict=True), normalizer_for("en"))] == [0, 0, 0]
    assert listening.versions["liquid-audio"] == "1.3.0"


@pytest.mark.slow
def test_bfloat16_writes_the_same(python: Path, backend: Lfm2) -> None:
    """The type that the weights are stored in gives the same words."""
    backend.compute_type = "bfloat16"
    (samples, sentence), *_ = tiny_lfm2.clips()
    with Worker(blueprint=Blueprint.of("lfm2", backend, python)) as worker:
        assert worker.transcribe([Audio(samples=samples)])[0].text == sentence


@pytest.mark.slow
def test_the_contract_holds(python: Path, folder: Path, tmp_path: Path) -> None:
    """All that a backend promises is kept, in the environment, by the real loader."""
    (tmp_path / "test_it.py").write_text(CONTRACT.format(folder=str(folder)))
    said = _told(python, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", str(tmp_path), cwd=tmp_path)
    assert "14 passed" in said or "15 passed" in said, said[-3000:]


@pytest.mark.slow
def test_a_folder_without_a_model_is_named(python: Path, backend: Lfm2, tmp_path: Path) -> None:
    """A checkpoint of another layout is refused by name, and the worker says so."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "whisper"}))
    other = Weights(
        checkpoint="t", layout="lfm2-audio", revision="1", sha256="0" * 64, languages=("en",), folder=tmp_path
    )
    made = Lfm2(weights=other)
    worker = Worker(blueprint=Blueprint.of("lfm2", made, python))
    with pytest.raises(BackendRaised, match=f"liquid-audio cannot load {tmp_path}") as refused:
        worker.load()
    assert refused.value.kind == "BadCheckpoint"


def test_what_it_cannot_follow_is_said() -> None:
    """Times, beams, prompts and a language that was asked for are not honoured, and a wrong type is refused."""
    asked = DecodeOptions(timestamps="word", beam_size=2, language="en", prompt="Dashwood")
    backend = Lfm2(weights=None, decode=asked)  # type: ignore[arg-type]
    assert backend.not_honoured() == ("beam_size", "language", "prompt", "timestamps")
    assert "not in int8" in (Lfm2.refusal("cpu", "int8") or "")


def _told(python: Path, *words: str, cwd: Path | None = None) -> str:
    """Give what a Python prints."""
    done = subprocess.run(
        [str(python), *words],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def _digest(making: ModuleType) -> str:
    return hashlib.sha256(Path(str(making.__file__)).read_bytes()).hexdigest()[:12]


def _cache() -> Path:
    override = os.environ.get(CACHE_VARIABLE)
    return cache_root(Path(override) if override else None)

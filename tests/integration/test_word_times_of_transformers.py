"""Whisper on transformers: when each word was said, how attention is computed, and what torch compiles."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from modellab.backends.base import Backend, DecodeOptions
from modellab.backends.registry import backend_class
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.checkpoints.weights import Weights
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.errors import BadCheckpoint
from modellab.sources.cache import CACHE_VARIABLE, cache_root
from modellab.speech.audio import Audio, read_audio
from modellab.speech.transcript import Transcript, Word

pytest.importorskip("transformers")
FIXTURES = Path(__file__).parents[2] / "fixtures"
WORDS = DecodeOptions(timestamps="word")
STEP_S = 0.02
COMPILER_TIMEOUT_S = 600
WITHOUT_COMPILER = """
import sys
from pathlib import Path
from modellab.backends.registry import backend_class
from modellab.checkpoints.weights import Weights
from modellab.errors import BackendUnavailable
weights = Weights(
    checkpoint="tiny", layout="transformers", revision="1", sha256="", languages=("en",), folder=Path(sys.argv[1])
)
try:
    backend_class("transformers")(weights=weights, compiled=True).load()
except BackendUnavailable as error:
    print(error)
"""


@pytest.fixture(scope="module")
def cache() -> Path:
    """Where weights and speech are kept."""
    override = os.environ.get(CACHE_VARIABLE)
    return cache_root(Path(override) if override else None)


@pytest.fixture(scope="module")
def audios(cache: Path) -> Sequence[Audio]:
    """Five read sentences."""
    corpus = read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), cache)
    return [read_audio(utterance.audio) for utterance in corpus]


@pytest.fixture(scope="module")
def weights(cache: Path) -> Callable[[str], Weights]:
    """A giver of whisper-tiny.en in the layout of a backend."""
    checkpoint = Registry.read(FIXTURES / "models.toml").get("whisper-tiny.en")
    return lambda name: prepare(checkpoint, backend_class(name).layout, cache)


@pytest.fixture(scope="module")
def loaded(weights: Callable[[str], Weights]) -> Any:
    """Transformers asked for the times of words."""
    with backend_class("transformers")(weights=weights("transformers"), threads=2, decode=WORDS) as backend:
        yield backend


def words(transcript: Transcript) -> list[Word]:
    """Give the words of all segments."""
    return [word for segment in transcript.segments for word in segment.words]


@pytest.mark.parametrize("other", ["openai-whisper", "faster-whisper"])
def test_times_are_those_of_other_runtimes(
    loaded: Backend, weights: Callable[[str], Weights], audios: Sequence[Audio], other: str
) -> None:
    """Of the same words, start and end lie within a fifth of a second of another runtime's, in the median."""
    pytest.importorskip({"openai-whisper": "whisper", "faster-whisper": "faster_whisper"}[other])
    ours = words(loaded.transcribe([audios[0]], "en")[0])
    with backend_class(other)(weights=weights(other), threads=2, decode=WORDS) as backend:
        theirs = words(backend.transcribe([audios[0]], "en")[0])
    assert [word.text for word in ours] == [word.text for word in theirs]
    assert len(ours) > 15
    for edge in ("start_s", "end_s"):
        apart = [abs(getattr(a, edge) - getattr(b, edge)) for a, b in zip(ours, theirs, strict=True)]
        assert median(apart) < 0.2, f"{edge}: {apart}"


def test_words_of_long_audio_are_where_they_were_said(loaded: Backend, audios: Sequence[Audio]) -> None:
    """Beyond the window, words have times in the recording, in order: those of each sentence where it was put."""
    long = Audio(samples=np.concatenate([*(audio.samples for audio in audios), audios[0].samples, audios[1].samples]))
    assert long.duration_s > 31
    transcript = loaded.transcribe([long], "en")[0]
    said = words(transcript)
    assert "".join(word.text for word in said).strip() == transcript.text
    times_s = [time_s for word in said for time_s in (word.start_s, word.end_s)]
    assert all(before <= after + STEP_S for before, after in pairwise(times_s))
    assert times_s[-1] == pytest.approx(long.duration_s, abs=0.5)
    last = long.duration_s - audios[1].duration_s
    he = next(word for word in reversed(said) if word.text == " He")
    assert he.start_s == pytest.approx(last, abs=0.5)


def test_a_batch_has_the_times_of_each_alone(loaded: Backend, audios: Sequence[Audio]) -> None:
    """In a batch of unequal lengths, words and times are those of each audio alone."""
    together = loaded.transcribe(audios[:3], "en")
    assert together == [loaded.transcribe([audio], "en")[0] for audio in audios[:3]]


def test_beams_have_times_too(loaded: Backend, audios: Sequence[Audio], monkeypatch: pytest.MonkeyPatch) -> None:
    """Searched with beams, each word has its time, within the audio."""
    monkeypatch.setattr(loaded, "decode", replace(WORDS, beam_size=3))
    (transcript,) = loaded.transcribe([audios[1]], "en")
    assert "".join(word.text for word in words(transcript)).strip() == transcript.text
    assert audios[1].duration_s / 2 < words(transcript)[-1].end_s <= audios[1].duration_s


def test_a_sample_of_silence_has_no_time_beyond_it(loaded: Backend) -> None:
    """One sample gives next to no words, none of them later than it."""
    audio = Audio(samples=np.zeros(1, np.float32))
    (transcript,) = loaded.transcribe([audio])
    assert len(words(transcript)) <= 1
    assert all(word.end_s <= audio.duration_s for word in words(transcript))


def test_weights_that_do_not_know_their_heads_are_refused(weights: Callable[[str], Weights], tmp_path: Path) -> None:
    """Without the heads that follow time, times of words are refused with what helps; those of segments are given."""
    sound = weights("transformers")
    shutil.copytree(sound.folder, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "alignment_heads": None}))
    headless = backend_class("transformers")(weights=replace(sound, folder=tmp_path), decode=WORDS)
    with pytest.raises(BadCheckpoint, match="alignment_heads"):
        headless.load()
    with replace(headless, decode=DecodeOptions(timestamps="segment")) as backend:
        assert backend.transcribe([Audio(samples=np.zeros(16000, np.float32))])


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_attention_is_computed_as_asked(
    loaded: Backend, weights: Callable[[str], Weights], audios: Sequence[Audio], attention: str
) -> None:
    """Encoder and decoder use the attention that was asked for, and write the same words."""
    asked: Any = backend_class("transformers")(
        weights=weights("transformers"),
        threads=2,
        decode=WORDS,
        attention=attention,  # type: ignore[call-arg]
    )
    with asked as backend:
        halves = [backend._model.model.encoder, backend._model.model.decoder]
        assert {half.config._attn_implementation for half in halves} == {attention}
        assert backend.transcribe([audios[1]], "en")[0].text == loaded.transcribe([audios[1]], "en")[0].text


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")  # torch's own, while it compiles
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for a cpu with g++")
def test_a_compiled_encoder_writes_the_same_words(weights: Callable[[str], Weights], audios: Sequence[Audio]) -> None:
    """Compiled, alone and in a batch, the words are those of the model as it is."""
    plain: Any = backend_class("transformers")(weights=weights("transformers"), threads=1)
    with plain as backend:
        expected = [transcript.text for transcript in backend.transcribe(audios[1:3], "en")]
    with replace(plain, compiled=True) as backend:
        assert backend._model.model.encoder._compiled_call_impl is not None
        assert backend.transcribe([audios[1]], "en")[0].text == expected[0]
        assert [transcript.text for transcript in backend.transcribe(audios[1:3], "en")] == expected


@pytest.mark.slow
def test_without_a_compiler_nothing_is_compiled(weights: Callable[[str], Weights], tmp_path: Path) -> None:
    """Where there is no C++ compiler, loading says so and what helps, rather than the first utterance."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_COMPILER, str(weights("transformers").folder)],
        capture_output=True,
        text=True,
        timeout=COMPILER_TIMEOUT_S,
        env={**os.environ, "CXX": str(tmp_path / "no-such-compiler"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "cannot compile for cpu" in done.stdout
    assert "g++" in done.stdout
    assert "compiled" in done.stdout

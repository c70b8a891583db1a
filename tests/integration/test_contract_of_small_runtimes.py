"""The contract on PocketSphinx, with the model in its package, and how well it hears."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from modellab.backends.base import Backend, DecodeOptions
from modellab.backends.pocketsphinx import PocketSphinx
from modellab.contract import BackendContract
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.scoring.normalize import normalizer
from modellab.scoring.wer import score
from modellab.sources.cache import CACHE_VARIABLE, cache_root
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio, read_audio
from modellab.speech.transcript import Transcript
from modellab.speech.utterance import Corpus

FIXTURES = Path(__file__).parents[2] / "fixtures"
SILENCE = Audio(samples=np.zeros(2 * SAMPLE_RATE_HZ, np.float32))


def sentences() -> Corpus:
    """Give five read sentences."""
    override = os.environ.get(CACHE_VARIABLE)
    cache = cache_root(Path(override) if override else None)
    return read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), cache)


class TestPocketSphinx(BackendContract):
    """The contract on PocketSphinx, which hears two short sentences: it is no quicker than they are said."""

    name = "pocketsphinx"

    @classmethod
    def make(cls) -> Backend:
        """Give the backend with its own model."""
        pytest.importorskip("pocketsphinx")
        return PocketSphinx(model="en-us")

    @classmethod
    def speech(cls) -> Sequence[Audio]:
        """Give two sentences of 3 s."""
        return [read_audio(utterance.audio) for utterance in list(sentences())[1::3]]


@pytest.fixture(scope="module")
def sphinx() -> Iterator[PocketSphinx]:
    """PocketSphinx, loaded, which gives the times of words."""
    pytest.importorskip("pocketsphinx")
    with PocketSphinx(model="en-us", decode=DecodeOptions(timestamps="word")) as backend:
        yield backend


@pytest.fixture(scope="module")
def heard(sphinx: PocketSphinx) -> Sequence[Transcript]:
    """What it writes of five sentences, heard once for the module: it takes its time."""
    return sphinx.transcribe([read_audio(utterance.audio) for utterance in sentences()])


def test_pocketsphinx_hears_more_than_half(
    heard: Sequence[Transcript], record_property: Callable[[str, object], None]
) -> None:
    """Of five read sentences fewer than half the words are wrong, and some are: it is a baseline."""
    said = " ".join(utterance.reference for utterance in sentences())
    rate = score(said, " ".join(each.text for each in heard), normalizer("whisper-en")).rate
    record_property("wer", rate)
    assert rate is not None
    assert 0.0 < rate < 0.5
    assert {each.language for each in heard} == {"en"}


def test_pocketsphinx_forgets_what_it_heard(sphinx: PocketSphinx, heard: Sequence[Transcript]) -> None:
    """After silence and after noise a sentence is written as it was after another one, times and all."""
    sentence = read_audio(list(sentences())[1].audio)
    noise = Audio(samples=np.random.default_rng(3).uniform(-0.9, 0.9, SAMPLE_RATE_HZ).astype(np.float32))
    assert heard[1].text
    assert sphinx.transcribe([SILENCE, noise, sentence])[2] == heard[1]


def test_pocketsphinx_writes_words_and_no_marks(heard: Sequence[Transcript]) -> None:
    """Its words hold no fillers and no numbers of pronunciations, and have a length."""
    for transcript in heard:
        words = [word for segment in transcript.segments for word in segment.words]
        assert [word.text for word in words] == transcript.text.split()
        assert all(set("<>[]()") & set(word.text) == set() and word.end_s > word.start_s for word in words)


@pytest.mark.parametrize("more", [0, 1, 479])
def test_pocketsphinx_hears_stretches_of_speech(
    sphinx: PocketSphinx, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    """With its voice activity detector two sentences around silence are two segments, wherever the audio ends."""
    monkeypatch.setattr(sphinx, "decode", DecodeOptions(vad=True))
    one, two = (read_audio(utterance.audio).samples for utterance in list(sentences())[3:])
    samples = np.concatenate([SILENCE.samples, one, SILENCE.samples, two])
    samples = samples[: samples.size // 480 * 480 - 480 + more]
    first, *_, last = sphinx.transcribe([Audio(samples=samples)])[0].segments
    gap_s = (SILENCE.samples.size + one.size + SILENCE.samples.size) / SAMPLE_RATE_HZ
    assert 1.9 < first.start_s < 3.0
    assert "amiable" in first.text
    assert gap_s - 0.5 < last.start_s <= last.end_s <= samples.size / SAMPLE_RATE_HZ + 0.02
    assert last.text.endswith("himself")
    assert sphinx.transcribe([SILENCE])[0].segments == ()


def test_pocketsphinx_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Loading and hearing write nothing to standard output, where a worker speaks, nor to standard error."""
    pytest.importorskip("pocketsphinx")
    with PocketSphinx(model="en-us") as backend:
        backend.transcribe([SILENCE])
    assert capfd.readouterr() == ("", "")

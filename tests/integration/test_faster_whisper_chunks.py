"""faster-whisper where nobody speaks for long: voice activity, and chunks of a recording that are heard at once."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modellab.backends.base import Backend, DecodeOptions
from modellab.backends.registry import backend_class
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.scoring.normalize import normalizer
from modellab.scoring.wer import score
from modellab.sources.cache import CACHE_VARIABLE, cache_root
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio, read_audio
from modellab.speech.transcript import Transcript, Word
from modellab.speech.utterance import Corpus

pytest.importorskip("faster_whisper")
FIXTURES = Path(__file__).parents[2] / "fixtures"
PAUSE_S = 12.0
WORDS = DecodeOptions(timestamps="word")
CHUNKS = pytest.mark.parametrize("batched", [False, True], ids=["window by window", "chunks at once"])


@pytest.fixture(scope="module")
def cache() -> Path:
    """Where weights and speech are kept."""
    override = os.environ.get(CACHE_VARIABLE)
    return cache_root(Path(override) if override else None)


@pytest.fixture(scope="module")
def corpus(cache: Path) -> Corpus:
    """Five read sentences."""
    return read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), cache)


@pytest.fixture(scope="module")
def audios(corpus: Corpus) -> Sequence[Audio]:
    """The audio of the sentences."""
    return [read_audio(utterance.audio) for utterance in corpus]


@pytest.fixture(scope="module")
def hear(cache: Path) -> Callable[..., Transcript]:
    """A listener that was loaded once, and is asked with other options each time."""
    checkpoint = Registry.read(FIXTURES / "models.toml").get("whisper-tiny.en")
    plain: Any = backend_class("faster-whisper")(weights=prepare(checkpoint, "ctranslate2", cache), threads=2)
    plain.load()

    def heard(audio: Audio, **options: Any) -> Transcript:
        asked = replace(plain, **options)
        asked._model = plain._model
        (transcript,) = asked.transcribe([audio], "en")
        return transcript

    return heard


def silence(duration_s: float) -> np.ndarray:
    """Give samples in which nobody speaks."""
    return np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)


def words(transcript: Transcript) -> list[Word]:
    """Give the words of all segments."""
    return [word for segment in transcript.segments for word in segment.words]


def error_rate(references: Sequence[str], text: str) -> float:
    """Give the word error rate of a text against references, one after another."""
    rate = score(" ".join(references), text, normalizer("whisper-en")).rate
    assert rate is not None
    return rate


@CHUNKS
def test_silence_is_dropped_and_times_stay(
    hear: Callable[..., Transcript], audios: Sequence[Audio], corpus: Corpus, batched: bool
) -> None:
    """With voice activity, no word is lost or made up around a pause, and words after it keep their places."""
    first, second = audios[0], audios[2]
    whole = Audio(samples=np.concatenate([first.samples, silence(PAUSE_S), second.samples, silence(8)]))
    after_s = first.duration_s + PAUSE_S
    transcript = hear(whole, batched=batched, decode=replace(WORDS, vad=True))
    assert error_rate([corpus.utterances[0].reference, corpus.utterances[2].reference], transcript.text) < 0.2
    before = [word for word in words(transcript) if word.end_s <= first.duration_s + 0.5]
    after = [word for word in words(transcript) if word.start_s >= after_s - 0.5]
    assert len(before) + len(after) == len(words(transcript)), "a word lies in the pause"
    alone = words(hear(second, decode=WORDS))
    assert [word.text.strip().lower() for word in after][-3:] == [word.text.strip().lower() for word in alone][-3:]
    shifts_s = [late.end_s - early.end_s for late, early in zip(after[::-1], alone[::-1], strict=False)]
    assert float(np.median(shifts_s)) == pytest.approx(after_s, abs=0.3)
    assert after[-1].end_s <= after_s + second.duration_s + 0.1


@CHUNKS
def test_long_silence_has_no_words(hear: Callable[..., Transcript], batched: bool) -> None:
    """With voice activity, forty seconds in which nobody speaks give nothing, where the model alone makes words up."""
    quiet = Audio(samples=silence(40))
    assert hear(quiet, batched=batched, decode=DecodeOptions(vad=True)) == Transcript(text="", language="en")


def test_chunks_lose_no_words(hear: Callable[..., Transcript], audios: Sequence[Audio], corpus: Corpus) -> None:
    """A recording of more than a minute is heard whole in chunks, by one or by eight at once with the same words."""
    long = Audio(samples=np.concatenate([audio.samples for audio in audios] * 3))
    assert long.duration_s > 60
    eight = hear(long, batched=True, decode=WORDS)
    assert error_rate([utterance.reference for utterance in corpus] * 3, eight.text) < 0.15
    one = hear(long, batched=True, chunks_at_once=1, decode=WORDS)
    assert one.text == eight.text
    ends_s = [word.end_s for word in words(eight)]
    assert ends_s == sorted(ends_s)
    assert ends_s[-1] == pytest.approx(long.duration_s, abs=1.5)


def test_short_audio_is_heard_as_ever(hear: Callable[..., Transcript], audios: Sequence[Audio]) -> None:
    """Audio within the window is heard the same with chunks and without."""
    assert hear(audios[0], batched=True, decode=WORDS) == hear(audios[0], decode=WORDS)


def test_times_are_plain_numbers(hear: Callable[..., Transcript], audios: Sequence[Audio]) -> None:
    """Times are Python's own floats, which any writer of JSON takes, with words as without."""
    for decode in (WORDS, DecodeOptions(timestamps="segment")):
        (segment, *_) = hear(audios[0], decode=decode).segments
        assert {type(segment.start_s), type(segment.end_s)} == {float}


def test_what_chunks_cannot_follow_is_declared() -> None:
    """Chunks that know nothing of one another, and try one temperature, say so; only where they are asked otherwise."""
    asked = DecodeOptions(condition_on_previous_text=True, temperatures=(0.0, 0.4))

    def lost(decode: DecodeOptions, *, batched: bool) -> tuple[str, ...]:
        backend: Backend = backend_class("faster-whisper")(weights=None, batched=batched, decode=decode)  # type: ignore[call-arg]
        return backend.not_honoured()

    assert lost(asked, batched=True) == ("condition_on_previous_text", "temperatures")
    assert lost(asked, batched=False) == ()
    assert lost(DecodeOptions(temperatures=(0.4,)), batched=True) == ()

"""Streaming: audio paced in real time, heard again and again or written while it comes; every partial with its time."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from modellab.errors import MeasurementRefused
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.crew import Replica
from modellab.measuring.worker import Worker
from modellab.records.scenario import Partial, Stream
from modellab.scenarios.streaming import Streaming
from modellab.speech.audio import Audio
from modellab.speech.utterance import Utterance
from modellab.testing import FakeBackend

MakeUtterance = Callable[..., Utterance]
WORDS = "one two three four five six seven eight nine ten".split()  # noqa: SIM905 - so they are spoken


class Time:
    """A clock that goes on where somebody sleeps or works."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now_s

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds


@pytest.fixture
def time() -> Time:
    """A clock that stands still unless it is moved."""
    return Time()


@pytest.fixture
def streaming(time: Time) -> Callable[..., Streaming]:
    """A maker of streamings on that clock."""

    def make(**options: Any) -> Streaming:
        return Streaming(**{"model": "m", "corpus": "c", "session": 3, "clock": time, "sleep": time.move, **options})

    return make


def counting(time: Time, works_s: float = 0.0) -> FakeBackend:
    """Give a backend that writes a word for each whole second of audio, and takes so long for it."""
    backend = FakeBackend()

    def listen(audio: Audio) -> str:
        time.move(works_s)
        return " ".join(WORDS[: int(audio.duration_s + 0.001)])

    backend.listen = listen
    return backend


def replying(*replies: str) -> FakeBackend:
    """Give a backend that writes these one after another, in no time."""
    return FakeBackend(replies=replies)


def rows(stream: Stream) -> list[tuple[float, float, str, int]]:
    """Give what the partials say, rounded to a thousandth of a second."""
    return [(round(p.at_s, 3), round(p.heard_s, 3), p.text, p.agreed) for p in stream.partials]


def test_a_fast_model_hears_each_step_when_it_was_spoken(
    utterance: MakeUtterance, streaming: Callable[..., Streaming], time: Time
) -> None:
    """Partials come as soon as their step was spoken and heard; the last comes after the end and settles all."""
    stream = streaming().hear(counting(time, 0.1), utterance("u1", 3.5))
    assert rows(stream) == [
        (1.1, 1.0, "one", 0),
        (2.1, 2.0, "one two", 1),
        (3.1, 3.0, "one two three", 2),
        (3.6, 3.5, "one two three", 3),
    ]


def test_a_slow_model_hears_what_came_meanwhile_at_once(
    utterance: MakeUtterance, streaming: Callable[..., Streaming], time: Time
) -> None:
    """Who needs longer than a step hears all that was spoken meanwhile, without waiting, and ends late by its work."""
    stream = streaming().hear(counting(time, 2.5), utterance("u1", 5.0))
    assert rows(stream) == [
        (3.5, 1.0, "one", 0),
        (6.0, 3.5, "one two three", 1),
        (8.5, 5.0, "one two three four five", 5),
    ]


def test_an_utterance_shorter_than_a_step_is_heard_once(
    utterance: MakeUtterance, streaming: Callable[..., Streaming], time: Time
) -> None:
    """Nothing is heard before the end where no step fits, and nothing twice."""
    backend = counting(time, 0.2)
    stream = streaming(step_s=2.0).hear(backend, utterance("u1", 1.5))
    assert rows(stream) == [(1.7, 1.5, "one", 1)]
    assert backend.batches == [1]


def test_a_stream_says_what_was_streamed_and_how(utterance: MakeUtterance, streaming: Callable[..., Streaming]) -> None:
    """The fact names model, corpus, session, utterance, what was said, the method and the step."""
    said = utterance("u7", 0.5, reference="hello", speaker="s1", extra={"room": "hall"})
    stream = streaming(step_s=0.25).hear(replying("hello"), said)
    assert (stream.model, stream.corpus, stream.session, stream.utterance) == ("m", "c", 3, "u7")
    assert (stream.reference, stream.language, stream.speaker) == ("hello", "en", "s1")
    assert (stream.method, stream.step_s, stream.audio_duration_s) == ("local-agreement-2", 0.25, 0.5)
    assert (stream.facts, stream.failure) == ({"room": "hall"}, None)


def test_what_was_settled_stays(utterance: MakeUtterance, streaming: Callable[..., Streaming]) -> None:
    """Later hearings change what was not agreed on, and nothing that was, up to the final text."""
    heard = ("the hat", "The cat sat", "the cat, sat on", "a cat set on a mat")
    stream = streaming().hear(replying(*heard), utterance("u1", 4.0))
    assert [(p.text, p.agreed) for p in stream.partials] == [
        ("the hat", 0),
        ("The cat sat", 1),
        ("The cat, sat on", 3),
        ("The cat, sat on a mat", 6),
    ]


def test_silence_before_speech_is_shown_as_no_text(
    utterance: MakeUtterance, streaming: Callable[..., Streaming]
) -> None:
    """A hearing of which nothing was written is a partial without text."""
    stream = streaming().hear(replying("", "so", "so"), utterance("u1", 3.0))
    assert [(p.text, p.agreed) for p in stream.partials] == [("", 0), ("so", 0), ("so", 1)]


def test_a_language_without_spaces_agrees_by_characters(
    utterance: MakeUtterance, streaming: Callable[..., Streaming]
) -> None:
    """In Japanese what is agreed on is counted in characters."""
    stream = streaming().hear(replying("今日", "今日は", "今日は雨"), utterance("u1", 3.0, language="ja"))
    assert [(p.text, p.agreed) for p in stream.partials] == [("今日", 0), ("今日は", 2), ("今日は雨", 4)]


def test_the_language_is_passed_on(utterance: MakeUtterance, streaming: Callable[..., Streaming]) -> None:
    """A model is told what is spoken where the corpus says so, and nothing where it does not."""
    told: list[str | None] = []

    class Told(FakeBackend):
        def transcribe(self, audios: Any, language: str | None = None) -> Any:
            told.append(language)
            return super().transcribe(audios, language)

    streaming().hear(Told(), utterance("u1", 0.5, language="de"))
    streaming().hear(Told(), utterance("u2", 0.5, language=""))
    assert told == ["de", None]


@pytest.mark.parametrize("step_s", [0.0, -1.0, 0.001, float("nan"), float("inf")])
def test_a_step_that_is_none_is_refused(streaming: Callable[..., Streaming], step_s: float) -> None:
    """No new audio, or endlessly much of it, is no step."""
    with pytest.raises(MeasurementRefused, match="step_s must be"):
        streaming(step_s=step_s)


@pytest.mark.parametrize("window_s", [0.0, -1.0, float("nan")])
def test_a_window_that_is_none_is_refused(streaming: Callable[..., Streaming], window_s: float) -> None:
    """A model that hears nothing at once cannot stream."""
    with pytest.raises(MeasurementRefused, match="window_s must be"):
        streaming(window_s=window_s)


def test_an_utterance_longer_than_the_window_is_a_failure_with_a_remedy(
    utterance: MakeUtterance, streaming: Callable[..., Streaming], time: Time
) -> None:
    """What does not fit is not heard; the failure names it, its length and what to do. What fits is heard."""
    backend = counting(time)
    stream = streaming(window_s=2.0).hear(backend, utterance("long", 2.5))
    assert (stream.failure.stage, stream.failure.kind, stream.partials) == ("transcribe", "MeasurementRefused", ())
    assert "'long' lasts 2.5 s" in stream.failure.message
    assert "fit into 2 s. Stream shorter utterances, or set window_s" in stream.failure.message
    assert (backend.batches, time.now_s) == ([], 1000.0)
    assert streaming(window_s=2.0).hear(backend, utterance("fits", 2.0)).failure is None


def test_a_clock_that_goes_back_is_a_failure(
    utterance: MakeUtterance, streaming: Callable[..., Streaming], time: Time
) -> None:
    """Times that would decrease are not written down: the stream says that the clock went back."""
    backend = counting(time, works_s=-0.5)
    stream = streaming().hear(backend, utterance("u1", 3.0))
    assert (stream.failure.kind, stream.partials) == ("MeasurementRefused", ())
    assert "the clock went back, from 1.000 s to 0.500 s" in stream.failure.message


def test_a_model_that_raises_is_a_failure_and_the_next_is_streamed(
    utterance: MakeUtterance, streaming: Callable[..., Streaming]
) -> None:
    """What raises on the way leaves a failure with its words; audio that cannot be read leaves one, too."""
    backend = FakeBackend(mishap="raises", mishap_at=1)
    broken = utterance("broken")
    Path(broken.audio).write_bytes(b"not audio")
    utterances = (utterance("u1", 3.0), broken, utterance("u2", 0.5))
    raised, unread, good = (streaming().hear(backend, each) for each in utterances)
    assert (raised.failure.stage, raised.failure.kind) == ("transcribe", "RuntimeError")
    assert (raised.failure.message, raised.partials) == ("told to raise", ())
    assert (unread.failure.stage, unread.failure.kind, unread.audio_duration_s) == ("read", "BadAudio", 1.0)
    assert (good.failure, good.partials[-1].text) == (None, "hello world")


def test_an_answer_that_is_none_is_a_failure(utterance: MakeUtterance, streaming: Callable[..., Streaming]) -> None:
    """A runtime that answers too little is caught."""

    class Mute(FakeBackend):
        def transcribe(self, audios: Any, language: str | None = None) -> Any:
            return []

    assert streaming().hear(Mute(), utterance()).failure.kind == "BadTranscript"


class Unloadable:
    """A model that cannot be loaded."""

    @property
    def backend(self) -> FakeBackend:
        """Raise why not."""
        raise MemoryError("no room")


def test_a_model_that_cannot_be_loaded_fails_at_every_utterance(
    utterance: MakeUtterance, streaming: Callable[..., Streaming]
) -> None:
    """Nothing is lost where nothing could be heard: each utterance has a failure that says so."""
    failed = list(streaming().each(Unloadable(), [utterance("a"), utterance("b")]))
    assert [(each.utterance, each.failure.stage, each.failure.message) for each in failed] == [
        ("a", "load", "no room"),
        ("b", "load", "no room"),
    ]


class Native:
    """A fake that streams: it repeats how much it heard, and says so once more in the end."""

    def __init__(self, time: Time, *, ends: bool = True) -> None:
        self.time, self.ends, self.told = time, ends, "never"

    def stream(self, chunks: Iterable[Audio], language: str | None = None) -> Iterator[str]:
        """Write the length of each chunk once it is there."""
        self.told, text = str(language), ""
        for chunk in chunks:
            if not self.ends and text:
                return
            self.time.move(0.25)
            text = f"{text} {chunk.duration_s:g}".strip()
            yield text
        self.time.move(0.5)
        yield f"{text}."


def test_a_model_that_streams_is_given_chunks(
    utterance: MakeUtterance, streaming: Callable[..., Streaming], time: Time
) -> None:
    """What writes while it listens hears each chunk once, as it is spoken, and only its last text is settled."""
    native = Native(time)
    stream = streaming().hear(native, utterance("u1", 2.5))
    assert (stream.method, stream.failure, native.told) == ("native", None, "en")
    assert rows(stream) == [
        (1.25, 1.0, "1", 0),
        (2.25, 2.0, "1 1", 0),
        (2.75, 2.5, "1 1 0.5", 0),
        (3.25, 2.5, "1 1 0.5.", 3),
    ]


def test_a_model_that_streams_has_no_window(
    utterance: MakeUtterance, streaming: Callable[..., Streaming], time: Time
) -> None:
    """What hears each chunk once may hear an utterance of any length."""
    assert streaming(window_s=1.0).hear(Native(time), utterance("u1", 2.5)).failure is None


def test_a_stream_without_a_final_text_is_a_failure(
    utterance: MakeUtterance, streaming: Callable[..., Streaming], time: Time
) -> None:
    """Who stops writing before the audio ends has not written its text."""
    stream = streaming().hear(Native(time, ends=False), utterance("u1", 2.5))
    assert (stream.method, stream.failure.kind) == ("native", "BadTranscript")
    assert "Native wrote nothing after the last chunk" in stream.failure.message


@pytest.fixture
def worker() -> Iterator[Callable[..., Worker]]:
    """A maker of workers of the fake, in real processes; they are ended."""
    made: list[Worker] = []

    def make(**fields: Any) -> Worker:
        made.append(Worker(blueprint=Blueprint.of("fake", FakeBackend(**fields)), limit_s=60))
        return made[-1]

    yield make
    for each in made:
        each.kill()
        each.close()


def test_a_worker_is_streamed_to_in_real_time(utterance: MakeUtterance, worker: Callable[..., Worker]) -> None:
    """By the real clock no partial comes before its audio was spoken, and the stream lasts as long as the audio."""
    hired = worker(replies=("it", "it is", "it is so"), seconds_per_audio=0.05)
    hired.load()
    before = perf_counter()
    stream = Streaming(model="m", corpus="c", session=1, step_s=0.2).hear(hired, utterance("u1", 0.5))
    took_s = perf_counter() - before
    assert stream.failure is None
    assert 0.55 <= stream.partials[-1].at_s <= took_s < 30
    assert stream.partials[-1].heard_s == 0.5
    assert all(p.at_s >= p.heard_s + 0.05 for p in stream.partials)
    assert [p.at_s for p in stream.partials] == sorted(p.at_s for p in stream.partials)
    assert stream.partials[-1].agreed == len(stream.partials[-1].text.split())


def test_a_worker_that_dies_is_a_failure_and_is_replaced(
    utterance: MakeUtterance, worker: Callable[..., Worker]
) -> None:
    """A crash costs the utterance it came upon; a replica starts anew for the next one."""
    replica = Replica(worker(mishap="aborts", mishap_at=1))
    settings = Streaming(model="m", corpus="c", session=1, step_s=0.1)
    died, good = settings.each(replica, [utterance("u1", 5.0), utterance("u2", 0.05)])
    assert (died.failure.stage, died.failure.kind, died.partials) == ("crash", "SIGABRT", ())
    assert (good.failure, [type(p) for p in good.partials]) == (None, [Partial])

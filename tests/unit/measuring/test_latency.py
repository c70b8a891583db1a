"""Latency: rounds over a corpus, one utterance at a time."""

from collections.abc import Callable
from typing import Any

import pytest

from modellab.measuring.accuracy import Place
from modellab.measuring.latency import LatencyTrial
from modellab.speech import utterance as utterances
from modellab.speech.audio import Audio, read_audio
from modellab.speech.utterance import Corpus, Utterance, corpus_of
from modellab.testing import FakeBackend

MakeUtterance = Callable[..., Utterance]


@pytest.fixture
def corpus(utterance: MakeUtterance) -> Corpus:
    """Three utterances, the second of which is the shortest."""
    return corpus_of("tones", (utterance("a", 0.3), utterance("b", 0.1), utterance("c", 0.2)))


def trial_of(corpus: Corpus, place: Place, clock: Any) -> tuple[LatencyTrial, list[float]]:
    """Give a trial whose backend takes 1 s the first time, 2 s the second and so on, and what it hears."""
    heard: list[float] = []
    backend = FakeBackend()

    def listen(audio: Audio) -> str:
        heard.append(audio.duration_s)
        clock.move(float(len(heard)))
        return f"text {len(heard)}"

    backend.listen = listen
    return LatencyTrial(backend=backend, corpus=corpus, place=place, clock=clock), heard


def test_rounds_go_over_the_corpus_in_turn(corpus: Corpus, place: Place, clock: Any) -> None:
    """Each round hears every utterance once before any is heard again, and a record holds the seconds of all rounds."""
    trial, heard = trial_of(corpus, place, clock)
    for utterance in trial.rounds(3):
        trial.hear(utterance)
    assert heard == [0.3, 0.1, 0.2] * 3
    records = list(trial.records())
    assert [record.utterance for record in records] == ["a", "b", "c"]
    assert [record.transcribe_s for record in records] == [(1, 4, 7), (2, 5, 8), (3, 6, 9)]
    assert {record.batch_size for record in records} == {1}
    assert records[0].transcript.text == "text 7"


def test_a_stretch_alone_is_heard(utterance: MakeUtterance, place: Place, clock: Any) -> None:
    """Of an utterance that is a stretch of a recording, that stretch is heard."""
    trial, heard = trial_of(corpus_of("c", (utterance("a", 0.5, start_s=0.1, end_s=0.3),)), place, clock)
    trial.warm_up()
    assert heard == [0.2]


def test_the_warm_up_is_not_kept(corpus: Corpus, place: Place, clock: Any) -> None:
    """Warming up hears the shortest utterance once and leaves no seconds and no record."""
    trial, heard = trial_of(corpus, place, clock)
    trial.warm_up()
    assert heard == [0.1]
    assert list(trial.records()) == []
    for utterance in trial.rounds(1):
        trial.hear(utterance)
    assert [record.transcribe_s for record in trial.records()] == [(2,), (3,), (4,)]


def test_audio_is_read_once_and_outside_the_clock(
    corpus: Corpus, place: Place, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Audio is read before the first round, once for all of them, and takes none of their seconds."""
    read = []

    def slow_disk(path: Any, *cut: Any) -> Audio:
        clock.move(1000.0)
        read.append(path)
        return read_audio(path, *cut)

    monkeypatch.setattr(utterances, "read_audio", slow_disk)
    trial, _ = trial_of(corpus, place, clock)
    assert len(read) == 3
    for utterance in trial.rounds(2):
        trial.hear(utterance)
    assert len(read) == 3
    assert all(seconds < 10 for record in trial.records() for seconds in record.transcribe_s)


def test_a_failure_stops_its_utterance_alone(corpus: Corpus, place: Place, clock: Any) -> None:
    """An utterance that fails once is not heard again and is a failed record; the others are heard in every round."""
    heard: list[float] = []
    backend = FakeBackend()

    def listen(audio: Audio) -> str:
        heard.append(audio.duration_s)
        if len(heard) == 5:
            raise RuntimeError("no more")
        return "text"

    backend.listen = listen
    trial = LatencyTrial(backend=backend, corpus=corpus, place=place, clock=clock)
    for utterance in trial.rounds(3):
        trial.hear(utterance)
    assert heard == [0.3, 0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.2]
    records = {record.utterance: record for record in trial.records()}
    assert (records["b"].failure.stage, records["b"].failure.message) == ("transcribe", "no more")
    assert records["b"].transcript is None
    assert [len(records[name].transcribe_s) for name in "ac"] == [3, 3]


def test_a_failure_in_the_warm_up_counts(corpus: Corpus, place: Place, clock: Any) -> None:
    """An utterance that fails while warming up is a failed record, and is not heard in the rounds."""
    backend = FakeBackend()
    backend.listen_error = RuntimeError("cold")
    trial = LatencyTrial(backend=backend, corpus=corpus, place=place, clock=clock)
    trial.warm_up()
    backend.listen_error = None
    assert [utterance.id for utterance in trial.rounds(1)] == ["a", "c"]
    assert [(record.utterance, record.failure.message) for record in trial.records()] == [("b", "cold")]


def test_audio_that_cannot_be_read_is_a_record(utterance: MakeUtterance, place: Place, clock: Any) -> None:
    """An utterance without readable audio is a failed record and in no round, nor is it warmed up with."""
    corpus = corpus_of("c", (utterance("a", 0.1, broken=True), utterance("b", 0.2)))
    trial, heard = trial_of(corpus, place, clock)
    trial.warm_up()
    for spoken in trial.rounds(2):
        trial.hear(spoken)
    assert heard == [0.2] * 3
    first, second = trial.records()
    assert (first.failure.stage, first.failure.kind, second.failure) == ("read", "BadAudio", None)


def test_a_wrong_answer_is_a_failure(corpus: Corpus, place: Place, clock: Any) -> None:
    """A backend that does not answer one transcript is a failed record."""

    class Mute(FakeBackend):
        def transcribe(self, audios: Any, language: str | None = None) -> Any:
            return []

    trial = LatencyTrial(backend=Mute(), corpus=corpus, place=place, clock=clock)
    for utterance in trial.rounds(2):
        trial.hear(utterance)
    assert [record.failure.kind for record in trial.records()] == ["BadTranscript"] * 3


def test_nothing_can_be_warmed_up_where_all_failed(utterance: MakeUtterance, place: Place, clock: Any) -> None:
    """Without a readable utterance, warming up and the rounds do nothing."""
    trial, heard = trial_of(corpus_of("c", (utterance("a", broken=True),)), place, clock)
    trial.warm_up()
    assert list(trial.rounds(3)) == []
    assert heard == []

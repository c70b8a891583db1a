"""Hearing a corpus: every utterance ends as a record, whatever happens on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from modellab.backends.base import Backend
from modellab.backends.spec import parse_spec
from modellab.errors import BadTranscript
from modellab.machine.clock import timed
from modellab.measuring.accuracy import Place, hear, listen
from modellab.measuring.model import Model
from modellab.records.failure import Failure
from modellab.records.record import Record
from modellab.speech import utterance as utterances
from modellab.speech.audio import Audio, read_audio
from modellab.speech.transcript import Transcript
from modellab.speech.utterance import Utterance
from modellab.testing import FakeBackend

MakeUtterance = Callable[..., Utterance]


def model_of(backend: Backend) -> Model:
    """Give a model whose backend is this one."""
    return Model(parse_spec("fake:none:cpu:float32"), ("*",), lambda: backend)


def by_id(records: Sequence[Record]) -> dict[str, Record]:
    """Give records by their utterance, each of which must have one."""
    found = {record.utterance: record for record in records}
    assert len(found) == len(records)
    return found


@dataclass(kw_only=True)
class Listener(FakeBackend):
    """Notes the seconds and the language of every batch, and fails on audio of a certain length."""

    asked: list[tuple[str | None, list[float]]] = field(default_factory=list, init=False)
    culprit_s: float | None = field(default=None, init=False)

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Note what was asked."""
        seconds = [audio.duration_s for audio in audios]
        self.asked.append((language, seconds))
        if self.culprit_s in seconds:
            raise RuntimeError("this one is too much")
        return super().transcribe(audios, language)


@dataclass(kw_only=True)
class Answerer(FakeBackend):
    """Answers whatever it is told to."""

    answer: Callable[[Sequence[Audio]], Any] = field(default=list, init=False)

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give the answer."""
        return self.answer(audios)


def answering(answer: Callable[[Sequence[Audio]], Any]) -> Answerer:
    """Give a backend that answers this."""
    backend = Answerer()
    backend.answer = answer
    return backend


def test_the_longest_are_heard_first(utterance: MakeUtterance, place: Place) -> None:
    """Utterances are heard in batches of falling duration, the last of which may be smaller."""
    backend = Listener()
    corpus = [utterance(f"u{n}", n / 10) for n in (2, 5, 1, 4, 3)]
    records = list(hear(model_of(backend), corpus, place, 2))
    assert backend.asked == [("en", [0.5, 0.4]), ("en", [0.3, 0.2]), ("en", [0.1])]
    assert [record.batch_size for record in records] == [2, 2, 2, 2, 1]


def test_languages_are_not_mixed(utterance: MakeUtterance, place: Place) -> None:
    """Every batch is of one language, which the backend is told; where none is known it is told none."""
    backend = Listener()
    spoken = [("a", "en"), ("b", "de"), ("c", ""), ("d", "en"), ("e", "de")]
    corpus = [utterance(name, 0.1 * n, language=language) for n, (name, language) in enumerate(spoken, start=1)]
    records = by_id(list(hear(model_of(backend), corpus, place, 8)))
    assert backend.asked == [(None, [0.3]), ("de", [0.5, 0.2]), ("en", [0.4, 0.1])]
    assert {name: record.language for name, record in records.items()} == dict(spoken)
    assert records["b"].transcript.language == "de"


def test_a_record_says_what_was_said_and_heard(utterance: MakeUtterance, place: Place, clock: Any) -> None:
    """A record holds the utterance's facts, the raw transcript, and the seconds and size of its batch."""
    backend = FakeBackend(replies=("  Raw, TEXT ",))
    backend.listen = lambda _: clock.move(0.5) or "  Raw, TEXT "
    records = list(hear(model_of(backend), [utterance("a", 0.5, speaker="s1"), utterance("b", 0.25)], place, 4, clock))
    assert records[0] == Record(
        model=place.model,
        corpus="tones",
        lane="accuracy",
        session=2,
        utterance="a",
        audio_duration_s=0.5,
        reference="this is a",
        language="en",
        speaker="s1",
        transcript=records[0].transcript,
        transcribe_s=(1.0,),
        batch_size=2,
    )
    assert records[0].transcript.text == "  Raw, TEXT "
    assert records[1].transcribe_s == (1.0,)


def test_audio_is_read_outside_the_clock(
    utterance: MakeUtterance, place: Place, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seconds of a record are those of listening alone, however long its audio takes to read."""

    def slow_disk(path: Any, *cut: Any) -> Audio:
        clock.move(1000.0)
        return read_audio(path, *cut)

    monkeypatch.setattr(utterances, "read_audio", slow_disk)
    backend = FakeBackend()
    backend.listen = lambda _: clock.move(0.25) or "text"
    records = list(hear(model_of(backend), [utterance("a"), utterance("b")], place, 1, clock))
    assert [record.transcribe_s for record in records] == [(0.25,), (0.25,)]
    assert clock() > 2000


def test_a_stretch_alone_is_heard(utterance: MakeUtterance, place: Place) -> None:
    """Of an utterance that is a stretch of a recording, the backend hears that stretch."""
    backend = Listener()
    cut = utterance("a", 2.0, start_s=0.5, end_s=0.75)
    assert [record.failure for record in hear(model_of(backend), [cut], place, 1)] == [None]
    assert backend.asked == [("en", [0.25])]


def test_audio_that_cannot_be_read_fails_alone(utterance: MakeUtterance, place: Place) -> None:
    """An utterance without readable audio is a failed record that names the file, and the others go on."""
    bad = utterance("b", 0.5, broken=True)
    records = by_id(list(hear(model_of(FakeBackend()), [utterance("a"), bad, utterance("c")], place, 3)))
    assert set(records) == {"a", "b", "c"}
    assert (records["b"].failure.stage, records["b"].failure.kind) == ("read", "BadAudio")
    assert str(bad.audio) in records["b"].failure.message
    assert records["b"].reference == "this is b"
    assert {records["a"].batch_size, records["c"].batch_size} == {2}


def test_nothing_is_asked_where_nothing_can_be_read(utterance: MakeUtterance, place: Place) -> None:
    """A batch without readable audio is not put to the backend."""
    backend = FakeBackend()
    records = list(hear(model_of(backend), [utterance("a", broken=True)], place, 4))
    assert [record.failure.stage for record in records] == ["read"]
    assert backend.batches == []


def test_a_missing_file_fails_alone(utterance: MakeUtterance, place: Place) -> None:
    """A file that went away since the corpus was read is a failed record."""
    gone = utterance("a")
    gone.audio.unlink()
    records = by_id(list(hear(model_of(FakeBackend()), [gone, utterance("b")], place, 2)))
    assert records["a"].failure.stage == "read"
    assert records["b"].failure is None


def test_only_the_culprit_of_a_batch_fails(utterance: MakeUtterance, place: Place) -> None:
    """A batch that raises is heard again one by one, so that the others have transcripts, in batches of one."""
    backend = Listener()
    backend.culprit_s = 0.3
    corpus = [utterance(f"u{n}", n / 10) for n in (1, 2, 3, 4)]
    records = by_id(list(hear(model_of(backend), corpus, place, 4)))
    assert records["u3"].failure == Failure(stage="transcribe", kind="RuntimeError", message="this one is too much")
    heard = [record for name, record in records.items() if name != "u3"]
    assert [(record.failure, record.batch_size, len(record.transcribe_s)) for record in heard] == [(None, 1, 1)] * 3
    assert [len(seconds) for _, seconds in backend.asked] == [4, 1, 1, 1, 1]


def test_an_error_without_words_is_named(utterance: MakeUtterance, place: Place) -> None:
    """A failure whose error says nothing holds its representation."""
    backend = FakeBackend()
    backend.listen_error = MemoryError()
    (only,) = hear(model_of(backend), [utterance()], place, 1)
    assert (only.failure.kind, only.failure.message) == ("MemoryError", "MemoryError()")


def test_an_interruption_is_not_a_failure(utterance: MakeUtterance, place: Place) -> None:
    """Ctrl-C ends the hearing and becomes no record."""
    backend = FakeBackend()
    backend.listen_error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        list(hear(model_of(backend), [utterance()], place, 1))


@pytest.mark.parametrize("step", ["make", "load"])
def test_a_model_that_cannot_be_loaded_fails_on_all(utterance: MakeUtterance, place: Place, step: str) -> None:
    """Each utterance of a model that cannot be made or loaded is a failed record, and that is tried once."""
    tried = []

    def make() -> Backend:
        tried.append(step)
        backend = FakeBackend()
        if step == "make":
            raise OSError("no weights")
        backend.load_error = OSError("no weights")
        return backend

    model = Model(parse_spec("fake:none:cpu:float32"), ("*",), make)
    for _ in range(2):
        records = by_id(list(hear(model, [utterance(name) for name in "abc"], place, 2)))
        assert set(records) == {"a", "b", "c"}
        assert {record.failure for record in records.values()} == {
            Failure(stage="load", kind="OSError", message="no weights")
        }
    assert tried == [step]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda audios: [Transcript(text="x")] * (len(audios) + 1), "2 transcripts of 1 audios"),
        (lambda audios: [], "0 transcripts of 1 audios"),
        (lambda audios: (Transcript(text="x") for _ in audios), "must answer a sequence"),
        (lambda audios: ["x" for _ in audios], "must answer a sequence of Transcripts, not .'x'"),
        (lambda audios: "x" * len(audios), "must answer a sequence of Transcripts"),
        (lambda audios: None, "must answer a sequence of Transcripts, not None"),
        (lambda audios: {Transcript(text="x")}, "must answer a sequence"),
    ],
    ids=["too many", "too few", "a generator", "texts", "one text", "nothing", "a set"],
)
def test_an_answer_that_is_no_transcripts_fails(
    utterance: MakeUtterance, place: Place, answer: Callable[[Sequence[Audio]], Any], reason: str
) -> None:
    """An answer other than a sequence of one finished transcript an audio is a failed record that names the backend."""
    (only,) = hear(model_of(answering(answer)), [utterance()], place, 1)
    assert (only.failure.stage, only.failure.kind) == ("transcribe", "BadTranscript")
    assert "Answerer" in only.failure.message
    with pytest.raises(BadTranscript, match=reason):
        listen(answering(answer), [read_audio(utterance().audio)], "en")


def test_too_few_transcripts_of_a_batch_are_not_shifted(utterance: MakeUtterance, place: Place) -> None:
    """A backend that drops one of a batch loses none of the others: each is heard again alone."""
    backend = answering(
        lambda audios: [Transcript(text=f"{a.duration_s}") for a in audios][: 1 if len(audios) > 1 else 9]
    )
    records = list(hear(model_of(backend), [utterance("a", 0.2), utterance("b", 0.1)], place, 2))
    assert {record.utterance: record.transcript.text for record in records} == {"a": "0.2", "b": "0.1"}


def test_records_come_as_they_are_made(utterance: MakeUtterance, place: Place) -> None:
    """The records of a batch are there before the next batch is heard."""
    backend = FakeBackend()
    records = hear(model_of(backend), [utterance(name) for name in "abcd"], place, 2)
    next(records)
    assert backend.batches == [2]


def test_nothing_to_hear_is_no_record(place: Place) -> None:
    """Without utterances there are no records."""
    assert list(hear(model_of(FakeBackend()), [], place, 2)) == []


def test_work_is_timed_from_its_start_to_its_end(clock: Any) -> None:
    """The seconds of work are those that the clock moved while it was done, with its result."""
    clock.move(5)
    assert timed(lambda: clock.move(2.5) or "done", clock) == ("done", 2.5)

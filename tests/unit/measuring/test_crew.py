"""Crews: replicas in processes of their own that hear one corpus together."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from modellab.measuring.accuracy import Place
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.crew import Crew
from modellab.records.transcripts import TranscriptCache
from modellab.speech.transcript import Transcript
from modellab.speech.utterance import Utterance
from modellab.testing import FakeBackend

MakeUtterance = Callable[..., Utterance]


def crew_of(replicas: int, **fields: object) -> Crew:
    """Give replicas of a fake that writes as it is told."""
    return Crew(Blueprint.of("fake", FakeBackend(weights=None, **fields)), replicas)


@pytest.fixture
def two() -> Iterator[Crew]:
    """Two replicas of a fake that says one word."""
    with crew_of(2, replies=("word",)) as crew:
        yield crew


def processes(crew: Crew) -> list[int]:
    """Give the processes of the replicas that run."""
    return [replica.worker.pid for replica in crew._replicas if replica.worker.alive]


def test_everything_is_heard_once(utterance: MakeUtterance, place: Place, two: Crew) -> None:
    """Every utterance has one record, whichever replica heard it, and batches are no larger than asked."""
    records = list(two.hear([utterance(f"u{n}", 0.1 + n / 100) for n in range(9)], place, 2))
    assert Counter(record.utterance for record in records) == {f"u{n}": 1 for n in range(9)}
    assert {record.transcript.text for record in records} == {"word"}
    assert Counter(record.batch_size for record in records) == {2: 8, 1: 1}


def test_both_replicas_work(utterance: MakeUtterance, place: Place, two: Crew) -> None:
    """Loading starts a process for each replica, and the end of the crew ends them."""
    two.load()
    pids = processes(two)
    assert len(set(pids)) == 2
    assert len(list(two.hear([utterance("a"), utterance("b")], place, 1))) == 2
    assert processes(two) == pids
    two.close()
    assert processes(two) == []


def test_a_replica_that_dies_is_started_again(utterance: MakeUtterance, place: Place, two: Crew) -> None:
    """After the death of a process its batch is tried one by one in a new one, and nothing is lost."""
    two.load()
    for pid in processes(two):
        os.kill(pid, signal.SIGKILL)
    records = list(two.hear([utterance(name) for name in "abcd"], place, 2))
    assert sorted(record.utterance for record in records) == ["a", "b", "c", "d"]
    assert all(record.transcript for record in records)


def test_a_model_that_cannot_be_loaded_fails_on_all(utterance: MakeUtterance, place: Place) -> None:
    """A backend that cannot be built in its process leaves a failure record for each utterance, and no process."""
    fields = Blueprint.of("fake", FakeBackend(weights=None)).fields
    with Crew(Blueprint(backend="nobody", fields=fields), 2) as crew:
        crew.load()
        records = list(crew.hear([utterance("a"), utterance("b")], place, 1))
        assert [(record.failure.stage, record.failure.kind) for record in records] == [("load", "UnknownName")] * 2
        assert processes(crew) == []


def test_unreadable_audio_and_what_is_known_need_no_replica(
    utterance: MakeUtterance, place: Place, transcripts: TranscriptCache, two: Crew
) -> None:
    """What cannot be read fails, what the cache knows is recalled, and no process is started for either."""
    known = utterance("known")
    transcripts.keep(known.hear(), "en", Transcript(text="recalled"))
    records = {r.utterance: r for r in two.hear([known, utterance("bad", broken=True)], place, 4, cache=transcripts)}
    assert records["known"].cached
    assert records["bad"].failure.stage == "read"
    assert processes(two) == []


def test_what_is_heard_is_kept(utterance: MakeUtterance, place: Place, transcripts: TranscriptCache, two: Crew) -> None:
    """What replicas write is recalled the next time."""
    corpus = [utterance(name, 0.1 * n) for n, name in enumerate("abc", start=1)]
    assert not any(record.cached for record in two.hear(corpus, place, 2, cache=transcripts))
    assert all(record.cached for record in two.hear(corpus, place, 2, cache=transcripts))


def test_who_stops_listening_waits_for_nobody(utterance: MakeUtterance, place: Place) -> None:
    """Records that nobody wants any more are not waited for, and no process stays."""
    with crew_of(2, replies=("word",)) as crew:
        records = crew.hear([utterance(f"u{n}") for n in range(20)], place, 1)
        next(records)
        records.close()
    assert processes(crew) == []


def test_an_utterance_that_kills_its_process_fails_alone(utterance: MakeUtterance, place: Place) -> None:
    """A batch on which the process dies is tried one by one: who kills it is a crash, and the others are heard."""
    with crew_of(1, replies=("word",), mishap="aborts", mishap_at=1) as crew:
        records = {r.utterance: r for r in crew.hear([utterance("a", 0.2), utterance("b", 0.1)], place, 2)}
    assert records["a"].transcript.text == "word"
    assert (records["b"].failure.stage, records["b"].failure.kind) == ("crash", "SIGABRT")

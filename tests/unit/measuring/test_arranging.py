"""Arranging: which crew hears soonest, how that is found out, and that nothing is heard twice for it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from modellab.backends.spec import parse_spec
from modellab.measuring import arranging
from modellab.measuring.accuracy import Place, hear
from modellab.measuring.arranging import Arrangements, Arranger, candidates, shares
from modellab.measuring.model import Model
from modellab.records.record import Arrangement, Record
from modellab.records.transcripts import TranscriptCache
from modellab.speech.transcript import Transcript
from modellab.speech.utterance import Utterance
from modellab.testing import FakeBackend

MakeUtterance = Callable[..., Utterance]
GIB = 2**30


class TimedCrew:
    """A crew whose speed is told: it moves the clock by so many seconds an utterance."""

    def __init__(self, clock: Any, utterance_s: float) -> None:
        self._clock, self._utterance_s = clock, utterance_s

    def load(self) -> None:
        """Take long, which is nobody's business."""
        self._clock.move(1000.0)

    def hear(
        self, utterances: Sequence[Utterance], place: Place, batch_size: int, *, cache: Any = None
    ) -> Iterator[Record]:
        """Hear in this process."""
        self._clock.move(self._utterance_s * len(utterances))
        model = Model(parse_spec("fake:none:cpu:float32"), ("*",), FakeBackend)
        return hear(model, utterances, place, batch_size, cache=cache)

    def __enter__(self) -> "TimedCrew":
        return self

    def __exit__(self, *exc: object) -> None:
        pass


@pytest.fixture
def arranger(clock: Any, tmp_path: Path) -> Arranger:
    """An arranger on two cores, where two replicas are twice as fast as one."""
    hired: list[tuple[int, int]] = []

    def hire(replicas: int, threads: int) -> TimedCrew:
        hired.append((replicas, threads))
        return TimedCrew(clock, 1.0 / replicas)

    made = Arranger(hire=hire, options=((1, 2), (2, 1)), known=Arrangements(tmp_path), key="k", clock=clock)
    object.__setattr__(made, "hired", hired)
    return made


def split(facts: Sequence[Any]) -> tuple[list[Record], list[Arrangement]]:
    """Give records and arrangements apart."""
    return [f for f in facts if isinstance(f, Record)], [f for f in facts if isinstance(f, Arrangement)]


def test_the_fastest_crew_hears_the_rest(utterance: MakeUtterance, place: Place, arranger: Any) -> None:
    """Both crews are tried on a few utterances each, the faster hears what is left, and the choice is a fact."""
    records, (arranged,) = split(list(arranger.hear([utterance(f"u{n}") for n in range(20)], place, 8, None)))
    assert Counter(record.utterance for record in records) == {f"u{n}": 1 for n in range(20)}
    assert arranger.hired == [(1, 2), (2, 1), (2, 1)]
    assert (arranged.replicas, arranged.threads, arranged.model) == (2, 1, place.model)
    assert [(t.replicas, t.threads, t.audio_s, t.work_s) for t in arranged.trials] == [
        (1, 2, 2.0, 2.0),
        (2, 1, 4.0, 2.0),
    ]


def test_what_was_best_is_not_tried_again(utterance: MakeUtterance, place: Place, arranger: Any) -> None:
    """A second corpus is heard by the crew that was best, without a trial."""
    list(arranger.hear([utterance(f"u{n}") for n in range(8)], place, 8, None))
    arranger.hired.clear()
    _, (arranged,) = split(list(arranger.hear([utterance("b")], place, 8, None)))
    assert arranger.hired == [(2, 1)]
    assert arranged.trials == ()


def test_a_choice_that_is_no_option_any_more_is_made_again(
    utterance: MakeUtterance, place: Place, arranger: Any
) -> None:
    """What was best with more memory or cores is not hired where it does not fit."""
    arranger.known.keep("k", (8, 1))
    _, (arranged,) = split(list(arranger.hear([utterance(f"u{n}") for n in range(8)], place, 8, None)))
    assert (arranged.replicas, len(arranged.trials)) == (2, 2)


def test_what_is_known_needs_no_crew(
    utterance: MakeUtterance, place: Place, arranger: Any, transcripts: TranscriptCache
) -> None:
    """Transcripts out of the cache take part in no trial, and if all are known nobody is hired."""
    corpus = [utterance(f"u{n}", 0.1 + n / 10) for n in range(4)]
    for each in corpus:
        transcripts.keep(each.hear(), "en", Transcript(text="known"))
    records, arranged = split(list(arranger.hear(corpus, place, 8, transcripts)))
    assert [record.cached for record in records] == [True] * 4
    assert (arranged, arranger.hired) == ([], [])


@pytest.mark.parametrize(
    ("cores", "free_bytes", "expected"),
    [
        (1, 64 * GIB, ((1, 1),)),
        (2, 64 * GIB, ((1, 2), (2, 1))),
        (6, 64 * GIB, ((1, 6), (2, 3), (4, 1))),
        (8, 64 * GIB, ((1, 8), (2, 4), (4, 2), (8, 1))),
        (8, 8 * GIB, ((1, 8), (2, 4))),
        (8, GIB // 4, ((1, 8),)),
    ],
)
def test_crews_use_the_cores_and_fit_in_memory(
    monkeypatch: pytest.MonkeyPatch, cores: int, free_bytes: int, expected: tuple[tuple[int, int], ...]
) -> None:
    """Options double the replicas up to the cores, and leave out what does not fit; one replica is always tried."""
    free = type("Free", (), {"available": free_bytes})
    monkeypatch.setattr(arranging.psutil, "virtual_memory", lambda: free)
    assert psutil.virtual_memory() is free
    assert candidates(cores, weights_bytes=GIB) == expected


def test_shares_are_alike_and_leave_the_rest(utterance: MakeUtterance) -> None:
    """Trials get utterances of middling duration, alike in length, and nobody gets the same one."""
    corpus = [utterance(f"u{n:02}", 0.1 * (n + 1)) for n in range(20)]
    dealt, rest = shares(corpus, [2, 4])
    assert [len(share) for share in dealt] == [2, 4]
    assert {u.id for share in dealt for u in share} == {f"u{n:02}" for n in range(7, 13)}
    assert {u.id for u in rest} | {u.id for share in dealt for u in share} == {u.id for u in corpus}
    means = [sum(u.duration_s for u in share) / len(share) for share in dealt]
    assert means[0] == pytest.approx(means[1], rel=0.2)


def test_shares_of_a_small_corpus_are_what_there_is(utterance: MakeUtterance) -> None:
    """With fewer utterances than trials want, each gets some and nothing is left."""
    dealt, rest = shares([utterance("a"), utterance("b")], [2, 4])
    assert sorted(len(share) for share in dealt) == [1, 1]
    assert rest == []


def test_a_broken_file_of_choices_is_written_anew(tmp_path: Path) -> None:
    """A file that is no JSON knows nothing, and a choice can be kept in its place."""
    (tmp_path / "arrangements.json").write_text("nonsense")
    known = Arrangements(tmp_path)
    assert known.recall("k") is None
    known.keep("k", (2, 1))
    assert Arrangements(tmp_path).recall("k") == (2, 1)

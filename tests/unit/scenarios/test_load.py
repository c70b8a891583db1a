"""Load: callers that wait, schedules that do not, and a desk between them and the replicas."""

import threading
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest

from modellab.errors import BackendRaised, MeasurementRefused
from modellab.measuring.accuracy import Batch
from modellab.scenarios.desk import Desk
from modellab.scenarios.load import at_once, closed, opened, repeated
from modellab.scenarios.performing import batches_of
from modellab.speech.audio import Audio
from modellab.speech.transcript import Transcript
from modellab.speech.utterance import Corpus


class Clerk:
    """A replica that is its own backend, and takes `seconds` for each batch."""

    def __init__(self, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.seconds, self.error, self.killed = seconds, error, False
        self.busy = threading.Lock()

    @property
    def backend(self) -> "Clerk":
        """Itself."""
        return self

    def kill(self) -> None:
        """Note it."""
        self.killed = True

    def listen(self, audios: Sequence[Audio], language: str | None = None) -> tuple[list[Transcript], float]:
        """Take time; nobody else may ask meanwhile."""
        assert self.busy.acquire(blocking=False), "two requests at once"
        try:
            time.sleep(self.seconds)
            if self.error:
                raise self.error
            return [Transcript(text=language or "") for _ in audios], self.seconds
        finally:
            self.busy.release()


@pytest.fixture
def batches(corpus: Corpus) -> tuple[Batch, ...]:
    """Every utterance alone."""
    return batches_of(corpus.utterances)


def test_a_caller_waits_for_its_answer(batches):
    """A single caller's request is sent when its last is answered, and waits for nobody."""
    with Desk([Clerk(0.02)]) as desk:
        calls = closed(desk, batches)
    assert [call.utterances for call in calls] == [("u1",), ("u2",), ("u3",), ("u4",)]
    assert all(late.issued_s >= early.ended_s for early, late in pairwise(calls))
    assert all(call.due_s == call.issued_s and call.latency_s >= 0.02 for call in calls)
    assert all(0 <= call.harness_s < 1 for call in calls)
    assert {call.texts for call in calls} == {("en",)}


def test_callers_take_turns_at_one_replica(batches):
    """Of callers at one replica each gets its share, and waits for the others."""
    with Desk([Clerk(0.02)]) as desk:
        calls = closed(desk, tuple(repeated(batches, 12)), 3)
    assert [sum(call.caller == caller for call in calls) for caller in range(3)] == [4, 4, 4]
    assert [call.utterances for call in calls if call.caller == 1] == [("u2",), ("u1",), ("u4",), ("u3",)]
    waited = [call.begun_s - call.issued_s for call in calls[3:]]
    assert min(waited) > 0.01


def test_replicas_share_the_work(batches):
    """Two replicas answer at the same time, and each is asked by one caller at a time."""
    with Desk([Clerk(0.05), Clerk(0.05)]) as desk:
        calls = at_once(desk, tuple(repeated(batches, 8)))
    assert {call.worker for call in calls} == {0, 1}
    assert any(a.begun_s < b.begun_s < a.ended_s for a in calls for b in calls if a.worker != b.worker)
    assert {call.due_s for call in calls} == {0.0}


def test_latency_counts_from_when_a_request_was_due(batches):
    """Requests that come faster than they are answered wait longer and longer: nothing of that is left out."""
    due = [0.01 * n for n in range(10)]
    with Desk([Clerk(0.05)]) as desk:
        calls = opened(desk, tuple(repeated(batches, 10)), due)
    assert [call.due_s for call in calls] == due
    assert calls[-1].latency_s > 0.05 * 10 - due[-1] - 0.01
    assert all(call.late_s < 0.03 for call in calls)
    from_begin = [call.ended_s - call.begun_s for call in calls]
    assert max(from_begin) < calls[-1].latency_s / 2


def test_a_generator_that_was_held_up_does_not_forgive_itself(batches):
    """Where the generator itself is late, latency still counts from the schedule."""

    def oversleep(seconds: float) -> None:
        time.sleep(seconds + 0.1)

    with Desk([Clerk()]) as desk:
        (call,) = opened(desk, batches[:1], [0.01], sleep=oversleep)
    assert call.late_s > 0.08
    assert call.latency_s >= call.late_s


def test_enough_is_enough(batches):
    """Once an answer is enough nothing more is sent, and what waits is not heard."""
    with Desk([Clerk(0.02)]) as desk:
        calls = opened(desk, tuple(repeated(batches, 50)), [0.001 * n for n in range(50)], enough=lambda call: True)
    assert 1 <= len(calls) < 50


def test_a_failure_is_an_answer(batches):
    """What a backend raises is part of the call, and the next request is taken."""
    failing = Clerk(error=BackendRaised("no more memory", stage="transcribe", kind="MemoryError"))
    with Desk([failing]) as desk:
        calls = at_once(desk, batches)
    assert [(call.failure.stage, call.failure.kind, call.failure.message) for call in calls] == [
        ("transcribe", "MemoryError", "no more memory")
    ] * 4
    assert all(call.seconds is None and call.texts == () and call.harness_s is None for call in calls)


def test_what_is_raised_leaves_nobody_at_work(batches):
    """Whoever interrupts a load ends its replicas, and waits for no answer."""
    clerks = [Clerk(0.2), Clerk(0.2)]

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Desk(clerks) as desk:
        opened(desk, tuple(repeated(batches, 40)), [*[0.0] * 39, 9.0], sleep=interrupt)
    assert all(clerk.killed for clerk in clerks)
    assert time.monotonic() - started < 3


def test_a_clock_that_goes_back_is_refused(batches):
    """Times that run backwards are no latency: the measurement is refused."""
    ticks = iter([100.0, 101.0, 102.0, 99.0, *[98.0] * 9])
    with pytest.raises(MeasurementRefused, match="the clock went back"), Desk([Clerk()], lambda: next(ticks)) as desk:
        closed(desk, batches[:1])

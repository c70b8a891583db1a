"""Load: callers that wait, schedules that do not, and a desk between them and the replicas."""

import threading
import time
from collections.abc import Callable, Sequence
from itertools import count, pairwise
from statistics import median
from typing import Any

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
    """A replica that is its own backend, and takes `seconds` for each batch, after what comes `before`."""

    def __init__(
        self, seconds: float = 0.0, error: Exception | None = None, before: Callable[[], object] = lambda: None
    ) -> None:
        self.seconds, self.error, self.before, self.killed = seconds, error, before, False
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
            self.before()
            time.sleep(self.seconds)
            if self.error:
                raise self.error
            return [Transcript(text=language or "") for _ in audios], self.seconds
        finally:
            self.busy.release()


class CountingDesk(Desk):
    """A desk that counts its requests; `asked` waits until there were so many of them."""

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self.requests, self._grew = 0, threading.Condition()

    def ask(self, *words: Any, **named: Any) -> Any:
        """Count, once it is in the queue."""
        answer = super().ask(*words, **named)
        with self._grew:
            self.requests += 1
            self._grew.notify_all()
        return answer

    def asked(self, requests: int) -> None:
        """Wait for so many requests."""
        with self._grew:
            assert self._grew.wait_for(lambda: self.requests >= requests, 30), "nobody asks any more"


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
    assert all(0 <= call.harness_s < 10 for call in calls)
    assert {call.texts for call in calls} == {("en",)}


def test_callers_take_turns_at_one_replica(batches):
    """Of callers at one replica each gets its share, and waits for the others."""
    answers = count(3)
    with CountingDesk([clerk := Clerk(0.02)]) as desk:
        clerk.before = lambda: desk.asked(min(next(answers), 12))  # whoever was answered has asked again
        calls = closed(desk, tuple(repeated(batches, 12)), 3)
    assert [sum(call.caller == caller for call in calls) for caller in range(3)] == [4, 4, 4]
    assert [call.utterances for call in calls if call.caller == 1] == [("u2",), ("u1",), ("u4",), ("u3",)]
    turns = [call.caller for call in sorted(calls, key=lambda call: call.begun_s)]
    assert turns == turns[:3] * 4
    waited = [call.begun_s - call.issued_s for call in calls[3:]]
    assert min(waited) >= 0.02


def test_replicas_share_the_work(batches):
    """Two replicas answer at the same time, and each is asked by one caller at a time."""
    both = threading.Barrier(2, timeout=30)
    with Desk([Clerk(0.02, before=both.wait), Clerk(0.02, before=both.wait)]) as desk:
        calls = at_once(desk, tuple(repeated(batches, 8)))
    assert {call.worker for call in calls} == {0, 1}
    assert any(a.begun_s < b.begun_s < a.ended_s for a in calls for b in calls if a.worker != b.worker)
    assert {call.due_s for call in calls} == {0.0}


def test_latency_counts_from_when_a_request_was_due(batches):
    """Requests that come faster than they are answered wait longer and longer: nothing of that is left out."""
    due = [0.01 * n for n in range(10)]
    with CountingDesk([clerk := Clerk(0.05)]) as desk:
        clerk.before = lambda: desk.asked(10)
        calls = opened(desk, tuple(repeated(batches, 10)), due)
    assert [call.due_s for call in calls] == due
    assert max(call.issued_s for call in calls) < min(call.ended_s for call in calls), "it waited for an answer"
    assert all(call.late_s >= 0 for call in calls)
    assert calls[-1].latency_s > 0.05 * 10 - due[-1] - 0.01
    from_begin = [call.ended_s - call.begun_s for call in calls]
    assert median(from_begin) < calls[-1].latency_s / 2


def test_a_generator_that_was_held_up_does_not_forgive_itself(batches, clock):
    """Where the generator itself is late, latency still counts from the schedule."""
    with Desk([Clerk(before=lambda: clock.move(0.5))], clock) as desk:
        (call,) = opened(desk, batches[:1], [0.01], sleep=lambda seconds: clock.move(seconds + 0.1))
    assert call.late_s == pytest.approx(0.099)  # a millisecond of the wait is not slept
    assert call.latency_s == pytest.approx(0.599)


def test_enough_is_enough(batches):
    """Once an answer is enough nothing more is sent, and what waits is not heard."""
    with Desk([Clerk(0.02)]) as desk:
        calls = opened(desk, tuple(repeated(batches, 50)), [0.001 * n for n in range(50)], enough=lambda call: True)
    assert 1 <= len(calls) < 50


def test_what_waits_is_forgotten_though_all_was_sent(batches):
    """An answer that is enough ends the wait for the others, also where it comes after the last was sent."""
    with CountingDesk([clerk := Clerk(0.01)]) as desk:
        clerk.before = lambda: desk.asked(50)
        calls = opened(desk, tuple(repeated(batches, 50)), [0.0] * 50, enough=lambda call: True)
    assert 1 <= len(calls) <= 2  # the last may be sent in that very moment


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
    killed = threading.Event()
    heard: list[bool] = []

    class Stubborn(Clerk):
        def kill(self) -> None:
            super().kill()
            killed.set()

    def until_killed() -> None:
        heard.append(killed.wait(30))

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    clerks = [Stubborn(before=until_killed), Stubborn(before=until_killed)]
    with pytest.raises(KeyboardInterrupt), Desk(clerks) as desk:
        opened(desk, tuple(repeated(batches, 40)), [*[0.0] * 39, 600.0], sleep=interrupt)
    assert all(clerk.killed for clerk in clerks)
    assert len(heard) <= 2
    assert all(heard)


def test_a_clock_that_goes_back_is_refused(batches):
    """Times that run backwards are no latency: the measurement is refused."""
    ticks = iter([100.0, 101.0, 102.0, 99.0, *[98.0] * 9])
    with pytest.raises(MeasurementRefused, match="the clock went back"), Desk([Clerk()], lambda: next(ticks)) as desk:
        closed(desk, batches[:1])

"""Figures of performances: latency, throughput, fairness, and the rate that a server keeps."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from modellab.records.failure import Failure
from modellab.records.scenario import Call, Footprint, Performance
from modellab.reporting.performance import best, cpu_per_audio, latency, point, served

BROKEN = Failure(stage="transcribe", kind="MemoryError", message="no more")


def call(due_s: float, took_s: float, duration_s: float = 5.0, **facts: object) -> Call:
    """Give a call that was issued and begun when it was due."""
    known = {"due_s": due_s, "issued_s": due_s, "begun_s": due_s, "ended_s": due_s + took_s, "seconds": took_s * 0.99}
    return Call(utterances=("u",), audio_duration_s=duration_s, **{**known, **facts})


@pytest.fixture
def performance() -> Callable[..., Performance]:
    """A maker of performances that last as long as their calls."""

    def make(scenario: str, calls: Sequence[Call], **facts: object) -> Performance:
        known = {"model": "m", "corpus": "c", "session": 1, "setting": {}, "took_s": max(c.ended_s for c in calls)}
        return Performance(scenario=scenario, calls=tuple(calls), **{**known, **facts})

    return make


def test_latency_is_of_single_streams(performance):
    """Quantiles are of what one caller met, refused below their support, beside the fitted costs."""
    alone = performance(
        "single-stream", [call(n, 0.2 + 0.1 * (n % 10), duration_s=1.0 + n % 10) for n in range(130)], cpu_s=71.5
    )
    found = latency([alone, performance("offline", [call(0, 60.0)])])
    assert (found.calls, found.failed) == (130, 0)
    assert found.value(0.5) == pytest.approx(0.65)
    assert found.value(0.95) == pytest.approx(1.1)
    assert found.value(0.99) is None
    assert (found.line.fixed_s, found.line.rtf) == pytest.approx((0.1, 0.1))
    assert found.harness_share == pytest.approx(0.01)
    assert found.cpu_s == pytest.approx(71.5 / 715)


def test_failed_calls_are_counted_and_in_no_figure(performance):
    """A call without an answer has no latency, and is not forgotten."""
    found = latency(
        [performance("single-stream", [call(0, 1.0), call(1, 2.0), call(2, 3.0), call(3, 9.0, failure=BROKEN)])]
    )
    assert (found.calls, found.failed, found.value(0.5)) == (4, 1, 2.0)
    assert latency([performance("offline", [call(0, 1.0)])]) is None


def test_a_point_says_what_came_of_a_setting(performance):
    """Audio a second, memory of all replicas together, cost and price are those of the performance."""
    memory = (Footprint(peak_bytes=300), Footprint(peak_bytes=200))
    found = point(performance("offline", [call(0, 2.0), call(0, 4.0)], cpu_s=5.0, memory=memory))
    assert found.rtfx == pytest.approx(10 / 4)
    assert found.peak_bytes == 500
    assert found.cost.core_hours == pytest.approx(0.5)
    assert found.cost.energy_kwh is None
    assert found.price(1.0) == pytest.approx(0.4)
    assert point(performance("offline", [call(0, 1.0)], memory=(*memory, Footprint()))).peak_bytes is None


def test_the_best_setting_is_one_in_which_nothing_failed(performance):
    """The most audio a second wins among what was answered whole."""
    slow = performance("offline", [call(0, 2.0)], setting={"batch_size": 1})
    fast = performance("offline", [call(0, 1.0)], setting={"batch_size": 4})
    broken = performance("offline", [call(0, 0.1), call(0, 0.2, failure=BROKEN)], setting={"batch_size": 8})
    assert best([slow, fast, broken]).setting == {"batch_size": 4}
    assert point(broken).failure == BROKEN
    assert best([broken]) is None


@pytest.mark.parametrize(("ends", "index"), [([2.0, 2.0], 1.0), ([1.0, 1e9], 0.5)])
def test_fairness_is_jains(performance, ends, index):
    """Callers with equal rates have 1, and of two of whom one has nearly all, a half."""
    calls = [call(0, end, caller=number) for number, end in enumerate(ends)]
    assert point(performance("concurrent", calls)).fairness == pytest.approx(index, abs=1e-6)


def serving(rate: float, slow: int = 0, *, confirming: bool = False, bound_s: float = 1.0) -> dict[str, object]:
    """Give the facts of a server's performance of 130 requests."""
    setting = {"rate_per_s": rate, "bound_s": bound_s, "quantile": 0.95, "requests": 130, "confirming": confirming}
    return {"calls": [call(n, 2.0 if n < slow else 0.1) for n in range(130)], "setting": setting}


def test_the_rate_is_one_that_was_confirmed(performance):
    """Of all rates that kept the bound, the one counts that kept it again under other arrivals."""
    runs = [serving(1.0), serving(2.0, slow=1), serving(2.0, slow=2, confirming=True), serving(1.6, confirming=True)]
    found = served([performance("server", **facts) for facts in runs])
    assert found.rate_per_s == 1.6
    assert [(rate, keeps) for rate, _, keeps in found.tried] == [(1.0, True), (2.0, True), (2.0, False), (1.6, True)]


def test_another_bound_is_another_question(performance):
    """Only performances under the last bound that was asked for are judged by it."""
    runs = [serving(9.0, confirming=True, bound_s=60.0), serving(1.0, slow=2, confirming=True)]
    found = served([performance("server", **facts) for facts in runs])
    assert (found.bound_s, found.rate_per_s, len(found.tried)) == (1.0, None, 1)
    assert served([]) is None


@pytest.mark.parametrize("change", [{"failure": BROKEN}, {"calls": ()}, {"calls": 129}, {"calls": "failing"}])
def test_what_does_not_keep_a_bound(performance, change):
    """A performance that ended early, or in which two requests failed, keeps none."""
    whole = performance("server", **serving(1.0))
    assert whole.kept
    calls = {
        129: whole.calls[:129],
        "failing": (*whole.calls[:128], *[replace(c, failure=BROKEN) for c in whole.calls[128:]]),
    }
    changed = {
        name: calls.get(value, value) if isinstance(value, int | str) else value for name, value in change.items()
    }
    assert not replace(whole, **changed).kept


def test_processor_time_of_which_a_part_is_unknown_is_unknown(performance):
    """A sum of what is known would be too small."""
    known, unknown = performance("offline", [call(0, 1.0)], cpu_s=2.0), performance("offline", [call(0, 1.0)])
    assert cpu_per_audio([known]) == pytest.approx(0.4)
    assert cpu_per_audio([known, unknown]) is None

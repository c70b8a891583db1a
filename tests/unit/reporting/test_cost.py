"""Cost: what an hour of audio takes, and that what was not measured has no cost."""

from typing import Any

import pytest

from modellab.records.failure import Failure
from modellab.records.scenario import Call, Performance
from modellab.reporting.cost import Cost, core_hours, cost_of, energy_kwh, money

FAILURE = Failure(stage="transcribe", kind="RuntimeError", message="no")


def call(audio_s: float, failure: Failure | None = None) -> Call:
    """Give a call of so much audio."""
    return Call(
        utterances=("u",), audio_duration_s=audio_s, due_s=0.0, issued_s=0.0, begun_s=0.0, ended_s=1.0, failure=failure
    )


def performance(*calls: Call, **facts: Any) -> Performance:
    """Give a performance of ten seconds."""
    known = {"model": "m", "corpus": "c", "session": 1, "scenario": "offline", "setting": {}, "took_s": 10.0}
    return Performance(calls=calls, **{**known, **facts})


def test_an_hour_of_audio_costs_what_its_share_did() -> None:
    """Forty seconds of audio in ten, with twenty of processors and 72 kJ: half a core, 1.8 kWh, a quarter hour."""
    cost = cost_of(performance(call(30.0), call(10.0), cpu_s=20.0, energy_j=72_000.0), per_hour=2.0)
    assert cost == Cost(core_hours=pytest.approx(0.5), energy_kwh=pytest.approx(1.8), money=pytest.approx(0.5))


def test_a_steady_draw_gives_its_power_times_the_time() -> None:
    """A machine of 100 W that listens at real time needs 0.1 kWh an hour of audio, and costs its hour."""
    cost = cost_of(performance(call(10.0), energy_j=1000.0), per_hour=3.0)
    assert (cost.energy_kwh, cost.money) == (pytest.approx(0.1), pytest.approx(3.0))


def test_what_was_not_measured_has_no_cost() -> None:
    """Without processor time, meters or a price each cost is absent, and not 0."""
    assert cost_of(performance(call(10.0))) == Cost(core_hours=None, energy_kwh=None, money=None)


@pytest.mark.parametrize("calls", [(), (call(10.0, FAILURE),), (call(0.0),)])
def test_without_audio_there_is_no_cost(calls: tuple[Call, ...]) -> None:
    """Where nothing was answered, an hour of it cannot be told."""
    assert cost_of(performance(*calls, cpu_s=1.0, energy_j=1.0), per_hour=1.0) == Cost()


def test_failed_calls_are_paid_for_by_the_others() -> None:
    """The audio of a call that failed does not count, what it took does."""
    cost = cost_of(performance(call(10.0), call(90.0, FAILURE), cpu_s=20.0), per_hour=1.0)
    assert (cost.core_hours, cost.money) == (pytest.approx(2.0), pytest.approx(1.0))


def test_nothing_measured_is_not_nothing_spent() -> None:
    """Zero seconds of processors cost zero; none measured cost nobody knows what."""
    assert (core_hours(0.0, 10.0), core_hours(None, 10.0), core_hours(1.0, 0.0)) == (0.0, None, None)
    assert (energy_kwh(None, 10.0), energy_kwh(1.0, 0.0)) == (None, None)
    assert (money(None, 10.0, 10.0), money(1.0, 10.0, 0.0)) == (None, None)

"""Deployments: what the facts of one model come to, and how they are written for people."""

import pytest

from modellab.records.failure import Failure
from modellab.records.record import ColdStart
from modellab.records.scenario import Call, Footprint, Growth, Partial, Performance, Stream
from modellab.reporting.accuracy import judge_utterance
from modellab.reporting.deployment import deployment, starts_of


def performed(scenario: str, **facts: object) -> Performance:
    """Give a performance of one call that took two seconds of five of audio."""
    call = Call(utterances=("u",), audio_duration_s=5.0, due_s=0.0, issued_s=0.0, begun_s=0.0, ended_s=2.0, seconds=1.9)
    known = {"setting": {}, "calls": (call,), "took_s": 2.0, "memory": (Footprint(loaded_bytes=9, peak_bytes=12),)}
    return Performance(model="m", corpus="c", session=1, scenario=scenario, **{**known, **facts})


def start(total_s: float, cached_share: float | None = None, **facts: object) -> ColdStart:
    """Give a cold start."""
    return ColdStart(model="m", session=1, total_s=total_s, cached_share=cached_share, **facts)


def test_nothing_performed_is_no_deployment():
    """A model that was only heard, timed and started has none."""
    assert deployment([], [], {}, [start(1.0)], {}) is None


def test_each_scenario_has_its_figures(record):
    """Every fact is found again under its scenario, and what was not performed is absent."""
    growth = Growth(model="m", session=1, turn="transcribe", resident_bytes=tuple([10_000_000] * 20), unloaded_bytes=7)
    stream = Stream(
        model="m", corpus="c", session=1, utterance="u", audio_duration_s=1.0, reference="a", method="native",
        step_s=1.0, language="en", partials=(Partial(at_s=1.5, heard_s=1.0, text="a", agreed=1),),
    )  # fmt: skip
    found = deployment(
        [performed("single-stream"), performed("offline", setting={"batch_size": 1})],
        [stream],
        {"transcribe": growth},
        [start(1.0, 1.0)],
        {"u": judge_utterance(record("u")).score},
    )
    assert found.latency.calls == 1
    assert [point.setting for point in found.offline] == [{"batch_size": 1}]
    assert found.best.rtfx == pytest.approx(2.5)
    assert (found.footprint.loaded_bytes, found.footprint.peak_bytes) == (9, 12)
    assert found.streamed.utterances == 1
    assert found.growth.bytes_per_turn == 0
    assert (found.unloaded_bytes, found.reloads, found.served, found.concurrent) == (7, None, None, ())
    assert found.starts.warm.total_s == 1.0


def test_starts_are_told_by_the_page_cache():
    """The last start with the weights cached is warm, the last without is cold, and a failed one is neither."""
    broken = start(0.1, 1.0, failure=Failure(stage="load", kind="OSError", message="gone"))
    found = starts_of([start(9.0, 0.0), start(3.0, 1.0), start(2.0, 0.9), start(8.0, 0.1), broken])
    assert (found.warm.total_s, found.cold.total_s) == (2.0, 8.0)
    assert starts_of([start(5.0)]).warm.total_s == 5.0
    assert starts_of([]).warm is starts_of([]).cold is None

"""Server: arrivals by chance, the highest rate that keeps a bound, and schedules that cannot be held."""

from dataclasses import replace
from itertools import islice

import pytest

from modellab.errors import MeasurementRefused
from modellab.records.scenario import Call
from modellab.scenarios import server as module
from modellab.scenarios.server import Server, Target

SMALL = Target(bound_s=0.2, quantile=0.9, requests=64)


def test_requests_come_by_schedule(ensemble, corpus):
    """A slow server is sent as many requests as a fast one, and its queue is part of every latency."""
    target = Target(bound_s=60.0, quantile=0.9, requests=64)
    with ensemble(seconds_per_audio=0.02) as one:
        found = Server(ensemble=one, corpus=corpus, target=target).at(100.0)
    assert len(found.calls) == 64
    assert found.setting["rate_per_s"] == 100.0
    assert found.calls[-1].latency_s > 64 * 0.02 - found.calls[-1].due_s - 0.1
    assert found.kept


def test_an_overload_ends_early(ensemble, corpus):
    """Once the bound cannot be kept any more nothing is sent, and the target is not kept."""
    with ensemble(seconds_per_audio=0.05) as one:
        found = Server(ensemble=one, corpus=corpus, target=SMALL).at(40.0)
    assert len(found.calls) < 64
    assert not found.kept


def by_the_book(desk, batches, due_s, *, enough):
    """Give the calls of a replica that takes 0.02 s for each, which nobody keeps from its work."""
    calls, free_s = [], 0.0
    for batch, due in zip(batches, due_s, strict=True):
        begun_s = max(due, free_s)
        free_s = begun_s + 0.02
        names = tuple(utterance.id for utterance, _ in batch.audible)
        known = {"due_s": due, "issued_s": due, "begun_s": begun_s, "ended_s": free_s, "seconds": 0.02}
        calls.append(Call(utterances=names, audio_duration_s=1.0, **known))
        if enough(calls[-1]):
            break
    return tuple(calls)


def test_the_rate_that_is_found_lies_below_what_replicas_can_do(ensemble, corpus, monkeypatch):
    """By bisection the highest rate is found that keeps the bound, and confirmed by other arrivals."""
    monkeypatch.setattr(module, "opened", by_the_book)
    with ensemble(seconds_per_audio=0.02) as one:
        found = list(Server(ensemble=one, corpus=corpus, target=SMALL, tolerance=0.3, limit_s=20).search())
    assert found[0].scenario == "single-stream"
    assert found[-1].setting["confirming"] is True
    assert found[-1].kept
    assert 64 / 20 <= found[-1].setting["rate_per_s"] < 1.5 / 0.02
    assert any(not performance.kept for performance in found[1:])
    assert len({performance.setting["seed"] for performance in found[1:]}) == len(found) - 1


def test_where_no_rate_is_too_high_the_search_ends(ensemble, corpus, monkeypatch):
    """A bound that is kept though all requests come at once is kept at any rate: that one is confirmed."""
    monkeypatch.setattr(module, "opened", by_the_book)
    target = Target(bound_s=60.0, quantile=0.9, requests=64)
    with ensemble() as one:
        found = list(islice(Server(ensemble=one, corpus=corpus, target=target, tolerance=0.3).search(), 100))
    assert found[-1].setting["confirming"] is True
    assert all(performance.kept for performance in found[1:])
    assert 64 / 0.001 <= found[-1].setting["rate_per_s"] < 1e6


def test_a_model_that_always_fails_has_no_rate(ensemble, corpus):
    """Where no call is answered no rate is looked for."""
    with ensemble(most_audios=1) as one:
        one.blueprint = replace(one.blueprint, fields={**one.blueprint.fields, "most_audios": 0})
        one._replicas[0].worker.blueprint = one.blueprint
        one._replicas[0].kill()
        found = list(Server(ensemble=one, corpus=corpus, target=SMALL).search())
    assert len(found) == 1
    assert found[0].answered == ()


def test_a_schedule_that_cannot_be_held_is_refused(ensemble, corpus):
    """A rate beyond what this machine can send is a failure that says so, not a latency."""
    target = Target(bound_s=0.0001, quantile=0.9, requests=64)
    with ensemble() as one:
        server = Server(ensemble=one, corpus=corpus, target=target)
        found = server._checked(server.at(5.0), 5.0)
        late = replace(found, failure=None, calls=tuple(replace(c, issued_s=c.due_s + 1.0) for c in found.calls))
        refused = server._checked(late, 1e6)
    assert refused.failure.kind.endswith("MeasurementRefused")
    assert "cannot send 1e+06 requests a second" in refused.failure.message
    assert not refused.kept


@pytest.mark.parametrize("rate", [0.0, -3.0, float("nan")])
def test_a_rate_that_is_none_is_refused(ensemble, corpus, rate):
    """Zero, less and no number are refused before anything is heard."""
    with ensemble() as one, pytest.raises(MeasurementRefused, match="rate_per_s must be above 0"):
        Server(ensemble=one, corpus=corpus, target=SMALL).at(rate)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"bound_s": 0.0}, "bound of latency must be above 0 s"),
        ({"bound_s": float("inf")}, "bound of latency"),
        ({"requests": 60}, "60 requests never show where 1 in 20 is"),
    ],
)
def test_a_target_that_cannot_be_shown_is_refused(facts, words):
    """A bound is above zero, and there are requests enough to show its quantile."""
    with pytest.raises(MeasurementRefused, match=words):
        Target(**facts)

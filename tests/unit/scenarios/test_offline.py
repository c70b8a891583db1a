"""Offline: everything at once, under many settings, and batches that do not fit."""

import pytest

from modellab.errors import MeasurementRefused
from modellab.scenarios.offline import Arranged, arrangements, sweep


def test_every_setting_is_performed(ensemble, piece, corpus):
    """Each of replicas, threads, batch size and order has its performance of the whole corpus."""
    settings = [Arranged(replicas=r, batch_size=b, by_length=o) for r in (1, 2) for b in (1, 3) for o in (True, False)]
    found = list(sweep(lambda count, threads: ensemble(count, threads=threads), piece, corpus.utterances, settings))
    assert [performance.setting for performance in found] == [
        {"replicas": r, "threads": 1, "batch_size": b, "by_length": o}
        for r in (1, 2)
        for o in (True, False)
        for b in (1, 3)
    ]
    for performance in found:
        assert sorted(name for call in performance.calls for name in call.utterances) == ["u1", "u2", "u3", "u4"]
        assert {call.due_s for call in performance.calls} == {0.0}
        assert performance.rtfx > 0


def test_like_lengths_meet(ensemble, piece, corpus):
    """By length the longest are heard first and together; else the corpus's order stands."""
    settings = [Arranged(batch_size=2, by_length=True), Arranged(batch_size=2, by_length=False)]
    sorted_, plain = sweep(lambda count, threads: ensemble(count, threads=threads), piece, corpus.utterances, settings)
    assert [call.utterances for call in sorted_.calls] == [("u4", "u3"), ("u2", "u1")]
    assert [call.utterances for call in plain.calls] == [("u1", "u2"), ("u3", "u4")]


def test_a_batch_that_does_not_fit_is_bisected(ensemble, piece, corpus):
    """What is too large is reported, and the largest that fits is found; nothing larger is tried."""
    settings = [Arranged(batch_size=size) for size in (1, 4, 64)]
    found = list(sweep(lambda count, threads: ensemble(count, most_audios=2), piece, corpus.utterances, settings))
    assert [performance.setting["batch_size"] for performance in found] == [1, 4, 2, 3]
    failed = {
        performance.setting["batch_size"]: [c.failure for c in performance.calls if c.failure] for performance in found
    }
    assert {size: bool(failures) for size, failures in failed.items()} == {1: False, 2: False, 3: True, 4: True}
    assert failed[4][0].kind.endswith("MemoryError")


def test_a_setting_that_cannot_be_loaded_is_reported_and_the_next_tried(ensemble, piece, corpus):
    """Replicas that do not start fail their own settings alone."""

    def hire(count: int, threads: int):
        return ensemble(count, mishap="exits" if threads == 2 else None, mishap_at=None, threads=threads)

    bad, good = sweep(hire, piece, corpus.utterances, [Arranged(threads=2), Arranged(threads=4)])
    assert bad.setting["threads"] == 2
    assert bad.calls == ()
    assert "ended" in bad.failure.message
    assert len(good.answered) == 4


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"replicas": -1}, {"threads": 0}])
def test_settings_are_counted_from_one(wrong):
    """Nothing and less is refused."""
    with pytest.raises(MeasurementRefused, match="must be 1 or more"):
        Arranged(**wrong)


def test_the_cores_are_shared_out():
    """Replicas share the cores, one thread is tried alone, and the largest batch in the corpus's own order, too."""
    found = arrangements(4, (1, 2, 8), (1, 8))
    assert {(each.replicas, each.threads) for each in found} == {(1, 4), (2, 2), (1, 1)}
    assert [(e.batch_size, e.by_length) for e in found if e.threads == 2] == [(1, True), (8, True), (8, False)]
    assert len(arrangements(1, (1, 2), (1,))) == 1

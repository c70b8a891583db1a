"""Performing: replicas, loaded and warm, and what a scenario took of them."""

import pytest

from modellab.errors import MeasurementRefused, WorkerError
from modellab.scenarios.callers import ask
from modellab.scenarios.performing import batches_of, example_of


def test_a_performance_says_what_it_took(ensemble, corpus):
    """Calls, time, processor seconds and memory are there, and which setting they are of."""
    with ensemble(2, seconds_per_audio=0.02, threads=3) as two:
        found = ask(two, corpus, 6, callers=2)
    assert (found.model, found.corpus, found.scenario) == ("fake:none:cpu:float32", "tones", "concurrent")
    assert found.setting == {"replicas": 2, "threads": 3, "callers": 2}
    assert len(found.answered) == 6
    assert found.took_s >= 3 * 0.02
    assert found.rtfx == pytest.approx(sum(call.audio_duration_s for call in found.calls) / found.took_s)
    assert 0 <= found.cpu_s < 60
    assert len(found.memory) == 2
    assert all(0 < own.loaded_bytes <= own.peak_bytes for own in found.memory)


def test_one_caller_is_the_single_stream(ensemble, corpus):
    """Utterances are asked for in turn, from the first again after the last."""
    with ensemble() as one:
        found = ask(one, corpus, 5)
    assert found.scenario == "single-stream"
    assert [call.utterances[0] for call in found.calls] == ["u1", "u2", "u3", "u4", "u1"]


def test_a_replica_that_dies_is_started_again(ensemble, corpus):
    """A call whose process dies is a failure that says so; the next is answered, and nobody knows the whole's cost."""
    with ensemble(mishap="exits", mishap_at=5) as one:  # three to warm up, two calls
        found = ask(one, corpus, 4)
    assert [call.failure and call.failure.stage for call in found.calls] == [None, None, "crash", None]
    assert len(found.answered) == 3


def test_a_model_that_cannot_be_loaded_leaves_no_process(ensemble):
    """What loading raises is raised, and no process is left."""
    broken = ensemble(2, mishap="exits", mishap_at=None)
    with pytest.raises(WorkerError), broken:
        pass
    assert [replica.worker.alive for replica in broken._replicas] == [False, False]


@pytest.mark.parametrize(
    ("numbers", "words"), [((0, 1), "calls and callers must be 1 or more"), ((1, -1), "calls and callers")]
)
def test_calls_and_callers_are_counted_from_one(ensemble, corpus, numbers, words):
    """No calls, or nobody to make them, is refused."""
    with pytest.raises(MeasurementRefused, match=words):
        ask(ensemble(), corpus, *numbers)


def test_no_replicas_are_refused(ensemble):
    """An ensemble has somebody in it."""
    with pytest.raises(MeasurementRefused, match="replicas must be 1 or more, not 0"):
        ensemble(0)


def test_batches_are_of_one_language(utterance):
    """A batch ends where it is full, and where another language is spoken."""
    spoken = [utterance("a"), utterance("b"), utterance("c", language="de"), utterance("d"), utterance("e")]
    batches = batches_of(spoken, 2)
    assert [[u.id for u, _ in batch.audible] for batch in batches] == [["a", "b"], ["c"], ["d", "e"]]
    assert [batch.language for batch in batches] == ["en", "de", "en"]
    with pytest.raises(MeasurementRefused, match="batch_size must be 1 or more, not 0"):
        batches_of(spoken, 0)


def test_the_example_is_of_middling_length(corpus):
    """Replicas are warmed up with what is neither short nor long."""
    (only,) = example_of(corpus).audible
    assert only.utterance.id == "u3"

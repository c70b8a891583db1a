"""How fast a model hears: claims that need the machine to themselves, `pytest benchmarks -m timing -n 0`."""

import pytest

pytestmark = pytest.mark.timing


def test_real_time_factor(model, timed_corpus, time_speech, budget):
    """Warm and one utterance at a time, a second of speech takes at most the budgeted share of a second."""
    timed = time_speech(model, timed_corpus)
    assert not timed.failures, f"{len(timed.failures)} utterances failed"
    assert timed.rtf.median is not None, f"not measured: {timed.rtf.samples} samples give no median, three do"
    limit = budget("rtf", model, timed_corpus)
    assert timed.rtf.median <= limit, f"real-time factor over budget: {timed.rtf.median:.3f}"


def test_cold_start(model, start_cold, budget):
    """A fresh process gives its first transcript within the budgeted time."""
    start = start_cold(model)
    assert start.failure is None, start.failure
    assert start.total_s <= budget("cold_start_s", model), f"cold start over budget: {start.total_s:.1f} s"

"""What deployment meets: claims that need the machine to themselves, `pytest benchmarks -m performance -n 0`.

A claim without a budget is left out; `--unbudgeted` has it measured, and reported, not judged.
"""

import pytest

from modellab.scoring.growth import Slope

pytestmark = pytest.mark.performance


@pytest.mark.judged_by("latency_p95_s")
def test_latency(model, timed_corpus, perform, budget):
    """Of a single caller's calls, 95 in 100 are answered within the budgeted seconds."""
    latency = perform.single_stream(model, timed_corpus)
    assert not latency.failed, f"{latency.failed} of {latency.calls} calls failed"
    assert latency.quantiles[0.95], f"not measured: {latency.calls} calls give no 95th percentile"
    limit = budget("latency_p95_s", model, timed_corpus)
    assert latency.value(0.95) <= limit, f"latency over budget: {latency.value(0.95):.3f} s"


@pytest.mark.judged_by("offline_rtf")
def test_offline(model, timed_corpus, perform, budget):
    """With everything asked for at once, the best setting takes at most the budgeted share of the audio's time."""
    best, tried = perform.offline(model, timed_corpus)
    assert best, "\n".join(f"{dict(each.setting)}: {each.failure}" for each in tried)
    limit = budget("offline_rtf", model, timed_corpus)
    assert 1 / best.rtfx <= limit, f"{best.rtfx:.1f} seconds of audio a second, by {dict(best.setting)}"


@pytest.mark.judged_by("server_interval_s")
def test_server(model, timed_corpus, perform, budget):
    """Requests that come by chance, on average one in the budgeted seconds, are answered within the bound."""
    served = perform.server(model, timed_corpus)
    limit = budget("server_interval_s", model, timed_corpus)
    assert served.rate_per_s, f"no rate keeps {served.quantile:.0%} below {served.bound_s} s"
    assert 1 / served.rate_per_s <= limit, f"{served.rate_per_s:.2f} requests a second at most"


@pytest.mark.judged_by("offline_rtf")
def test_concurrent(model, timed_corpus, perform):
    """Of several callers at once each is answered, and none is forgotten."""
    for point in perform.concurrent(model, timed_corpus):
        assert point.failure is None, f"{dict(point.setting)}: {point.failure}"
        assert point.fairness > 0.5, f"{dict(point.setting)}: some callers had most of the answers"


@pytest.mark.judged_by("first_partial_s", "final_s", "revisions_per_word", "streaming_cost")
def test_streaming(model, timed_corpus, perform, judge):
    """Heard as it is spoken, speech is written soon, changes little, and is hardly worse than heard whole."""
    streamed = perform.streaming(model, timed_corpus)
    assert not streamed.failed, f"{streamed.failed} of {streamed.utterances} utterances failed"
    judge(
        model,
        timed_corpus,
        first_partial_s=streamed.first_partial_s,
        final_s=streamed.final_s,
        revisions_per_word=streamed.revisions_per_word,
        streaming_cost=streamed.cost.change if streamed.cost else None,
    )


@pytest.mark.judged_by("growth_bytes")
def test_growth(model, timed_corpus, perform, budget):
    """A process holds no more after many transcriptions than after a few, but for the budgeted bytes a call."""
    growth = perform.growth(model, timed_corpus)
    assert growth.failure is None, growth.failure
    slope = Slope.of(growth.resident_bytes)
    assert slope, f"not measured: {len(growth.resident_bytes)} transcriptions tell no slope"
    limit = budget("growth_bytes", model, timed_corpus)
    assert not slope.leaks(limit), f"{slope.bytes_per_turn:.0f} bytes more with each transcription"


@pytest.mark.judged_by("growth_bytes")
def test_reloads(model, timed_corpus, perform):
    """A model that is unloaded and loaded again and again in one process leaves nothing behind."""
    growth = perform.reloads(model, timed_corpus)
    assert growth.failure is None, growth.failure
    slope = Slope.of(growth.resident_bytes)
    assert slope, f"not measured: {len(growth.resident_bytes)} reloads tell no slope"
    assert not slope.leaks(), f"{slope.bytes_per_turn:.0f} bytes more with each reload"


@pytest.mark.judged_by("peak_memory_bytes")
def test_cold_and_warm_starts(model, perform, budget):
    """A fresh process starts with and without its weights in the page cache, and holds at most the budgeted bytes."""
    warm, cold = perform.cold_starts(model)
    assert warm.failure is cold.failure is None, warm.failure or cold.failure
    peak = max(warm.peak_memory_bytes, cold.peak_memory_bytes)
    assert peak <= budget("peak_memory_bytes", model), f"{peak / 2**20:.0f} MiB"

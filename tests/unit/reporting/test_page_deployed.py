"""The section on deployment: what the page reads of scenarios, and that it stays small."""

import json
from dataclasses import replace

import pytest

from modellab.records.scenario import Partial, Performance
from modellab.reporting.page.deployed import MOST_STEPS, MOST_STREAMS, MOST_TURNS, deployed
from modellab.reporting.page.document import document
from modellab.reporting.performed import Performed
from modellab.reporting.summary import summarize
from modellab.reporting.tradeoff import tradeoffs

MODEL, OTHER = "faster-whisper:whisper-tiny.en:cpu:int8", "transformers:whisper-tiny.en:cpu:float32"


@pytest.fixture
def content(run, record, performed_by):
    """Give what the page reads of these facts beside some that were heard."""

    def make(facts=None, **more):
        own = performed_by(MODEL) if facts is None else facts
        lines = [record(), *own]
        return deployed(summarize(run(models=(MODEL,)), lines), Performed.of(lines), **more)

    return make


def words_of(stream):
    """Give the words of each partial as the page puts them together."""
    words, found = [], []
    for _, _, _, kept, more in stream["partials"]:
        words = [*words[:kept], *more]
        found.append(" ".join(words))
    return found


def test_every_figure_is_there(content) -> None:
    """One model on one corpus has all that its scenarios tell, and no price without one of the machine."""
    (own,) = content()
    assert own["model"] == MODEL
    assert own["latency"]["quantiles"]["p99"] is None, "140 calls support none"
    assert own["latency"]["quantiles"]["p95"] > own["latency"]["quantiles"]["p50"] > 0
    assert own["rtf"] == pytest.approx(0.22, abs=0.03)
    assert own["best"]["rtfx"] == max(point["rtfx"] for point in own["offline"])
    assert own["served"]["rate_per_s"] == min(tried["rate_per_s"] for tried in own["served"]["tried"])
    assert own["streamed"]["final_s"] == pytest.approx(1.6)
    assert own["price"] is None
    json.dumps(own, allow_nan=False)


def test_a_price_is_that_of_the_best_setting(content) -> None:
    """An hour of audio costs what an hour of the machine does, over the audio a second at the best setting."""
    (own,) = content(price=("EUR", 0.5))
    assert own["price"] == pytest.approx(0.5 / own["best"]["rtfx"])
    assert own["currency"] == "EUR"


def test_partials_are_put_together_again(content, performed_by) -> None:
    """What each partial changed is enough to tell every text, whatever came and went."""
    stream = next(fact for fact in performed_by(MODEL) if fact.kind == "stream")
    texts = ["", "the", "the cat sat", "a cat", "", "the cat sat on"]
    partials = tuple(Partial(at_s=n + 1.0, heard_s=float(n), text=text) for n, text in enumerate(texts))
    (own,) = content([replace(stream, partials=partials)])
    assert words_of(own["streams"][0]) == texts
    assert own["streams"][0]["partials"][2][3:] == (1, ("cat", "sat"))


def test_it_stays_small(content, performed_by) -> None:
    """However much was performed, a curve has few steps, memory few points, and few streams are told word by word."""
    facts = performed_by(MODEL, calls=3000)
    stream = next(fact for fact in facts if fact.kind == "stream")
    growth = next(fact for fact in facts if fact.kind == "growth")
    many = [replace(stream, utterance=f"u{n}", audio_duration_s=1.0 + n / 100) for n in range(60)]
    (own,) = content([*facts, *many, replace(growth, resident_bytes=tuple(range(2**20, 2**20 + 5000)))])
    assert len(own["latency"]["steps"]) == MOST_STEPS
    assert own["latency"]["steps"][-1][1] == 1
    assert len(own["streams"]) == MOST_STREAMS
    assert own["streams"][0]["utterance"] == "u0", "the last to end comes first"
    assert len(own["growth"][0]["held"]) <= MOST_TURNS
    assert len(json.dumps(own)) < 60_000


def test_calls_that_failed_keep_the_curve_below(content, performed_by) -> None:
    """A call without an answer is never answered by any time."""
    (own,) = content(performed_by(MODEL, failed=70))
    assert own["latency"]["steps"][-1][1] == 0.5


def test_what_failed_whole_is_told(content, performed_by) -> None:
    """A model of which every call failed has no curve, no figure and no front."""
    (own,) = content([fact for fact in performed_by(MODEL, calls=5, failed=5) if isinstance(fact, Performance)][:1])
    assert own["latency"]["steps"] == ()
    assert own["rtf"] is None
    assert own["latency"]["failed"] == 5


def test_without_scenarios_there_is_nothing(content, run, record) -> None:
    """A run in which nothing was performed has no deployment, and its page no data of it."""
    assert content([]) == []
    page = document(summarize(run(), [record()]), lambda: iter([record()]), None, 0)
    assert '"deployed":[]' in page


def test_only_what_was_heard_is_a_tradeoff(run, record, performed_by) -> None:
    """A model without an error rate is in no picture of errors."""
    lines = [record(), *performed_by(MODEL), *performed_by(OTHER)]
    report = summarize(run(models=(MODEL, OTHER)), lines)
    found = tradeoffs(report.rows, Performed.of(lines).performances)
    assert [each.model for each in found["tones"]] == [MODEL]
    assert found["tones"][0].peak_bytes == report.rows[0].deployment.footprint.peak_bytes


def test_hostile_streams_stay_data(run, record, performed_by) -> None:
    """What was said and written cannot end the script that holds it."""
    stream = next(fact for fact in performed_by(MODEL) if fact.kind == "stream")
    evil = "</script><script>alert(1)</script>"
    lines = [record(), replace(stream, reference=evil, partials=(Partial(at_s=1, heard_s=1, text=evil),))]
    page = document(summarize(run(), lines), lambda: iter(lines[:1]), None, 0, performed=Performed.of(lines))
    assert evil not in page
    assert "alert(1)" in page

"""What streams come to: how soon, how steady and how right, with failures in the count."""

from collections.abc import Callable
from typing import Any

import pytest

from modellab.errors import ScoreMismatch
from modellab.records.failure import Failure
from modellab.records.scenario import Partial, Stream
from modellab.reporting.streaming import Streamed, streamed
from modellab.scoring.normalize import normalizer
from modellab.scoring.score import Score
from modellab.scoring.wer import score

MakeStream = Callable[..., Stream]


@pytest.fixture
def stream() -> MakeStream:
    """Give a stream of 10 s of these texts and the times they were there; without any it failed."""

    def make(utterance: str = "u1", *shown: tuple[float, str], said: str = "a b c d", **fields: Any) -> Stream:
        known = {
            "model": "m",
            "corpus": "c",
            "session": 1,
            "audio_duration_s": 10.0,
            "language": "en",
            "method": "local-agreement-2",
            "step_s": 1.0,
            "failure": None if shown else Failure(stage="crash", kind="SIGKILL", message="killed"),
        }
        partials = tuple(Partial(at_s=at_s, heard_s=at_s, text=text) for at_s, text in shown)
        return Stream(utterance=utterance, reference=said, partials=partials, **{**known, **fields})

    return make


def figures(*streams: Stream, **options: Any) -> Streamed:
    """Give what streams of one way come to."""
    (found,) = streamed(streams, **options)
    return found


def test_the_first_partial_is_the_first_with_text(stream: MakeStream) -> None:
    """Partials without text show nothing; the median over utterances counts from the start of the audio."""
    shown = [
        stream(name, (1.0, ""), (2.0, " "), (first_s, "a"), (11.0, "a b"))
        for name, first_s in (("u1", 3.0), ("u2", 4.0), ("u3", 8.0))
    ]
    assert figures(*shown).first_partial_s == 4.0


def test_the_final_text_counts_from_the_end_of_the_audio(stream: MakeStream) -> None:
    """The time to the final text is that after the audio's own length; median and longest are given."""
    found = figures(
        *(stream(name, (5.0, "a"), (10.0 + late_s, "a")) for name, late_s in (("u1", 0.5), ("u2", 0.25), ("u3", 3.0)))
    )
    assert (found.final_s, found.slowest_final_s) == (0.5, 3.0)


def test_a_median_of_two_is_none(stream: MakeStream) -> None:
    """Fewer than three utterances, or words, support no median; the longest is told of any."""
    found = figures(stream("u1", (11.0, "a")), stream("u2", (12.0, "b")))
    assert (found.first_partial_s, found.final_s, found.stable_s) == (None, None, None)
    assert found.slowest_final_s == 2.0


def test_failures_stay_in_the_count(stream: MakeStream) -> None:
    """What failed is endlessly late in the medians, deleted words in the errors, and counted."""
    good = [stream(f"u{n}", (float(n), "a"), (10.0 + n, "a b c d")) for n in (1, 2, 3)]
    found = figures(*good, stream("x"), stream("y"))
    assert (found.utterances, found.failed) == (5, 2)
    assert (found.first_partial_s, found.final_s, found.slowest_final_s) == (3.0, 3.0, 3.0)
    assert [(s.hits, s.deletions) for s in found.scores] == [(12, 8)]
    lost = figures(*good[:2], stream("x"), stream("y"))
    assert (lost.first_partial_s, lost.final_s, lost.slowest_final_s) == (None, None, 2.0)


def test_nothing_but_failures(stream: MakeStream) -> None:
    """Where all failed there is a count, an error rate of all, and nothing else."""
    found = figures(*(stream(name) for name in ("x", "y", "z")))
    assert (found.utterances, found.failed, found.scores[0].rate) == (3, 3, 1.0)
    assert (found.final_s, found.slowest_final_s, found.stable_s, found.revisions_per_word) == (None, None, None, None)
    assert (found.compared, found.cost) == (0, None)
    assert streamed([]) == ()


def test_revisions_are_words_taken_back(stream: MakeStream) -> None:
    """A partial takes back what the next does not share from the first word on: also words it only moves."""
    found = figures(stream("u1", (1.0, "a x"), (2.0, "a b"), (3.0, "so a b"), (4.0, "so a b c")))
    assert found.revisions_per_word == (1 + 2) / 4


def test_capitals_and_punctuation_revise_nothing(stream: MakeStream) -> None:
    """Another capital or mark is no other word."""
    found = figures(stream("u1", (1.0, "well they"), (2.0, "Well, they said."), (3.0, "Well, they said so.")))
    assert found.revisions_per_word == 0
    assert found.stable_s == 0


def test_revisions_are_pooled_over_utterances(stream: MakeStream) -> None:
    """All words taken back are divided by all final words, not utterance by utterance."""
    found = figures(stream("u1", (1.0, "x"), (2.0, "a")), stream("u2", (1.0, "a"), (2.0, "a b c")))
    assert found.revisions_per_word == 1 / 4


def test_a_word_is_stable_once_its_place_stays_as_it_ends(stream: MakeStream) -> None:
    """From when a place showed any word to when it showed the final one for good, going and coming back included."""
    shown = ((1.0, "a x"), (2.0, "a b"), (4.0, "a"), (7.0, "a b c"), (11.0, "a b c"))
    assert figures(stream("u1", *shown)).stable_s == 0.0  # a: 0, b: 7 - 1, c: 0
    shaky = ((1.0, "x x"), (2.0, "a b"), (4.0, "a"), (7.0, "a b c"), (11.0, "a b d"))
    assert figures(stream("u1", *shaky)).stable_s == 4.0  # a: 2 - 1, b: 7 - 1, d: 11 - 7


def test_the_error_rate_is_of_the_final_texts(stream: MakeStream) -> None:
    """Only the last text is scored, pooled over words, under the normaliser and metric of its language."""
    found = figures(
        stream("u1", (1.0, "x y z"), (11.0, "A, b; c d.")),
        stream("u2", (11.0, "a"), said="a b"),
        stream("u3", (11.0, "今日"), said="今日は", language="ja"),
    )
    assert [(s.metric, s.normalizer, s.errors, s.reference_length) for s in found.scores] == [
        ("wer", "whisper-en@1", 1, 6),
        ("cer", "basic@1", 1, 3),
    ]


def test_words_are_characters_where_none_are_spaced(stream: MakeStream) -> None:
    """In Japanese a sentence that goes on takes nothing back."""
    grown = stream("u1", (1.0, "今日"), (2.0, "今日は"), said="今日は", language="ja")
    assert figures(grown).revisions_per_word == 0


def test_silence_has_no_first_partial_and_no_errors(stream: MakeStream) -> None:
    """Where nothing is said no text is awaited; what was written there enters no rate, but the end is timed."""
    silent = [stream(f"s{n}", (10.0 + n, ""), said="", language="") for n in (1, 2, 3)]
    found = figures(*silent)
    assert (found.first_partial_s, found.scores, found.final_s) == (None, (), 2.0)
    spoken = [stream(f"u{n}", (float(n), "a"), (11.0, "a")) for n in (1, 2, 3)]
    assert figures(*silent, *spoken).first_partial_s == 2.0


def test_speech_of_which_nothing_is_written_is_endlessly_late(stream: MakeStream) -> None:
    """An utterance with a final text that is empty never had a first partial."""
    mute = [stream(name, (11.0, "")) for name in ("u1", "u2")]
    assert figures(*mute, stream("u3", (2.0, "a"))).first_partial_s is None


def test_the_cost_is_paired_with_offline(stream: MakeStream) -> None:
    """Utterances heard both ways give the rate streamed less the rate offline; one that failed is not compared."""
    rules = normalizer("whisper-en")
    offline = {name: score("a b c d", "a b c d", rules) for name in ("u1", "u2", "x", "elsewhere")}
    found = figures(stream("u1", (11.0, "a b c")), stream("u2", (11.0, "a b c d")), stream("x"), offline=offline)
    assert found.compared == 2
    assert (found.cost.before, found.cost.after, found.cost.change) == (0.0, 0.125, 0.125)
    assert (found.cost.clusters, found.cost.unit) == (2, "utterance")
    assert figures(stream("u1", (11.0, "a"))).cost is None


def test_the_cost_is_drawn_by_speaker_where_all_are_known(stream: MakeStream) -> None:
    """Utterances of one speaker stand or fall together."""
    offline = {name: score("a b c d", "a b c d", normalizer("whisper-en")) for name in ("u1", "u2", "u3")}
    shown = [stream(f"u{n}", (11.0, "a b c"), speaker=who) for n, who in ((1, "s1"), (2, "s1"), (3, "s2"))]
    cost = figures(*shown, offline=offline).cost
    assert (cost.unit, cost.clusters) == ("speaker", 2)


def test_scores_under_other_rules_do_not_compare(stream: MakeStream) -> None:
    """An offline score under another normaliser is refused by name."""
    offline = {"u1": Score(metric="wer", normalizer="basic@1", hits=4)}
    with pytest.raises(ScoreMismatch, match="'u1' was scored by wer under basic@1 offline and by wer under"):
        figures(stream("u1", (11.0, "a b c d")), offline=offline)


def test_ways_of_streaming_are_kept_apart(stream: MakeStream) -> None:
    """Another model, corpus, method or step is another row, and of one utterance the last stream counts."""
    other = [
        stream("u1", (11.0, "a"), **{what: value})
        for what, value in (("model", "n"), ("corpus", "d"), ("method", "native"), ("step_s", 0.5))
    ]
    rows = streamed([stream("u1"), stream("u2", (11.0, "a")), *other, stream("u1", (12.0, "a"))])
    assert [(r.model, r.corpus, r.method, r.step_s) for r in rows] == [
        ("m", "c", "local-agreement-2", 1.0),
        ("n", "c", "local-agreement-2", 1.0),
        ("m", "d", "local-agreement-2", 1.0),
        ("m", "c", "native", 1.0),
        ("m", "c", "local-agreement-2", 0.5),
    ]
    assert [(r.utterances, r.failed) for r in rows] == [(2, 0), (1, 0), (1, 0), (1, 0), (1, 0)]

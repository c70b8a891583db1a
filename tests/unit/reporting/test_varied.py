"""Variations in the report: what changed when the same was heard in another way, and the claims about it."""

from dataclasses import replace
from datetime import date

import pytest

from modellab.records.record import Arrangement, Trial
from modellab.records.run import CorpusFacts
from modellab.reporting.notes import notes
from modellab.reporting.summary import summarize
from modellab.reporting.varied import spoken
from modellab.speech.effect import Condition
from modellab.speech.transcript import Segment, Transcript, Word
from modellab.verdicts.budget import Budget, Budgets, Rule, Verdict


def budgets(**limits) -> Budgets:
    rule = Rule(model="*", corpus="*", set_on=date(2026, 1, 1), machine="any", budget=Budget(**limits))
    return Budgets(rules=(rule,))


def note(report, title):
    """Give the lines under a title."""
    return next((each.lines for each in notes(report) if each.title.startswith(title)), ())


def otherwise(record, variation, *args, **fields):
    return record(*args, lane="variation", variation=variation, **fields)


def test_words_that_change_are_counted_and_named(run, record) -> None:
    """Utterances whose normalised words differ are flips; case is none."""
    facts = [
        record("a", "the hat sat", "the hat sat"),
        record("b", "the hat sat", "the cat sat"),
        otherwise(record, "alone", "a", "the hat sat", "The hat sat."),
        otherwise(record, "alone", "b", "the hat sat", "the hat sat"),
    ]
    report = summarize(run(2), facts, budgets(flips=0))
    (row,) = report.varied
    assert (row.variation, row.compared, row.changed, row.more_errors) == ("alone", 2, ("b",), -1)
    assert row.verdict is Verdict.FAIL
    assert report.verdict is Verdict.FAIL
    (line,) = note(report, "Heard in another way")
    assert line.endswith("alone: 1 of 2 utterances differ, -1 errors (b) [fail]")


def test_the_last_record_of_a_variation_counts(run, record) -> None:
    """A resumed run may hold several; each way of hearing is a row of its own."""
    facts = [
        record("a"),
        otherwise(record, "again", "a", heard="no"),
        otherwise(record, "again", "a"),
        otherwise(record, "pieces", "a", heard="no"),
    ]
    assert [(row.variation, row.changed) for row in summarize(run(1), facts).varied] == [
        ("again", ()),
        ("pieces", ("a",)),
    ]


def test_a_failed_variation_is_an_error(run, record) -> None:
    """What failed in another way has no words to compare, and cannot pass."""
    facts = [record("a"), otherwise(record, "again", "a", heard=None)]
    (row,) = summarize(run(1), facts, budgets(flips=5)).varied
    assert (row.heard, row.compared, row.failed, row.verdict) == (0, 0, 1, Verdict.ERROR)
    assert spoken(row).startswith("1 failed")


def test_a_variation_without_its_usual_cannot_pass(run, record) -> None:
    """With nothing to compare with, no number of flips is known."""
    (row,) = summarize(run(1), [otherwise(record, "again", "a")], budgets(flips=5)).varied
    assert row.verdict is Verdict.ERROR


def test_words_left_out_are_judged_where_times_of_segments_are_asked_for(run, record) -> None:
    """A gap of five words or more counts against its budget."""
    said = "one long word after another was spoken in this speech today"
    facts = [otherwise(record, "segment-times", "a", said, "one long word speech today")]
    (row,) = summarize(run(1), facts, budgets(missing_words=5)).varied
    assert (row.missing_words, row.verdict) == (6, Verdict.FAIL)
    assert "6 words left out five or more in a row (a at 27%: after another was spoken in this …)" in spoken(row)


def test_times_of_words_are_judged(run, record) -> None:
    """The greater of the mean errors of beginnings and ends counts against its budget."""
    reference = (Word(text="hat", start_s=0.0, end_s=0.5), Word(text="sat", start_s=0.5, end_s=1.0))
    heard = (Word(text="hat", start_s=0.1, end_s=0.5), Word(text="sat", start_s=0.8, end_s=1.0))
    transcript = Transcript(text="hat sat", segments=(Segment(text="hat sat", start_s=0.0, end_s=1.0, words=heard),))
    fields = {"reference_words": reference, "transcript": transcript}
    (row,) = summarize(
        run(1), [otherwise(record, "word-times", "a", "hat sat", **fields)], budgets(word_time_error_s=0.15)
    ).varied
    assert (row.times.mean_start_s, row.times.mean_end_s) == (pytest.approx(0.2), 0.0)
    assert row.verdict is Verdict.FAIL
    assert "begin 0.200 s and end 0.000 s off" in spoken(row)


def test_mistaken_languages_are_judged(run, record) -> None:
    """The share of utterances taken for another language counts against its budget; silence has none."""
    facts = [
        otherwise(
            record, "language-untold", name, said, language=stated, transcript=Transcript(text="", language=heard)
        )
        for name, said, stated, heard in (("a", "x", "en", "en"), ("b", "x", "de", "en"), ("c", "", "", "en"))
    ]
    (row,) = summarize(run(3), facts, budgets(language_error_rate=0.4)).varied
    assert (row.detected.accuracy, row.verdict) == (0.5, Verdict.FAIL)
    assert "1 of 2 languages recognised, mistaken: de for en (1)" in spoken(row)


@pytest.fixture
def noisy(run):
    """A run of a corpus and of the same in noise."""
    noise = Condition(kind="noise", strength=10.0, unit="dB")
    facts = CorpusFacts(revision="r", utterances=1, duration_s=2.0, languages=("en",))
    under = CorpusFacts(
        revision="s", utterances=1, duration_s=2.0, languages=("en",), clean="tones", conditions=(noise,)
    )
    return replace(run(), corpora={"tones": facts, "tones+noise:10dB": under})


@pytest.mark.parametrize(
    ("clean", "under", "expected"),
    [
        ("a b c x", "a b x x", (2.0, Verdict.PASS)),
        ("a b c x", "a x x x", (3.0, Verdict.FAIL)),
        ("a b c d", "a b c d", (1.0, Verdict.PASS)),
        ("a b c d", "a b c x", (float("inf"), Verdict.FAIL)),
    ],
)
def test_a_condition_is_judged_beside_the_clean_corpus(noisy, record, clean, under, expected) -> None:
    """The error rate in noise is divided by that without, and judged by its budget."""
    facts = [record("a", "a b c d", clean), record("a", "a b c d", under, corpus="tones+noise:10dB")]
    rows = {row.corpus: row for row in summarize(noisy, facts, budgets(wer_ratio=2.0)).rows}
    noisy_row = rows["tones+noise:10dB"]
    assert (noisy_row.wer_ratio, noisy_row.verdicts["wer_ratio"]) == expected
    assert "wer_ratio" not in rows["tones"].verdicts


def test_words_where_nobody_spoke_are_judged_by_the_minute_and_by_loops(run, record) -> None:
    """Words count by the minute of silence, a phrase written over and over as a loop, and both are noted."""
    facts = [record("a", "", "thank you " * 6), record("b", "", "")]
    report = summarize(run(2), facts, budgets(words_per_minute=200, loops=0))
    (row,) = report.rows
    assert (row.nonspeech.words_per_minute, row.nonspeech.written_share, row.nonspeech.loops) == (180.0, 0.5, 1)
    assert (row.verdicts["words_per_minute"], row.verdicts["loops"]) == (Verdict.PASS, Verdict.FAIL)
    (line,) = note(report, "Where nobody spoke")
    assert "12 words in 4 s without speech (180 a minute), in 1 of 2 recordings, 1 written over and over" in line


def test_crews_are_noted(run, record) -> None:
    """How much speech was heard by how many replicas stands in the report, with what was tried."""
    trials = (
        Trial(replicas=1, threads=2, audio_s=4.0, work_s=2.0),
        Trial(replicas=2, threads=1, audio_s=8.0, work_s=2),
    )
    arranged = Arrangement(model=record().model, corpus="tones", session=1, replicas=2, threads=1, trials=trials)
    (line,) = note(summarize(run(1), [record("u1"), arranged]), "Crews")
    assert line.endswith("on tones: 2 replicas of 1 threads (seconds of audio a second, 1 of 2: 2.00, 2 of 1: 4.00)")

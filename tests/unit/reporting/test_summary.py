"""The summary: what the facts of a run come to."""

import tracemalloc
from datetime import date

import pytest

from modellab.backends.spec import parse_spec
from modellab.records.failure import Failure
from modellab.records.record import ColdStart
from modellab.records.run import Skipped
from modellab.records.store import Torn
from modellab.reporting.accuracy import pool_scores, score_spoken, spread, worst_utterances
from modellab.reporting.notes import notes
from modellab.reporting.summary import summarize
from modellab.scoring.quantile import percentile
from modellab.scoring.score import Score
from modellab.speech.transcript import Segment, Transcript
from modellab.verdicts.budget import Budget, Budgets, Rule, Verdict

MODEL = "faster-whisper:whisper-tiny.en:cpu:int8"
LEFT, RIGHT = "faster-whisper:whisper-tiny.en:cpu:float32", "openai-whisper:whisper-tiny.en:cpu:float32"


def budgets(**limits) -> Budgets:
    rule = Rule(model="*", corpus="*", set_on=date(2026, 1, 1), machine="any", budget=Budget(**limits))
    return Budgets(rules=(rule,))


def test_the_rate_is_pooled_and_no_mean_of_rates(run, record) -> None:
    """A long right utterance outweighs a short wrong one."""
    facts = [record("long", "a b c d e f g h i j", "a b c d e f g h i j"), record("short", "hat", "cat")]
    (row,) = summarize(run(2), facts).rows
    assert row.score == Score(metric="wer", normalizer="whisper-en@1", hits=10, substitutions=1)
    assert row.error_rate == pytest.approx(1 / 11)


def test_an_interval_is_drawn_over_speakers_where_all_are_known(run, record) -> None:
    """Utterances of one speaker count as one cluster; where a speaker is unknown, each utterance is one."""
    known = [record(f"u{n}", "a b c d", "a b c" if n % 2 else "a b c d", speaker=f"s{n % 3}") for n in range(6)]
    (row,) = summarize(run(6), known).rows
    assert (row.interval.unit, row.interval.clusters) == ("speaker", 3)
    assert row.interval.low <= row.error_rate <= row.interval.high
    (row,) = summarize(run(6), [*known[:-1], record("u5", "a b c d", "a b")]).rows
    assert (row.interval.unit, row.interval.clusters) == ("utterance", 6)


def test_a_row_with_several_scores_or_one_speaker_has_no_interval(run, record) -> None:
    """An interval belongs to one rate, and a single speaker says nothing of others."""
    one = [record("a", speaker="ann"), record("b", speaker="ann")]
    assert summarize(run(2), one).rows[0].interval is None
    assert (
        summarize(run(2), [record("a"), record("b", "guten tag", "guten tag", language="de")]).rows[0].interval is None
    )


def test_a_failed_utterance_stays_in_the_denominator_and_is_an_error(run, record) -> None:
    """The words of a failed utterance count as deleted, and a rate that rests on the rest only never passes."""
    report = summarize(run(2), [record("a"), record("b", heard=None)], budgets(wer=1.0))
    (row,) = report.rows
    assert row.score.deletions == 3
    assert row.score.reference_length == 6
    assert (row.hearing.utterances, row.hearing.heard, row.hearing.failed) == (2, 1, 1)
    assert row.verdicts["wer"] is Verdict.ERROR
    assert report.verdict is Verdict.ERROR
    assert [(f.utterance, f.stage, f.kind) for f in report.failures] == [("b", "transcribe", "RuntimeError")]


def test_a_failure_is_an_error_without_any_budget(run, record) -> None:
    """A failure is an error where nothing else is claimed."""
    (row,) = summarize(run(1), [record("a", heard=None)]).rows
    assert row.verdict is Verdict.ERROR
    assert row.scores == ()


def test_the_last_record_of_an_utterance_wins(run, record) -> None:
    """A resumed run that heard an utterance at last is not blamed for its first try."""
    report = summarize(run(1), [record("a", heard=None), record("a", heard="the hat sat")])
    assert report.failures == ()
    assert report.rows[0].hearing.heard == 1
    assert report.rows[0].error_rate == 0


def test_an_utterance_never_tried_cannot_pass(run, record) -> None:
    """A corpus that was heard in part only gives no figure to judge."""
    (row,) = summarize(run(3, outcome="partial"), [record("a")], budgets(wer=1.0)).rows
    assert row.hearing.missing == 2
    assert row.verdicts["wer"] is Verdict.ERROR


def test_words_in_silence_are_counted_apart(run, record) -> None:
    """What is written where nobody speaks counts as words in silence and not in the error rate."""
    facts = [record("a"), record("hush", "", "Thank you, for watching!"), record("still", "", "")]
    (row,) = summarize(run(3), facts, budgets(words_in_silence=3)).rows
    assert row.words_in_silence == 4
    assert row.error_rate == 0
    assert row.verdicts["words_in_silence"] is Verdict.FAIL


def test_silence_that_was_not_heard_is_not_zero_words(run, record) -> None:
    """A corpus without silence has no figure for it, and a budget for it claims nothing there."""
    (row,) = summarize(run(1), [record("a")], budgets(words_in_silence=0, wer=0.1)).rows
    assert row.words_in_silence is None
    assert dict(row.verdicts) == {"wer": Verdict.PASS}
    assert row.unmeasured == ()


def test_languages_with_unlike_metrics_are_pooled_apart(run, record) -> None:
    """A corpus of several languages has one score for each metric and normaliser, and the worst is judged."""
    facts = [
        record("en"),
        record("de", "der Hut", "der Mut", language="de"),
        record("zh", "天气很好", "天气好", language="zh"),
    ]
    (row,) = summarize(run(3), facts, budgets(wer=0.3)).rows
    assert [(score.metric, score.normalizer) for score in row.scores] == [
        ("wer", "whisper-en@1"),
        ("wer", "basic@1"),
        ("cer", "basic@1"),
    ]
    assert row.score is None
    assert row.error_rate == 0.5
    assert row.verdicts["wer"] is Verdict.FAIL


@pytest.mark.parametrize(
    ("quantile", "enough"), [(0.5, 3), (0.9, 64), (0.95, 130), (0.99, 662)], ids=["median", "p90", "p95", "p99"]
)
def test_a_percentile_needs_the_samples_that_support_it(quantile, enough) -> None:
    """A percentile is refused below the samples of which two lie beyond it with 99 % confidence."""
    assert percentile([1.0] * enough, quantile) == 1.0
    assert percentile([1.0] * (enough - 1), quantile) is None
    if quantile > 0.5:
        missed = lambda n: n * quantile ** (n - 1) * (1 - quantile) + quantile**n  # noqa: E731
        assert missed(enough) <= 0.01 < missed(enough - 1)


def test_real_time_factor_is_taken_over_rounds_heard_alone(run, record) -> None:
    """RTF is seconds of work per second of audio over every round; a batch says nothing of it."""
    facts = [
        record("a", lane="timing", transcribe_s=(1.0, 2.0, 4.0)),
        record("b", lane="timing", transcribe_s=(9.0,), batch_size=4),
        record("c", transcribe_s=(9.0,)),
    ]
    (row,) = summarize(run(), facts, budgets(rtf=0.9)).rows
    assert (row.rtf.samples, row.rtf.median, row.rtf.p95) == (3, 1.0, None)
    assert row.batched == 1
    assert row.verdicts["rtf"] is Verdict.FAIL


def test_too_few_rounds_are_an_error_under_a_budget(run, record) -> None:
    """An RTF that cannot be told from so few rounds never passes its budget."""
    (row,) = summarize(run(), [record("a", lane="timing", transcribe_s=(1.0,))], budgets(rtf=9.0)).rows
    assert row.rtf.median is None
    assert row.verdicts["rtf"] is Verdict.ERROR


def test_cold_starts_of_the_last_session_count(run, record) -> None:
    """The cold start is the median of the last session's, and memory the most that was held."""
    facts = [
        record("a"),
        ColdStart(model=MODEL, session=1, failure=Failure(stage="load", kind="OSError", message="gone")),
        *(ColdStart(model=MODEL, session=2, total_s=s, peak_memory_bytes=int(s)) for s in (5.0, 3.0, 4.0)),
    ]
    report = summarize(run(1), facts, budgets(cold_start_s=4.0))
    assert (report.rows[0].start.total_s, report.rows[0].start.peak_memory_bytes) == (4.0, 5)
    assert report.rows[0].verdicts["cold_start_s"] is Verdict.PASS
    assert report.failures == ()


def test_a_failed_cold_start_alone_has_a_row(run) -> None:
    """A model that was only started and failed is in the table and among the failures."""
    failure = Failure(stage="load", kind="BackendUnavailable", message="no cuda")
    report = summarize(run(), [ColdStart(model=MODEL, session=1, failure=failure)])
    assert report.rows[0].corpus == ""
    assert report.rows[0].verdict is Verdict.ERROR
    assert report.failures[0].message == "no cuda"


def test_without_a_budget_nothing_is_claimed(run, record) -> None:
    """A figure without a budget neither passes nor fails."""
    assert summarize(run(1), [record("a")]).verdict is Verdict.NO_BUDGET


def test_a_budget_without_facts_is_named(run, record) -> None:
    """A budget that this run has no facts for is no verdict, and is not forgotten."""
    (row,) = summarize(run(1), [record("a")], budgets(wer=0.1, rtf=0.1, cold_start_s=1)).rows
    assert row.verdict is Verdict.PASS
    assert row.unmeasured == ("rtf", "cold_start_s")


def test_the_budgets_of_the_run_judge_it_again(run, record) -> None:
    """Without other budgets, a run is judged by those it was made with."""
    stored = {"model": "*", "set_on": "2026-01-01", "machine": "any", "wer": 0.1}
    assert summarize(run(1, budgets=(stored,)), [record("a", heard="")]).rows[0].verdict is Verdict.FAIL


def test_parity_names_the_utterances_that_differ(run, record) -> None:
    """Two runtimes with the same weights in float32 differ where their normalised words differ."""
    facts = [
        record("a", model=LEFT),
        record("a", heard="The hat, sat.", model=RIGHT),
        record("b", model=LEFT),
        record("b", heard="the cat", model=RIGHT),
        record("c", heard=None, model=LEFT),
        record("c", model=RIGHT),
        record("a", heard="no", model=MODEL),
    ]
    (pair,) = summarize(run(3), facts, budgets(changed_utterances=0)).parity
    assert (pair.left, pair.right, pair.corpus) == (LEFT, RIGHT, "tones")
    assert (pair.compared, pair.not_compared, pair.changed, pair.more_errors) == (2, 1, ("b",), 2)
    assert pair.verdict is Verdict.FAIL


def test_the_worst_utterances_come_first(record) -> None:
    """The worst utterances are those with the most errors among those that were heard."""
    facts = [
        record("good"),
        record("bad", heard="no no no no"),
        record("one", heard="the hat"),
        record("x", heard=None),
    ]
    judged = worst_utterances(facts, 2)
    assert [(of.utterance, score.errors) for of, score, _ in judged] == [("bad", 4), ("one", 1)]
    assert {edit.operation for edit in judged[1].edits} == {"equal", "delete"}


def test_a_planned_model_without_a_trace_is_named(run, record) -> None:
    """A model that was planned, and left neither a record nor a reason, is named."""
    skipped = Skipped(model=RIGHT, corpus="", reason="not installed")
    report = summarize(run(models=(MODEL, LEFT, RIGHT), skipped=(skipped,)), [record("a")], torn=2)
    assert report.untouched == (LEFT,)
    assert report.skipped == (skipped,)
    assert report.torn == 2


def test_records_are_let_go_once_they_are_scored(run, record) -> None:
    """A summary goes through the facts once and holds none of their texts."""

    def facts():
        for number in range(50):
            stretch = Segment(text=f"{number}" * 200_000, start_s=0.0, end_s=1.0)
            yield record(f"u{number}", transcript=Transcript(text="the hat sat", segments=(stretch,)))

    tracemalloc.start()
    try:
        (row,) = summarize(run(50), facts()).rows
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert row.hearing.heard == 50


def test_a_summary_scores_as_utterances_are_scored(run, record) -> None:
    """Counts and interval are those of the records, each scored under the rules of its own language."""
    facts = [record(f"u{n}", "the colour of it", "the color off it", speaker=f"s{n % 5}") for n in range(9)]
    facts.append(record("fails", "two words", None, speaker="s0"))
    (row,) = summarize(run(10), facts).rows
    assert row.scores == pool_scores(facts)
    assert row.interval == spread(score_spoken(facts))


def test_torn_lines_among_the_facts_are_counted(run, record) -> None:
    """Lines that were cut short are no facts, and are counted beside those that were passed over before."""
    facts = [record("a"), Torn(number=2), record("b"), Torn(number=4)]
    report = summarize(run(2), facts, torn=1)
    assert report.torn == 3
    assert report.rows[0].hearing.heard == 2


def test_cached_transcripts_are_counted_and_noted(run, record) -> None:
    """How many transcripts came out of the cache is known, the last of each utterance counting, and is noted."""
    facts = [record("a", cached=True), record("b", cached=True), record("c"), record("d", heard=None)]
    report = summarize(run(4), [*facts, record("b")])
    assert report.rows[0].hearing.cached == 1
    (note,) = (note for note in notes(report) if "cache" in note.title)
    assert note.lines == (f"{MODEL} on tones: 1 of 3 transcripts came out of the cache; no time was taken of them",)
    assert not any("cache" in note.title for note in notes(summarize(run(4), facts[2:])))


def test_variations_enter_no_row(run, record) -> None:
    """What was heard in another way counts neither as heard nor as timed, but where it failed, that is told."""
    varied = {"lane": "variation", "variation": "alone"}
    facts = [
        record("a"),
        record("a", heard="no", transcribe_s=(9.0,), **varied),
        record("b", heard=None, **varied),
        record("c", heard=None, **varied),
        record("c", **varied),
        record("a", model=RIGHT, **varied),
    ]
    report = summarize(run(1, models=(MODEL, RIGHT)), facts)
    (row,) = report.rows
    assert (row.error_rate, row.hearing.utterances, row.timed) == (0, 1, 0)
    assert [(failed.utterance, failed.lane) for failed in report.failures] == [("b", "variation")]
    assert (report.timings, report.untouched) == ((), ())


def test_timings_are_those_heard_alone_and_last(run, record) -> None:
    """A timing is an utterance heard alone; a later record of it, as a failure, takes its place."""
    facts = [
        record("a", lane="timing", transcribe_s=(1.0,)),
        record("b", lane="timing", transcribe_s=(1.0,)),
        record("c", lane="timing", transcribe_s=(1.0,), batch_size=2),
        record("d", lane="timing", transcribe_s=(1.0,), audio_duration_s=0.0),
        record("a", lane="timing", transcribe_s=(2.0, 3.0)),
        record("b", lane="timing", heard=None),
    ]
    report = summarize(run(), facts)
    assert [(timing.utterance, timing.transcribe_s) for timing in report.timings] == [("a", (2.0, 3.0))]
    assert (report.rows[0].timed, report.rows[0].timing_failed, report.rows[0].batched) == (4, 1, 1)


def test_parity_takes_the_fullest_that_a_runtime_has(run, record) -> None:
    """whisper.cpp does not compute in float32: its float16 is compared, and nobody else's."""
    names = ("faster-whisper:m:cpu:float32", "whisper-cpp:m:cpu:float16", "faster-whisper:m:cpu:float16")
    facts = [record("a", model=name) for name in names]
    (pair,) = summarize(run(1, models=names), facts).parity
    assert {pair.left, pair.right} == set(names[:2])


def test_parity_counts_errors_in_silence_too(run, record) -> None:
    """Words where nobody speaks are errors when two runtimes are compared, as in any one utterance."""
    facts = [record("a", "", "", model=LEFT), record("a", "", "thank you", model=RIGHT)]
    (pair,) = summarize(run(1), facts).parity
    assert (pair.changed, pair.more_errors) == (("a",), 2)


def test_a_device_may_hold_a_colon() -> None:
    """The parts of a model's id are told from both ends."""
    model = parse_spec("transformers:whisper-tiny:cuda:1:float16")
    assert (model.backend, model.checkpoint, model.device, model.compute_type) == (
        "transformers",
        "whisper-tiny",
        "cuda:1",
        "float16",
    )


def test_an_empty_run_has_an_empty_report(run) -> None:
    """A run without facts gives a report without rows."""
    assert summarize(run(), []).rows == ()

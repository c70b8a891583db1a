"""What a compute type costs: which it is compared with, by how much it is worse, and how the report judges that."""

from dataclasses import replace
from datetime import date

import pytest

from modellab.backends.spec import parse_spec
from modellab.reporting.notes import notes
from modellab.reporting.quantisation import full_precision
from modellab.reporting.summary import summarize
from modellab.verdicts.budget import Budget, Budgets, Rule, Verdict

FULL, QUANTISED = "whisper-cpp:tiny:cpu:float16", "whisper-cpp:tiny:cpu:q5_1"


def limited(quantisation_wer):
    """Give budgets that limit nothing else, for every model."""
    budget = Budget(quantisation_wer=quantisation_wer)
    return Budgets(rules=(Rule(model="*", corpus="*", set_on=date(2026, 11, 23), machine="test", budget=budget),))


@pytest.mark.parametrize(
    ("model", "among", "expected"),
    [
        ("a:m:cpu:int8", ["a:m:cpu:float32", "a:m:cpu:float16"], "a:m:cpu:float32"),
        ("a:m:cpu:float16", ["a:m:cpu:float32"], "a:m:cpu:float32"),
        ("a:m:cpu:q8_0", ["a:m:cpu:float16", "a:m:cpu:q5_1"], "a:m:cpu:float16"),
        ("a:m:cpu:float32", ["a:m:cpu:int8"], None),
        ("a:m:cpu:float16", ["a:m:cpu:q8_0"], None),
        ("a:m:cpu:int8", ["b:m:cpu:float32", "a:n:cpu:float32", "a:m:cuda:float32", "a:m:cpu:bfloat16"], None),
    ],
)
def test_the_fullest_of_the_same_model_is_what_counts(model, among, expected):
    """Float32 goes before float16; another runtime, checkpoint or device is no comparison, nor is the model itself."""
    every = [parse_spec(name) for name in (model, *among)]
    found = full_precision(parse_spec(model), every)
    assert (found.id if found else None) == expected


def heard(record, model, *written):
    """Give the records of a model that wrote these of "a b c d"."""
    return [record(f"u{number}", "a b c d", text, model=model) for number, text in enumerate(written)]


@pytest.mark.parametrize(("limit", "verdict"), [(0.125, Verdict.PASS), (0.12, Verdict.FAIL)])
def test_the_report_judges_what_it_costs(run, record, limit, verdict):
    """One more of eight words is wrong: 12.5 points, which the budget allows or not; a line says so."""
    facts = heard(record, FULL, "a b c d", "a b c x") + heard(record, QUANTISED, "a b x d", "a b c x")
    report = summarize(run(2), facts, limited(limit))
    rows = {row.model.id: row for row in report.rows}
    assert rows[QUANTISED].quantisation.change == 0.125
    assert rows[QUANTISED].verdicts["quantisation_wer"] is verdict
    assert "quantisation_wer" not in rows[FULL].verdicts
    (line,) = next(note.lines for note in notes(report) if note.title.startswith("What a compute type costs"))
    assert line == f"{QUANTISED} on tones: +12.50 points [+0.00, +25.00], 2 utterances"


def test_fewer_errors_are_within_any_budget(run, record):
    """A compute type that happens to write more of the words costs less than nothing."""
    facts = heard(record, FULL, "a b c x") + heard(record, QUANTISED, "a b c d")
    rows = {row.model.id: row for row in summarize(run(1), facts, limited(0)).rows}
    assert rows[QUANTISED].quantisation.change == -0.25
    assert rows[QUANTISED].verdicts["quantisation_wer"] is Verdict.PASS


def test_a_failure_is_never_a_pass(run, record):
    """Where an utterance failed, the verdict is an error."""
    facts = heard(record, FULL, "a b c d") + heard(record, QUANTISED, None)
    rows = {row.model.id: row for row in summarize(run(1), facts, limited(1)).rows}
    assert rows[QUANTISED].verdicts["quantisation_wer"] is Verdict.ERROR


def test_other_utterances_are_no_comparison(run, record):
    """Where the two did not hear the same, nothing is said of what the compute type costs."""
    facts = heard(record, FULL, "a b c d", "a b c d") + heard(record, QUANTISED, "a b c x")
    rows = {row.model.id: row for row in summarize(run(2), facts, limited(0)).rows}
    assert rows[QUANTISED].quantisation is None


def test_the_worst_of_several_kinds_counts(run, record):
    """Words and characters are not added up: of the two differences the greater one is the cost."""
    facts = [
        *(record("en", "a b c d", text, model=model) for model, text in ((FULL, "a b c d"), (QUANTISED, "a b c x"))),
        *(
            replace(record("zh", "你好", text, model=model), language="zh")
            for model, text in ((FULL, "你好"), (QUANTISED, "你们"))
        ),
    ]
    rows = {row.model.id: row for row in summarize(run(2), facts, limited(0)).rows}
    assert rows[QUANTISED].quantisation.change == 0.5

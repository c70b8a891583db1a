"""A run under other normalisers, from its records alone."""

import pytest

from modellab.cli import main
from modellab.errors import UnknownName
from modellab.records.store import Store
from modellab.reporting.rescore import disputes, rescore
from modellab.scoring.normalize import NORMALIZERS

LEFT, RIGHT = "fake:shouts:cpu:float32", "fake:spells:cpu:float32"
SAID = "Mr. Brown likes the colour."


@pytest.fixture
def facts(record):
    """Give two models: one writes marks and case as they were said and errs once, one errs in nothing but these."""
    return [
        record("a", SAID, "Mr. Brown liked the colour.", model=LEFT),
        record("a", SAID, "mister brown likes the color", model=RIGHT),
    ]


def test_every_row_has_a_rate_under_every_normaliser(facts) -> None:
    """Each model and corpus is scored under each normaliser, from what was said and written."""
    left, right = rescore(facts)
    assert tuple(left.scores) == NORMALIZERS
    assert [left.rate(name) for name in ("none", "basic", "whisper-en", "leaderboard")] == [0.2] * 4
    assert [right.rate(name) for name in ("none", "basic", "whisper-en", "leaderboard")] == [0.6, 0.4, 0, 0]
    assert right.scores["whisper-en"].normalizer == "whisper-en@1"


def test_a_ranking_that_turns_is_disputed(facts) -> None:
    """Where one normaliser has one model better and another the other, the corpus is named with both rankings."""
    (dispute,) = disputes(rescore(facts))
    assert (dispute.corpus, dispute.metric) == ("tones", "wer")
    assert dispute.rankings["none"] == (LEFT, RIGHT)
    assert dispute.rankings["whisper-en"] == (RIGHT, LEFT)


def test_a_tie_is_no_dispute(record) -> None:
    """Models that are equal under one normaliser and apart under another are ranked by both alike."""
    facts = [record("a", "Hello", "Hello", model=LEFT), record("a", "Hello", "hello", model=RIGHT)]
    assert disputes(rescore(facts)) == ()


def test_what_failed_counts_and_silence_does_not(record) -> None:
    """As in the report, a failed utterance is wholly deleted, silence has no rate, and the last record holds."""
    facts = [record("a", heard=None), record("a"), record("b", heard=None), record("c", "", "Thank you")]
    (row,) = rescore(facts, ["none"])
    assert (row.scores["none"].deletions, row.scores["none"].insertions, row.rate("none")) == (3, 0, 0.5)
    assert (row.heard, row.utterances) == (1, 2)
    assert rescore([record("b", heard=None)]) == ()


def test_english_rules_are_not_bent_to_other_languages(record) -> None:
    """Where another language is spoken, a normaliser for English gives no rate, and metrics are kept apart."""
    facts = [record("a", "Größe", "große", language="de"), record("b", "你好", "你好", language="zh")]
    by_metric = {row.metric: row for row in rescore(facts)}
    assert {name: by_metric["wer"].rate(name) for name in NORMALIZERS} == {
        "none": 1.0, "basic": 1.0, "whisper-en": None, "leaderboard": None,
    }  # fmt: skip
    assert by_metric["cer"].rate("basic") == 0


def test_an_unknown_normaliser_is_refused(facts) -> None:
    """A name that no normaliser has is refused with those there are."""
    with pytest.raises(UnknownName, match="whisper-en"):
        rescore(facts, ["whisper"])


@pytest.fixture
def folder(tmp_path, run, facts):
    """Give the folder of a run."""
    store = Store(tmp_path)
    store._write(run(1, models=(LEFT, RIGHT)))
    for fact in facts:
        store.append(fact)
    store.close()
    return tmp_path


def test_the_command_prints_every_rate_and_every_dispute(folder, capsys) -> None:
    """`modellab rescore RUN` prints a column a normaliser and says where the ranking depends on it."""
    assert main(["rescore", str(folder)]) == 0
    printed = capsys.readouterr().out
    for text in (*NORMALIZERS, "20.00 %", "60.00 %", "40.00 %", "0.00 %", "1 of 1", "depends on the normaliser"):
        assert text in printed
    assert f"none: {LEFT} < {RIGHT}" in printed
    assert max(map(len, printed.splitlines())) <= 100


def test_the_command_takes_one_normaliser(folder, capsys) -> None:
    """With `--normalizer`, only that one is printed, and one alone disputes nothing."""
    assert main(["rescore", str(folder), "--normalizer", "basic"]) == 0
    printed = capsys.readouterr().out
    assert "basic" in printed
    assert "whisper-en" not in printed
    assert "No ranking of models depends" in printed


def test_the_command_refuses_what_is_no_run(tmp_path, capsys) -> None:
    """A folder without a run, and a normaliser nobody knows, are errors that say so."""
    assert main(["rescore", str(tmp_path)]) == 1
    assert "holds no run" in capsys.readouterr().err


def test_another_metric_can_be_asked_for(facts) -> None:
    """Characters are counted for any language where they are asked for."""
    left, _ = rescore(facts, ["basic"], metric="cer")
    score = left.scores["basic"]
    assert (left.metric, score.metric) == ("cer", "cer")
    assert (score.reference_length, score.errors) == (len("mrbrownlikesthecolour"), 1)

"""Budgets: which limits a model has, and what a figure comes to against one."""

from datetime import date, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from modellab.errors import BadDefinition
from modellab.verdicts.budget import Budget, Budgets, Verdict, budgets_from, judge, read_budgets, worst

MODEL = "faster-whisper:whisper-tiny.en:cpu:int8"
ABOUT: dict[str, Any] = {"model": "*", "set_on": "2026-01-02", "machine": "two cores"}


def rules(*entries: dict[str, Any]) -> Budgets:
    """Give budgets of rules that name only what matters."""
    return budgets_from([ABOUT | entry for entry in entries], "test")


def test_a_later_rule_overrides_what_it_names() -> None:
    """Of several rules that cover a model, a later one replaces the limits that it names and keeps the others."""
    budgets = rules({"wer": 0.1, "rtf": 0.5}, {"model": "*:cpu:int8", "wer": 0.2}, {"model": "other", "rtf": 9})
    assert budgets.of(MODEL) == Budget(wer=0.2, rtf=0.5)


@pytest.mark.parametrize(
    ("model", "corpus", "covered"),
    [
        ("*", "*", True),
        (MODEL, "librivox", True),
        ("faster-whisper:*", "libri*", True),
        ("*:whisper-*:cpu:*", "librivo?", True),
        ("*:whisper-*:cuda:*", "*", False),
        ("*", "multilingual", False),
        ("faster-whisper", "*", False),
        ("FASTER-WHISPER:*", "*", False),
    ],
)
def test_rules_cover_by_globs(model: str, corpus: str, covered: bool) -> None:
    """A rule covers a model on a corpus where both its patterns match the whole of their names, case and all."""
    budgets = rules({"model": model, "corpus": corpus, "wer": 0.1})
    assert budgets.of(MODEL, "librivox") == (Budget(wer=0.1) if covered else Budget())


def test_without_rules_nothing_is_claimed() -> None:
    """Where no rule covers a model, no field of its budget is set."""
    assert Budgets().of(MODEL) == Budget()


def test_a_limit_of_zero_is_a_limit() -> None:
    """A budget of zero words in silence claims something, and a later rule may set it."""
    assert rules({"words_in_silence": 3}, {"words_in_silence": 0}).of(MODEL).words_in_silence == 0


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"werr": 0.1}, "unknown key 'werr'; allowed: .*wer"),
        ({"wer": -0.1}, "wer must be a number of 0 or more, not -0.1"),
        ({"wer": float("nan")}, "wer must be a number of 0 or more, not nan"),
        ({"rtf": float("inf")}, "rtf must be a number of 0 or more, not inf"),
        ({"rtf": True}, "rtf must be a number of 0 or more, not True"),
        ({"cold_start_s": "60"}, "cold_start_s must be a number of 0 or more, not '60'"),
        ({"wer": None}, "wer must be a number of 0 or more, not None"),
        ({"set_on": "yesterday"}, "set_on must be a day, like 2026-11-23, not 'yesterday'"),
        ({"set_on": 20260102.5}, "set_on must be a day"),
        ({"set_on": datetime(2026, 1, 2, 3)}, "set_on must be a day"),  # noqa: DTZ001 - as TOML gives it
        ({"model": 5}, "model must be a text, not 5"),
        ({"corpus": ["a"]}, "corpus must be a text"),
        ({"machine": None}, "machine must be a text"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_bad_rule_is_refused(entry: dict[str, Any], reason: str) -> None:
    """A rule with a key or value that it may not have is refused by source and number, saying what is allowed."""
    with pytest.raises(BadDefinition, match=f"test, budget 2: {reason}|test, budget 2.*{reason}"):
        rules({"wer": 0.1}, entry)


@pytest.mark.parametrize("key", ["model", "set_on", "machine"])
def test_a_rule_says_where_it_comes_from(key: str) -> None:
    """A rule that does not say for which model, when or where it was set is refused, naming what is missing."""
    with pytest.raises(BadDefinition, match=f"test, budget 1: '{key}' is missing"):
        budgets_from([{name: value for name, value in ABOUT.items() if name != key}], "test")


@pytest.mark.parametrize(
    ("measured", "limit", "verdict"),
    [
        (0.1, 0.2, Verdict.PASS),
        (0.2, 0.2, Verdict.PASS),
        (0.0, 0.0, Verdict.PASS),
        (0.2000001, 0.2, Verdict.FAIL),
        (1, 0, Verdict.FAIL),
        (None, 0.2, Verdict.ERROR),
        (None, 0.0, Verdict.ERROR),
        (0.1, None, Verdict.NO_BUDGET),
        (None, None, Verdict.NO_BUDGET),
        (float("nan"), 0.2, Verdict.FAIL),
        (float("inf"), 0.2, Verdict.FAIL),
    ],
)
def test_a_figure_is_judged(measured: float | None, limit: float | None, verdict: Verdict) -> None:
    """Up to the limit passes and above it fails; what was not measured is an error; without a limit nothing is said."""
    assert judge(measured, limit) is verdict


def test_the_gravest_verdict_counts() -> None:
    """Of several verdicts, in any order, an error outweighs a failure, that a pass, and that no budget."""
    gravest_last = [Verdict.NO_BUDGET, Verdict.PASS, Verdict.FAIL, Verdict.ERROR]
    for count in range(1, 5):
        assert {worst(order) for order in permutations(gravest_last[:count])} == {gravest_last[count - 1]}
    assert worst(()) is Verdict.NO_BUDGET


def test_tables_are_read_back() -> None:
    """The plain tables of budgets give the same budgets, as a run's description keeps them."""
    budgets = rules(
        {"corpus": "librivox", "wer": 0.1, "set_on": date(2026, 1, 2)}, {"words_in_silence": 0, "rtf": 1.5}, {}
    )
    assert budgets_from(budgets.tables(), "run") == budgets
    assert budgets.tables()[1] == ABOUT | {"corpus": "*", "words_in_silence": 0, "rtf": 1.5}


def test_a_file_is_read_in_its_order(tmp_path: Path) -> None:
    """A TOML file's tables are the rules, in their order, with TOML's own dates."""
    path = tmp_path / "budgets.toml"
    path.write_text(
        '[[budget]]\nmodel = "*"\nset_on = 2026-01-02\nmachine = "größer"\nwer = 0.5\n'
        '[[budget]]\nmodel = "*"\nset_on = 2026-01-03\nmachine = "m"\nwer = 0.25\n',
        encoding="utf-8",
    )
    budgets = read_budgets(path)
    assert [rule.set_on for rule in budgets.rules] == [date(2026, 1, 2), date(2026, 1, 3)]
    assert budgets.of(MODEL).wer == 0.25


def test_the_budgets_of_this_repository_are_read() -> None:
    """The repository's own budgets are understood, and claim something of the models of the bench."""
    budgets = read_budgets(Path(__file__).parents[3] / "fixtures" / "budgets.toml")
    assert budgets.of(MODEL, "librivox") != Budget()


@pytest.mark.parametrize(
    "content", [b"", b"x = 1", b"budget = 3", b"[budget]\nmodel = '*'", b"budget = ['*']", b"[[budget", b"\xff"]
)
def test_a_file_of_no_budgets_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that holds no list of budget tables is refused by path."""
    path = tmp_path / "budgets.toml"
    path.write_bytes(content)
    with pytest.raises(BadDefinition, match=r"budgets\.toml"):
        read_budgets(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is refused by path."""
    with pytest.raises(BadDefinition, match=r"none\.toml"):
        read_budgets(tmp_path / "none.toml")

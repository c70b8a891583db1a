"""Annotations of a workflow."""

import re

import pytest

from modellab.gating.dossier import Verdicts
from modellab.gating.github import MOST, annotate
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding, Gate

ACTIONS = {"GITHUB_ACTIONS": "true"}


def finding(number, decision=Decision.REGRESSED, model="tiny", **known):
    """Give a finding."""
    gate = Gate(metric="rtf", model=f"{model}-{number:02}", corpus="librivox")
    return Finding(gate=gate, decision=decision, **known)


def verdicts(*findings, expected=()):
    """Give what a comparison came to."""
    return Verdicts(
        id="c",
        created_at="2026-11-23T00:00:00+00:00",
        base="aaa",
        candidate="bbb",
        command="modellab gate --base main",
        expected=(*(each.gate.name for each in findings), *expected),
        findings=findings,
        minutes=1.0,
        machine="a processor",
    )


@pytest.mark.parametrize("env", [{}, {"GITHUB_ACTIONS": "false"}, {"CI": "true"}])
def test_nothing_is_said_outside_of_github(env):
    """On somebody's own machine there is no workflow to annotate."""
    assert list(annotate(verdicts(finding(1)), env)) == []


@pytest.mark.parametrize("bad", [0, 1, MOST, MOST + 1, 40])
def test_none_is_dropped(bad):
    """GitHub shows ten: at most nine are given, the worst first, and one that says how many more there are."""
    found = [finding(n, estimate=n / 100) for n in range(bad)] + [finding(99, Decision.PASS)]
    *shown, last = annotate(verdicts(*found), ACTIONS)
    assert len(shown) == min(bad, MOST)
    assert re.findall(r"tiny-\d+", " ".join(shown)) == [f"tiny-{n:02}" for n in sorted(range(bad), reverse=True)[:MOST]]
    assert last.startswith("::notice title=Model Lab gate::")
    assert ("more are in the summary" in last) == (bad > MOST)
    assert bad <= MOST or f"{bad - MOST} more" in last


def test_each_grave_decision_has_its_level():
    """What fails is an error, what could not be told a warning; what passes or informs is only counted."""
    lines = list(annotate(verdicts(*(finding(n, decision) for n, decision in enumerate(Decision))), ACTIONS))
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning", "::notice"]
    assert "title=error%3A" in lines[0]
    assert "1 pass, 1 regressed, 1 inconclusive, 1 error, 1 informs" in lines[-1]


def test_a_suspicion_is_a_warning():
    """Where another job has to confirm it, what regressed is suspected; what could not be judged still is an error."""
    found = verdicts(finding(1), finding(2, Decision.ERROR))
    lines = list(annotate(found, {**ACTIONS, "MODELLAB_SCREENING": "true"}))
    assert lines[0].startswith("::error title=error%3A rtf of tiny-02")
    assert lines[1].startswith("::warning title=suspected%3A rtf of tiny-01")
    assert list(annotate(found, {**ACTIONS, "MODELLAB_SCREENING": "false"}))[1].startswith("::error title=regressed")


def test_a_gate_that_did_not_run_is_an_error():
    """Whatever was expected and is not there is shown before all else."""
    lines = list(annotate(verdicts(finding(1), expected=["drift of tiny on librivox"]), ACTIONS))
    assert lines[0] == "::error title=error%3A drift of tiny on librivox::expected, and did not run"
    assert "1 missing" in lines[-1]


def test_nothing_in_a_text_ends_a_command():
    """No line end, colon, comma or percent sign of a name or a reason is taken for a command's."""
    hostile = "a,b::c%0A\r\n::error title=x::y"
    (line, _) = annotate(verdicts(finding(1, model=hostile, reasons=(hostile,))), ACTIONS)
    assert len(line.splitlines()) == 1
    title, _, words = line.removeprefix("::error title=").partition("::")
    assert title == ("regressed%3A rtf of a%2Cb%3A%3Ac%250A%0D%0A%3A%3Aerror title=x%3A%3Ay-01 on librivox")
    assert words == "a,b::c%250A%0D%0A::error title=x::y"


def test_as_many_reasons_as_utterances_stay_short():
    """Of ten thousand reasons the gravest are given, and how many more there are."""
    found = verdicts(finding(1, Decision.ERROR, reasons=("no memory " * 1000,) * 10_000))
    line = next(annotate(found, ACTIONS))
    assert len(line) < 2000
    assert line.endswith("and 9997 more")

"""What a gate says to people."""

import pytest

from modellab.gating.dossier import Verdicts
from modellab.gating.summary import change, headline, ranked, summary
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding, Gate

MOST_BYTES = 1024 * 1024
HOSTILE = "</td>|<img src=x onerror=y> [a](https://b.example) **c** `d` \n# e \\| ~~f~~ <!-- g"


def finding(decision=Decision.REGRESSED, metric="drift", model="tiny", corpus="librivox", **known):
    """Give a finding."""
    return Finding(gate=Gate(metric=metric, model=model, corpus=corpus), decision=decision, **known)


def changed(count, text="the hat", name="u"):
    """Give the evidence of drift of so many utterances."""
    one = {"before": text, "after": f"{text} sat", "errors_before": 0, "errors_after": 1, "more_errors": 1}
    return {"changed": [{"utterance": f"{name}{n}", **one} for n in range(count)]}


def verdicts(*findings, command="modellab gate --base main", **known):
    """Give what a comparison came to."""
    facts = {"base": "aaa", "candidate": "bbb", "expected": tuple(f.gate.name for f in findings), **known}
    return Verdicts(
        id="c",
        created_at="2026-11-23T00:00:00+00:00",
        command=command,
        findings=findings,
        minutes=2.5,
        machine="a processor, 2 cores",
        **facts,
    )


def test_a_reader_learns_what_got_worse():
    """It says what, by how much, how sure, with how much evidence, why, and how to see it again, the gravest first."""
    found = verdicts(
        finding(Decision.PASS, "quality", estimate=0.001, counted="speaker", count=12),
        finding(metric="rtf", estimate=0.051, low=0.03, high=0.07, p=0.0004, counted="block", count=9, reasons=("w",)),
    )
    lines = summary(found).splitlines()
    assert lines[0] == "## ❌ Model Lab gate: REGRESSED: 1 pass, 1 regressed"
    rows = [line for line in lines if line.startswith(("| ❌", "| ✅"))]
    assert rows == [
        r"| ❌ regressed | rtf of tiny on librivox | +5.10 \[+3.00, +7.00\] % | 0.0004 | 9 blocks | w |",
        "| ✅ pass | quality of tiny on librivox | +0.10 points |  | 12 speakers |  |",
    ]
    assert lines[-3:] == ["```sh", "modellab gate --base main", "```"]


@pytest.mark.parametrize("place", ["model", "corpus", "utterance", "text", "reason", "base", "note", "missing"])
def test_no_text_is_taken_for_markdown(place):
    """No name, transcript or reason opens a cell, a tag, a link, a comment or a line of its own."""
    text = HOSTILE
    gate = {place: text} if place in {"model", "corpus"} else {}
    evidence = changed(1, text if place == "text" else "the hat", text if place == "utterance" else "u")
    known = {"base": text} if place == "base" else {"notes": (text,)} if place == "note" else {}
    known |= {"expected": (text,)} if place == "missing" else {}
    written = summary(
        verdicts(finding(evidence=evidence, reasons=(text,) if place == "reason" else (), **gate), **known)
    )
    bare = written.replace("\\\\", "")
    for sign in ("<img", "<!--", "</td>", "[a]", "**c", "`d`", "~~"):
        assert sign in HOSTILE
        assert bare.replace(f"\\{sign}", "").count(sign) == 0
    assert "\n# e" not in written
    (row,) = [line for line in bare.splitlines() if line.startswith("| ❌")]
    assert row.replace("\\|", "").count("|") == 7


def test_a_command_stays_in_its_block():
    """Whatever was typed, the block with the command ends where it ends."""
    lines = summary(verdicts(finding(), command="modellab gate --base 'a\n```\n# b'")).splitlines()
    assert lines[-3:] == ["```sh", "modellab gate --base 'a ``` # b'", "```"]


@pytest.mark.parametrize(
    ("findings", "utterances", "words", "reasons"),
    [(1, 10_000, 10, 1), (36, 2000, 20_000, 1), (1, 1, 10, 10_000), (3000, 1, 1000, 3)],
)
def test_github_takes_it(findings, utterances, words, reasons):
    """GitHub drops a summary of more than 1 MiB: many changes, long transcripts, many reasons and many gates fit."""
    evidence = changed(utterances, "<|ü|> " * words)
    found = [finding(model=f"m{n}", evidence=evidence, reasons=("<|ü|>" * 999,) * reasons) for n in range(findings)]
    written = summary(verdicts(*found))
    assert len(written.encode()) < MOST_BYTES
    assert written.endswith("```\n")
    assert utterances == 1 or f"and {utterances - 5} more" in written
    assert findings <= 200 or f"and {findings - 200} more gates" in written


def test_a_comparison_of_nothing():
    """Without any gate the summary says so, and that it is an error; a gate that is missing is named."""
    assert headline(verdicts()) == "ERROR: no gate"
    assert "- missing: drift of x" in summary(verdicts(finding(Decision.PASS), expected=("drift of x",)))


def test_the_gravest_comes_first():
    """Findings are ranked by decision, then by how much worse."""
    found = [finding(Decision.PASS), finding(estimate=0.1, model="a"), finding(estimate=0.2, model="b")]
    order = ranked([*found, finding(Decision.ERROR)])
    assert [(each.decision, each.gate.model) for each in order] == [
        (Decision.ERROR, "tiny"),
        (Decision.REGRESSED, "b"),
        (Decision.REGRESSED, "a"),
        (Decision.PASS, "tiny"),
    ]


def test_what_nobody_measured_has_no_change():
    """No number stands where none is known."""
    assert change(finding()) == ""
    assert change(finding(metric="rtf", estimate=-0.01)) == "-1.00 %"

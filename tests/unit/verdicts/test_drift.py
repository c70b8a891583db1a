"""Drift, and when two arms may be compared at all."""

import json
from dataclasses import asdict, replace

import pytest

from modellab.verdicts.decision import Decision
from modellab.verdicts.drift import changes, judge_drift

HEARD = {"a": (1, 10, "ann"), "b": (0, 20, "bob"), "c": (3, 10, "ann")}


def test_the_same_words_pass(gate, arm_of):
    """Two arms that wrote the same words pass, whatever errors they share and however they are ordered."""
    found = judge_drift(gate, arm_of(HEARD), arm_of(dict(reversed(HEARD.items()))))
    assert (found.decision, found.estimate, found.evidence["changed"]) == (Decision.PASS, 0, [])


def test_each_change_is_listed(gate, arm_of):
    """Every utterance whose words changed is listed with the errors that it gained or lost, the worst first."""
    found = judge_drift(gate, arm_of(HEARD), arm_of(HEARD | {"a": (0, 10, "ann"), "b": (4, 20, "bob")}))
    rows = [(row["utterance"], row["errors_before"], row["errors_after"], row["more_errors"])
            for row in found.evidence["changed"]]  # fmt: skip
    assert rows == [("b", 0, 4, 4), ("a", 1, 0, -1)]
    assert found.decision is Decision.REGRESSED
    assert found.reasons == ("2 of 3 utterances changed: 4 errors gained, 1 lost",)
    assert found.estimate == pytest.approx(3 / 40)


def test_other_words_with_as_many_errors_drift(gate, arm_of):
    """Words that changed without a change in errors are seen all the same."""
    base = arm_of(HEARD)
    other = replace(base, heard=base.heard | {"a": replace(base.heard["a"], words="something else")})
    found = judge_drift(gate, base, other)
    assert (found.decision, found.estimate) == (Decision.REGRESSED, 0)
    assert [change.utterance for change in changes(base, other)] == ["a"]


def test_a_change_for_the_better_is_a_change(gate, arm_of):
    """Fewer errors are drift too, since nobody meant them."""
    found = judge_drift(gate, arm_of(HEARD), arm_of(HEARD | {"c": (0, 10, "ann")}))
    assert found.decision is Decision.REGRESSED
    assert found.estimate < 0


def test_an_acknowledged_change_informs(gate, arm_of):
    """A change that somebody meant is listed with the reason and fails nothing; without a change there is none."""
    candidate = arm_of(HEARD | {"c": (0, 10, "ann")})
    found = judge_drift(gate, arm_of(HEARD), candidate, acknowledged="beam of 5")
    assert found.decision is Decision.INFORMS
    assert found.reasons[1:] == ("acknowledged: beam of 5",)
    assert len(found.evidence["changed"]) == 1
    assert judge_drift(gate, candidate, candidate, acknowledged="beam of 5").decision is Decision.PASS


def test_words_in_silence_are_seen(gate, arm_of):
    """What is written where nobody speaks is drift, though it enters no rate."""
    silence = {"s": (0, 0, None)}
    found = judge_drift(gate, arm_of(silence), arm_of({"s": (2, 0, None)}))
    assert (found.decision, found.estimate) == (Decision.REGRESSED, None)


@pytest.mark.parametrize(
    ("base", "candidate", "reason"),
    [
        ({}, {"revision": "r2"}, "revision r1, the candidate librivox at r2"),
        ({}, {"rules": "basic@2"}, "under basic@1 in the base, as wer under basic@2"),
        ({"heard": {}}, {"heard": {}}, "the base heard no utterance"),
        ({}, {"heard": {}}, "the candidate heard no utterance"),
        ({}, {"heard": {"a": (1, 10, "ann"), "b": (0, 20, "bob")}}, "1 utterances were heard by the base alone: c"),
        ({}, {"heard": HEARD | {"d": (1, 1, "ann")}}, "1 utterances were heard by the candidate alone: d"),
        ({}, {"heard": HEARD | {"a": (1, 11, "ann")}}, "reference of a has 10 units in the base, 11"),
        ({}, {"heard": HEARD | {"a": (1, 10, "cy")}}, "a is spoken by ann in the base, by cy"),
    ],
)
def test_arms_that_differ_in_more_are_refused(gate, arm_of, base, candidate, reason):
    """Other speech, other rules, missing utterances and empty corpora are errors that say so; nothing is compared."""
    found = judge_drift(gate, arm_of(**{"heard": HEARD} | base), arm_of(**{"heard": HEARD} | candidate))
    assert found.decision is Decision.ERROR
    assert any(reason in given for given in found.reasons), found.reasons
    assert found.estimate is None


def test_another_metric_is_refused(gate, arm_of):
    """Words and characters are not compared."""
    base = arm_of(HEARD)
    heard = base.heard["a"]
    other = replace(base, heard=base.heard | {"a": replace(heard, score=replace(heard.score, metric="cer"))})
    assert judge_drift(gate, base, other).decision is Decision.ERROR


def test_many_missing_utterances_are_counted(gate, arm_of):
    """Of many utterances that one arm lacks, a few are named and all are counted."""
    many = {f"u{n}": (0, 1, None) for n in range(9)}
    found = judge_drift(gate, arm_of(many | HEARD), arm_of(HEARD))
    assert found.reasons == ("9 utterances were heard by the base alone: u0, u1, u2, ...",)


def test_a_finding_is_plain(gate, arm_of):
    """What a gate found can be written as JSON."""
    found = judge_drift(gate, arm_of(HEARD), arm_of(HEARD | {"c": (0, 10, "ann")}))
    assert json.loads(json.dumps(asdict(found)))["decision"] == "regressed"

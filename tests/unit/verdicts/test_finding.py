"""Findings: their names, and the gravest of several."""

from itertools import permutations

import pytest

from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Gate, gravest, refused


def test_a_gate_has_a_name():
    """A gate is found again by its metric, model and corpus, and by nothing else."""
    gate = Gate(metric="rtf", model="tiny", corpus="librivox")
    assert gate.name == "rtf of tiny on librivox"
    assert gate == Gate(metric="rtf", model="tiny", corpus="librivox")


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ([Decision.PASS, Decision.INFORMS], Decision.PASS),
        ([Decision.PASS, Decision.INCONCLUSIVE], Decision.INCONCLUSIVE),
        ([Decision.INCONCLUSIVE, Decision.REGRESSED, Decision.PASS], Decision.REGRESSED),
        ([Decision.REGRESSED, Decision.ERROR, Decision.PASS], Decision.ERROR),
        ([Decision.INFORMS], Decision.INFORMS),
    ],
)
def test_the_gravest_decision_counts(decisions, expected):
    """Of several decisions, in any order, the one to act on comes first."""
    assert {gravest(order) for order in permutations(decisions)} == {expected}


def test_every_decision_has_its_rank():
    """No decision is overlooked when the gravest is sought."""
    assert [gravest([decision]) for decision in Decision] == list(Decision)


def test_no_gate_at_all_is_an_error():
    """Where gates were asked for and none ran, nothing passes."""
    assert gravest([]) is Decision.ERROR


def test_what_cannot_be_judged_is_an_error(gate):
    """A refusal keeps its reasons and claims no figure."""
    found = refused(gate, ["one", "two"])
    assert (found.decision, found.reasons, found.estimate, found.p) == (Decision.ERROR, ("one", "two"), None, None)

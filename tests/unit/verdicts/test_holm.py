"""Families of gates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from modellab.errors import MeasurementRefused
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding, refused
from modellab.verdicts.holm import benjamini_hochberg, holm, judge_family

PS = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(deadline=None, max_examples=20)
@given(PS)
def test_holm_agrees_with_statsmodels(ps):
    """Holm's p are those of statsmodels, in the order that was given, ties included."""
    assert holm(ps) == pytest.approx(multipletests(ps, method="holm")[1])


@settings(deadline=None, max_examples=80)
@given(PS)
def test_benjamini_hochberg_agrees_with_statsmodels(ps):
    """The p of false discoveries are those of statsmodels, in the order that was given, ties included."""
    assert benjamini_hochberg(ps) == pytest.approx(multipletests(ps, method="fdr_bh")[1])


def test_holm_by_hand():
    """Of three, the smallest p counts three times, the next twice, and none less than one before it."""
    assert holm([0.04, 0.01, 0.03]) == pytest.approx((0.06, 0.03, 0.06))
    assert holm([]) == benjamini_hochberg([]) == ()


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan"), float("inf")])
@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_what_is_no_probability_is_refused(adjust, p):
    """A p that is none is refused rather than sorted."""
    with pytest.raises(MeasurementRefused, match="between 0 and 1"):
        adjust([0.5, p])


def found(gate, decision, p):
    """Give a finding."""
    return Finding(gate=gate, decision=decision, p=p, reasons=("why",))


def test_one_suspect_among_many_is_not_enough(gate):
    """What is significant alone and not in the family is inconclusive, and says why; what is stays regressed."""
    others = [found(gate, Decision.PASS, 0.5)] * 8
    weak, strong = found(gate, Decision.REGRESSED, 0.004), found(gate, Decision.REGRESSED, 0.0005)
    judged = judge_family([weak, *others, strong], alpha=0.01)
    assert [finding.decision for finding in judged] == [Decision.INCONCLUSIVE, *[Decision.PASS] * 8, Decision.REGRESSED]
    assert judged[0].reasons == ("suspected, but among 10 gates p is 0.036, not 0.01 or less", "why")
    assert judged[-1].evidence["p_in_family"] == pytest.approx(0.005)
    assert judge_family([weak], alpha=0.01)[0].decision is Decision.REGRESSED


def test_what_failed_to_judge_was_asked(gate):
    """An error counts among the family and stays an error; what only informs does not count."""
    weak = found(gate, Decision.REGRESSED, 0.008)
    errors, informing = [refused(gate, ["lost"])], [found(gate, Decision.INFORMS, None)]
    assert judge_family([weak, *informing], alpha=0.01)[0].decision is Decision.REGRESSED
    judged = judge_family([weak, *errors], alpha=0.01)
    assert [finding.decision for finding in judged] == [Decision.INCONCLUSIVE, Decision.ERROR]


def test_a_drift_without_p_stands(gate):
    """A regression that no chance could have made is left as it is."""
    drift = found(gate, Decision.REGRESSED, None)
    assert judge_family([drift, found(gate, Decision.PASS, 0.9)], alpha=0.01)[0] is drift


def test_nothing_but_a_false_alarm_is_made_rarer(gate):
    """Of twenty gates where nothing is worse, some regress alone in 18 % of families and together in 1 %."""
    families = np.random.default_rng(0).random((600, 20))
    alone = np.mean((families < 0.01).any(axis=1))
    together = 0
    for ps in families[(families < 0.01).any(axis=1)]:
        findings = [found(gate, Decision.REGRESSED if p < 0.01 else Decision.PASS, p) for p in ps]
        together += Decision.REGRESSED in {finding.decision for finding in judge_family(findings, alpha=0.01)}
    assert 0.13 < alone < 0.24
    assert together / 600 < 0.03

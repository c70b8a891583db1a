"""The quality gate: rates, clusters, decisions and refusals."""

import json
from dataclasses import asdict, replace
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from modellab.errors import BadDefinition
from modellab.scoring.normalize import normalizer
from modellab.scoring.score import Score
from modellab.scoring.wer import align
from modellab.verdicts.arm import Arm, Heard
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Gate
from modellab.verdicts.quality import Terms, judge_quality

GATE = Gate(metric="wer", model="tiny", corpus="librivox")


def arm(errors, lengths, speakers=None):
    """Give an arm with so many errors in each utterance, each its own speaker unless told."""
    names = speakers or [f"s{n}" for n in range(len(errors))]
    return Arm(
        corpus="librivox",
        revision="r1",
        heard={
            f"u{n}": Heard(
                words="",
                score=Score(metric="wer", normalizer="basic@1", hits=length, insertions=int(wrong)),
                speaker=speaker,
            )
            for n, (wrong, length, speaker) in enumerate(zip(errors, lengths, names, strict=True))
        },
    )


def judge(before, after, lengths=None, speakers=None, **terms):
    """Give the finding on errors before and after."""
    counted = lengths or [100] * len(before)
    return judge_quality(GATE, arm(before, counted, speakers), arm(after, counted, speakers), terms=Terms(**terms))


def test_a_loss_for_all_speakers_regresses():
    """A point more of errors in every speaker is found out, and all that is shown agrees."""
    found = judge([5] * 20, [6, 7] * 10)
    assert found.decision is Decision.REGRESSED
    assert found.estimate == pytest.approx(0.015)
    assert found.low < 0.015 < found.high
    assert found.evidence["bootstrap_interval"][0] > 0
    assert found.evidence["p_signs"] == pytest.approx(2.0**-20)
    assert found.p == max(found.evidence["p_t"], found.evidence["p_signs"])
    assert (found.counted, found.count) == ("speaker", 20)


def test_the_same_errors_pass():
    """Arms with the same errors in every utterance pass with nothing to see."""
    found = judge([5] * 12, [5] * 12)
    assert (found.decision, found.estimate, found.detectable) == (Decision.PASS, 0, pytest.approx(0.003))


def test_below_the_floor_nothing_regresses():
    """A loss that is sure and less than 0.3 points does not regress; one above does."""
    lengths = [1000] * 20
    assert judge([50] * 20, [51, 53] * 10, lengths).decision is Decision.PASS
    assert judge([50] * 20, [53, 55] * 10, lengths).decision is Decision.REGRESSED


def test_scatter_is_inconclusive():
    """Speakers who disagree leave it open, and the finding says what they would have seen and how many it takes."""
    random = np.random.default_rng(0)
    before, after = random.integers(0, 20, 15), random.integers(0, 20, 15)
    found = judge(list(before), list(after))
    assert found.decision is Decision.INCONCLUSIVE
    assert found.detectable > 0.02
    assert found.needed > 100
    assert f"takes about {found.needed}" in found.reasons[0]


def test_a_gain_passes():
    """Fewer errors pass."""
    assert judge([8, 9] * 10, [5] * 20).decision is Decision.PASS


def test_few_speakers_inform():
    """Nine speakers do not judge, however sure they are, and enter no family; ten do."""
    few = judge([5] * 9, [9] * 9)
    assert (few.decision, few.p, few.estimate) == (Decision.INFORMS, None, pytest.approx(0.04))
    assert "fewer than 10 speakers do not judge" in few.reasons[0]
    assert judge([5] * 10, [9] * 10).decision is Decision.REGRESSED


@pytest.mark.parametrize("utterances", [1, 40])
def test_one_speaker_informs(utterances):
    """One speaker says nothing of others, however much is said."""
    found = judge([1] * utterances, [5] * utterances, speakers=["ann"] * utterances)
    assert (found.decision, found.p, found.low) == (Decision.INFORMS, None, None)
    assert found.reasons == ("one speaker says nothing of others",)


def test_speakers_are_counted_not_utterances():
    """A loss that rests on one speaker of twelve is not sure, however many utterances that speaker has."""
    speakers = [f"s{n}" for n in range(11)] + ["loud"] * 60
    found = judge([5] * 71, [5] * 11 + [9] * 60, speakers=speakers)
    assert (found.count, found.decision) == (12, Decision.INCONCLUSIVE)
    alone = judge([5] * 71, [5] * 11 + [9] * 60, speakers=[None] * 71)
    assert (alone.counted, alone.count, alone.decision) == ("utterance", 71, Decision.REGRESSED)


def test_where_one_speaker_is_unknown_utterances_count():
    """Known and unknown speakers are not mixed."""
    assert judge([1] * 12, [1] * 12, speakers=[None, *["ann"] * 11]).counted == "utterance"


def test_signs_agree_with_scipy():
    """The p of the signs is that of scipy's permutation test of the speakers' errors, and both tests must agree."""
    before, after = [3, 0, 5, 2, 8, 1, 0, 4, 2, 6, 1], [5, 1, 4, 6, 9, 1, 3, 4, 6, 9, 2]
    gained = np.subtract(after, before)
    theirs = permutation_test(
        (gained,), np.sum, permutation_type="samples", alternative="greater", n_resamples=np.inf, vectorized=True
    )
    found = judge(before, after, lengths=list(range(20, 240, 20)))
    assert found.evidence["p_signs"] == pytest.approx(theirs.pvalue)


def test_both_tests_must_agree():
    """At a chance between the p of t and that of the signs nothing regresses."""
    found = judge([5] * 10, [9] * 10)
    assert found.evidence["p_t"] < 0.0005 < found.evidence["p_signs"]
    assert judge([5] * 10, [9] * 10, alpha=0.0005).decision is Decision.INCONCLUSIVE


def test_rates_are_pooled():
    """Errors and words are summed before they are divided."""
    found = judge([1, 0] * 5, [2, 9] * 5, lengths=[10, 90] * 5)
    assert found.estimate == pytest.approx(10 / 100)
    assert (found.evidence["rate_before"], found.evidence["words"]) == (pytest.approx(0.01), 500)


def test_silence_enters_no_rate():
    """Words where nobody speaks change no rate, and the utterances are counted."""
    lengths = [100] * 12 + [0]
    found = judge([5] * 13, [5] * 12 + [50], lengths)
    assert (found.estimate, found.count, found.evidence["silent_utterances"]) == (0, 12, 1)


def test_nothing_said_is_an_error():
    """A corpus in which nobody speaks has no rate."""
    found = judge([1, 1], [1, 1], lengths=[0, 0])
    assert (found.decision, found.reasons) == (Decision.ERROR, ("nothing is said in any of 2 utterances",))


@pytest.mark.parametrize(
    "change",
    [
        {"revision": "r2"},
        {"corpus": "other"},
        {"heard": {}},
        {"heard": dict(list(arm([1] * 12, [10] * 12).heard.items())[1:])},
    ],
    ids=["revision", "corpus", "empty", "missing"],
)
def test_arms_that_differ_in_more_are_refused(change):
    """Other speech, no speech and missing utterances are errors."""
    same = arm([1] * 12, [10] * 12)
    for base, candidate in ((same, replace(same, **change)), (replace(same, **change), same)):
        found = judge_quality(GATE, base, candidate)
        assert found.decision is Decision.ERROR
        assert found.reasons


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(10, 99)), min_size=10, max_size=16))
def test_exchanged_arms_turn_the_estimate(rows):
    """The arms exchanged give the estimate and its bounds with the other sign, and never two regressions."""
    before, after, lengths = map(list, zip(*rows, strict=True))
    one, other = judge(before, after, lengths), judge(after, before, lengths)
    assert one.estimate == pytest.approx(-other.estimate)
    assert one.low == pytest.approx(-other.high)
    assert not (one.decision is other.decision is Decision.REGRESSED)


def test_a_longer_corpus_of_the_same_rates_says_the_same():
    """Ten times as many errors in ten times as many words change nothing."""
    before, after = [3, 0, 5, 2, 8, 1, 0, 4, 2, 6], [5, 1, 4, 6, 9, 1, 3, 4, 6, 9]
    one = judge(before, after)
    ten = judge([10 * n for n in before], [10 * n for n in after], [1000] * 10)
    for name in ("decision", "estimate", "low", "high", "p", "detectable", "needed"):
        assert getattr(one, name) == pytest.approx(getattr(ten, name)), name


def test_false_alarms_are_rare():
    """Speakers who differ by chance by 0.8 points raise an alarm at 0.05 in no more than 5 % of corpora, or so."""
    random, alarms = np.random.default_rng(5), 0
    for _ in range(80):
        lengths = random.integers(100, 900, 20)
        gained = np.round(lengths * random.normal(0, 0.008, 20))
        found = judge([100] * 20, list(100 + gained), list(lengths), alpha=0.05, floor=0.0)
        alarms += found.decision is Decision.REGRESSED
    assert alarms <= 11


def test_matched_pairs_stand_beside():
    """Where alignments were kept NIST's test is part of the evidence, else it is None."""
    rules = normalizer("none")
    said = "a b c d e f g h"

    def heard(words, n):
        score = Score(metric="wer", normalizer="none@1", hits=8)
        return Heard(words=words, score=score, speaker=f"s{n}", edits=align(said, words, rules))

    base = Arm(corpus="c", revision="r", heard={f"u{n}": heard(said, n) for n in range(12)})
    other = replace(base, heard={f"u{n}": heard("a X c d" + " e Y g h" * (n % 2), n) for n in range(12)})
    assert judge_quality(GATE, base, other).evidence["mapsswe"]["segments"] > 12
    assert judge([1] * 12, [1] * 12).evidence["mapsswe"] is None


def test_a_finding_is_plain_and_repeatable():
    """What a gate found can be written as JSON, and is the same again."""
    before, after = [3, 0, 5, 2, 8, 1, 0, 4, 2, 6] * 4, [5, 1, 4, 6, 9, 1, 3, 4, 6, 9] * 4
    assert json.loads(json.dumps(asdict(judge(before, after))))["evidence"]["words"] == 4000
    assert judge(before, after) == judge(before, after)


@pytest.mark.parametrize(
    "wrong",
    [{"alpha": 0}, {"alpha": nan}, {"floor": 0.01}, {"floor": -1.0}, {"power": 1}, {"least_clusters": 1},
     {"confidence": 2.0}, {"margin": float("inf")}],
    ids=str,
)  # fmt: skip
def test_terms_that_bound_nothing_are_refused(wrong):
    """Chances that are none, a floor above the margin and a single cluster are refused."""
    with pytest.raises(BadDefinition):
        Terms(**wrong)

"""The difference of two pooled rates on the same utterances."""

from itertools import product

import numpy as np
import pytest

from modellab.scoring.difference import Pair, difference
from modellab.scoring.score import Score


def score(errors, length):
    """Give a score with so many substitutions in so many words."""
    return Score(metric="wer", normalizer="none@1", hits=length - errors, substitutions=errors)


def pair(cluster, before, after, length=10):
    """Give an utterance of a cluster with its errors before and after."""
    return Pair(cluster=cluster, before=score(before, length), after=score(after, length))


def test_the_difference_is_of_pooled_rates():
    """Errors and words are summed before they are divided, on both sides."""
    found = difference([pair("a", 1, 2, length=10), pair("b", 0, 9, length=90)])
    assert found.before == pytest.approx(1 / 100)
    assert found.change == pytest.approx(10 / 100)


def test_no_change_is_no_difference():
    """The same errors on both sides give a difference of nothing, and an interval of nothing."""
    found = difference([pair(name, errors, errors) for name, errors in (("a", 1), ("b", 3), ("c", 0))])
    assert (found.change, found.low, found.high, found.settled) == (0, 0, 0, False)


def test_one_speaker_has_no_interval():
    """With one cluster nothing can be said of other speakers."""
    found = difference([pair("a", 1, 2), pair("a", 0, 1)], unit="speaker")
    assert (found.low, found.high, found.clusters, found.settled) == (None, None, 1, False)


def test_nothing_said_has_no_difference():
    """Where nobody speaks there is no rate and so no difference."""
    assert difference([pair("a", 0, 0, length=0)]) is None
    assert difference([]) is None


def test_a_change_for_all_speakers_is_settled():
    """A change that every speaker shares leaves out no change at all."""
    assert difference([pair(f"s{n}", 1, 4) for n in range(8)]).settled
    assert difference([pair(f"s{n}", 4, 1) for n in range(8)]).settled


def test_a_change_for_one_speaker_is_open():
    """A change that rests on one speaker of several is not settled, however many utterances that speaker has."""
    steady = [pair(f"s{n}", 1, 1) for n in range(5)]
    assert not difference([*steady, *[pair("loud", 0, 8) for _ in range(5)]]).settled


def test_the_interval_is_that_of_all_draws():
    """With three clusters the interval is that of the 27 draws there are."""
    clusters = [(1, 4, 10), (3, 2, 20), (0, 5, 15)]
    found = difference([pair(str(n), b, a, length) for n, (b, a, length) in enumerate(clusters)], draws=200_000)
    every = [np.array(draw).sum(axis=0) for draw in product(clusters, repeat=3)]
    rates = [(after - before) / length for before, after, length in every]
    low, high = np.quantile(rates, [0.025, 0.975], method="inverted_cdf")
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)

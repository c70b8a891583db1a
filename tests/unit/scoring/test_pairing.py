"""Pairing: the words that two lists have in the same place."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from modellab.scoring.pairing import equal_words

words = st.lists(st.sampled_from(["a", "b", "c"]), max_size=12)


def test_equal_words_are_paired() -> None:
    """A word left out, put in or exchanged moves the indices of one side on."""
    assert list(equal_words(["the", "cat", "sat", "on", "it"], ["so", "the", "cat", "on", "at"])) == [
        (0, 1),
        (1, 2),
        (3, 3),
    ]
    assert list(equal_words([], ["a"])) == list(equal_words(["a"], [])) == []


@given(words, words)
def test_pairs_are_equal_and_in_order(said: list[str], heard: list[str]) -> None:
    """Both words of a pair are the same, and both indices grow from pair to pair."""
    pairs = list(equal_words(said, heard))
    assert all(said[left] == heard[right] for left, right in pairs)
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(pairs))


@given(words)
def test_a_list_is_its_own_pair(said: list[str]) -> None:
    """Of the same list twice, every word is paired with itself."""
    assert list(equal_words(said, said)) == [(index, index) for index in range(len(said))]

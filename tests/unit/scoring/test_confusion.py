"""Confusions: words exchanged, left out and put in."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.scoring.confusion import Confusion, Confusions, confusions
from modellab.scoring.normalize import normalizer
from modellab.scoring.wer import Edit, align, count

NONE = normalizer("none")

sentences = st.lists(st.sampled_from("abcd"), max_size=8).map(" ".join)
pairs = st.lists(st.tuples(sentences, sentences), max_size=5)


def confused(*texts: tuple[str, str]) -> Confusions:
    """Give the confusions of pairs of reference and hypothesis."""
    return confusions(align(*pair, NONE) for pair in texts)


def listed(kind: tuple[Confusion, ...]) -> list[tuple[str, str, int]]:
    """Give confusions as plain values."""
    return [(one.said, one.written, one.count) for one in kind]


def test_each_kind_is_listed_as_itself() -> None:
    """What was said and written stands with how often; the most frequent first, ties by the alphabet."""
    found = confused(
        ("the cat sat", "the bat sat"), ("a cat", "a bat"), ("an ape", "on ape"), ("we sat down", "we sat"),
        ("so it is", "it is"), ("it is", "oh it is"), ("it is", "it is oh"), ("it was", "it uh was"),
    )  # fmt: skip
    assert listed(found.substitutions) == [("cat", "bat", 2), ("an", "on", 1)]
    assert listed(found.deletions) == [("down", "", 1), ("so", "", 1)]
    assert listed(found.insertions) == [("", "oh", 2), ("", "uh", 1)]


def test_a_run_is_paired_position_by_position() -> None:
    """Of two words exchanged for two, the first is taken for the first and the second for the second."""
    assert listed(confused(("he had been there", "he has bin there")).substitutions) == [
        ("been", "bin", 1),
        ("had", "has", 1),
    ]


@pytest.mark.parametrize(
    ("said", "written", "kind"), [(("a", "b"), ("x",), "deletions"), (("a",), ("x", "b"), "insertions")]
)
def test_what_is_left_over_of_a_run_was_left_out_or_put_in(
    said: tuple[str, ...], written: tuple[str, ...], kind: str
) -> None:
    """A run with more on one side gives its surplus to deletions or insertions."""
    found = confusions([[Edit(operation="substitute", reference=said, hypothesis=written)]])
    assert listed(found.substitutions) == [("a", "x", 1)]
    assert [one.said + one.written for one in getattr(found, kind)] == ["b"]


def test_most_cuts_every_kind() -> None:
    """The most frequent of each kind are kept, in their order; more than there are is all."""
    found = confused(("a b c d", "x x c"), ("a", "x"), ("b e", "b"), ("", "u v w"))
    assert listed(found.most(1).substitutions) == [("a", "x", 2)]
    assert [len(kind) for kind in (found.most(1).deletions, found.most(2).insertions)] == [1, 2]
    assert found.most(99) == found
    assert found.most(0) == Confusions()


def test_the_order_does_not_depend_on_what_came_first() -> None:
    """Utterances in any order give the same list."""
    texts = [("a", "x"), ("b", "y"), ("b", "y"), ("c", "")]
    assert len({confused(*order) for order in permutations(texts)}) == 1


@given(pairs, pairs)
def test_sums_are_those_of_all_utterances(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
    """Confusions of two parts add to those of the whole."""
    assert confused(*one) + confused(*other) == confused(*one, *other)
    assert confused(*one) + Confusions() == confused(*one)


@given(pairs)
def test_counts_are_those_of_the_score(texts: list[tuple[str, str]]) -> None:
    """As many words are exchanged, left out and put in as the score counts."""
    found, scores = confused(*texts), [count(align(*pair, NONE), NONE) for pair in texts]
    for kind in ("substitutions", "deletions", "insertions"):
        assert sum(one.count for one in getattr(found, kind)) == sum(getattr(score, kind) for score in scores)

"""Local agreement: what two successive hypotheses have in common is settled, and stays."""

from collections.abc import Sequence
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.scenarios.agreement import Agreement


def after(*hypotheses: str) -> Agreement:
    """Give what stands after these, one after another."""
    agreement = Agreement()
    for hypothesis in hypotheses:
        agreement = agreement.hearing(hypothesis.split())
    return agreement


def stands(agreement: Agreement) -> tuple[str, str]:
    """Give what is confirmed and what is pending, as text."""
    return " ".join(agreement.confirmed), " ".join(agreement.pending)


def test_one_hypothesis_confirms_nothing() -> None:
    """What was heard once is shown, and may change."""
    assert stands(after("it is")) == ("", "it is")


def test_two_in_a_row_confirm_what_they_begin_with() -> None:
    """The longest common beginning is confirmed; the rest is the later hypothesis's."""
    assert stands(after("it was the best", "it was a best of times")) == ("it was", "a best of times")


def test_two_that_are_apart_do_not_agree() -> None:
    """A word of the first and the third hypothesis is not confirmed where the second has another."""
    assert stands(after("one", "two", "one")) == ("", "one")
    assert stands(after("one two", "one", "one two")) == ("one", "two")


def test_agreement_goes_on_from_what_is_confirmed() -> None:
    """Each pair of hypotheses confirms what follows the words confirmed before."""
    assert stands(after("a", "a b", "a b c", "a b c d")) == ("a b c", "d")


def test_words_are_compared_without_capitals_and_punctuation() -> None:
    """Other capitals and marks do not keep a word from being confirmed, as the later hypothesis wrote it."""
    assert stands(after("well they", "Well, they're")) == ("Well,", "they're")
    assert stands(after("hello.", "Hello world", "HELLO WORLD")) == ("Hello WORLD", "")


def test_what_is_confirmed_never_changes() -> None:
    """A hypothesis that hears another word in a confirmed place changes nothing there."""
    stood = after("the cat sat", "the cat sat", "the hat sat on the mat")
    assert stands(stood) == ("the cat sat", "on the mat")
    assert stands(stood.hearing([])) == ("the cat sat", "")


@pytest.mark.parametrize(
    ("later", "added"),
    [
        ("it was the very best of times", "of times"),
        ("it was best of times", "of times"),
        ("and it was the best of times", "of times"),
        ("the best of times", "of times"),
        ("it was the worst of times", "of times"),
        ("it was the", ""),
        ("", ""),
    ],
    ids=["a word more", "a word less", "a word before", "two less", "another word", "shorter", "silence"],
)
def test_words_more_or_less_double_nothing_and_lose_nothing(later: str, added: str) -> None:
    """What follows the words confirmed is found though a later hypothesis counts them differently."""
    stood = after("it was the best", "it was the best")
    assert " ".join(stood.hearing(later.split()).pending) == added
    assert " ".join(stood.ending(later.split()).words) == f"it was the best {added}".strip()


def test_the_end_settles_everything() -> None:
    """The final words are those confirmed and what the last hypothesis has after them, all of it confirmed."""
    stood = after("it is", "it is so").ending(["it", "was", "so", "good"])
    assert stands(stood) == ("it is so good", "")


WORDS = st.lists(st.sampled_from(["a", "A,", "b", "be", "c", "-"]), max_size=7)


@given(st.lists(WORDS), WORDS)
def test_the_confirmed_only_grows_and_begins_the_final_text(heard: Sequence[list[str]], last: list[str]) -> None:
    """Whatever is heard, each confirmed text is the beginning of the next, and of the final one."""
    standing = [Agreement()]
    for hypothesis in heard:
        standing.append(standing[-1].hearing(hypothesis))
    standing.append(standing[-1].ending(last))
    confirmed = [each.confirmed for each in standing]
    for number, before in enumerate(confirmed):
        assert all(later[: len(before)] == before for later in confirmed[number:])
    assert standing[-1].pending == ()


@given(st.lists(WORDS))
def test_what_is_shown_is_what_was_heard_where_hypotheses_only_grow(said: list[list[str]]) -> None:
    """Where each hypothesis begins with the one before, all of the last is shown, and all of the one before settled."""
    grown = [tuple(chain.from_iterable(said[:count])) for count in range(len(said) + 1)]
    agreement = Agreement()
    for hypothesis in grown:
        agreement = agreement.hearing(hypothesis)
    assert agreement.words == grown[-1]
    assert agreement.confirmed == (grown[-2] if said else ())

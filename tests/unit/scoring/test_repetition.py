"""Repetition: runs of a phrase, and which of them are loops."""

from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.scoring.normalize import normalizer
from modellab.scoring.repetition import LONGEST_PHRASE, Repetition, Run, longest_run, repetition, runs

BASIC = normalizer("basic")

few_words = st.lists(st.sampled_from("abc"), max_size=40)


def covered(found: tuple[Run, ...]) -> list[int]:
    """Give the indices of all units in runs."""
    return [index for run in found for index in range(run.start, run.start + run.units)]


@pytest.mark.parametrize(
    ("text", "phrase", "times", "start"),
    [
        ("no no no", "no", 3, 0),
        ("so thank you thank you thank you very much", "thank you", 3, 1),
        ("thank you thank you thank", "thank you", 2, 0),
        ("a b a b a b a b", "a b", 4, 0),
        ("x x a b c a b c", "a b c", 2, 2),
        ("a a a a", "a", 4, 0),
        ("1 2 3 4 5 6 7 8 1 2 3 4 5 6 7 8", "1 2 3 4 5 6 7 8", 2, 0),
        ("x x y y", "x", 2, 0),
    ],
)
def test_the_longest_run(text: str, phrase: str, times: int, start: int) -> None:
    """The run over most words is found with its shortest phrase; of equal ones the first; a phrase is counted whole."""
    assert longest_run(text, BASIC) == Run(phrase=tuple(phrase.split()), times=times, start=start)


@pytest.mark.parametrize("text", ["", "...", "one", "the cat sat on the mat", "1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9"])
def test_a_text_may_have_no_run(text: str) -> None:
    """Words that come again later, or a phrase of nine words that comes twice, are no run."""
    assert longest_run(text, BASIC) is None
    assert repetition(text, BASIC).repeated == 0


@pytest.mark.parametrize(
    ("text", "looped", "loops"),
    [
        ("no no no", 0, 0),
        ("thank you, thank you, thank you", 0, 0),
        ("no no no no no no no", 0, 0),
        ("no no no no no no no no", 7, 1),
        ("Thank you. Thank you! Thank you... thank you", 6, 1),
        ("we have to go home we have to go home we have to go home", 0, 0),
        ("a b a b a b a b and then c c c c c c c c", 6 + 7, 2),
    ],
)
def test_loops(text: str, looped: int, loops: int) -> None:
    """A loop is four times in a row and eight words; its words beyond the first time are counted, marks are not."""
    found = repetition(text, BASIC)
    assert (found.looped, found.loops) == (looped, loops)


def test_words_beyond_the_first_time_are_counted() -> None:
    """Of three times two words, four repeat; the others, and the text around, do not."""
    assert repetition("so thank you thank you thank you very very much", BASIC) == Repetition(units=10, repeated=5)


def test_a_loop_goes_before_a_longer_run_that_overlaps_it() -> None:
    """A phrase of eight said twice does not hide the loop that it runs into."""
    units = ["c", "d", "e", "f", "a", "b", "a", "b"] * 2 + ["a", "b", "a", "b"]
    assert [(run.times, run.start) for run in runs(units)] == [(2, 4), (4, 12)]


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("ご視聴ありがとうございました。" * 4, 1),
        ("ご視聴ありがとうございました。" * 3, 0),
        ("哈哈哈", 0),
        ("哈" * 8, 1),
    ],
)
def test_characters_loop_as_words_do(text: str, loops: int) -> None:
    """Where words are not spaced, a phrase is one of characters, and may be as long as a sentence."""
    assert repetition(text, BASIC, "cer").loops == loops


def test_shares_pool() -> None:
    """Units are added up before they are divided, and there is no share of nothing."""
    total = repetition("go on " * 5, BASIC) + repetition("fine", BASIC) + repetition("", BASIC)
    assert total == Repetition(units=11, repeated=8, looped=8, loops=1)
    assert total.looped_share == pytest.approx(8 / 11)
    assert Repetition().looped_share is None


@given(few_words)
def test_runs_are_true_and_apart(units: list[str]) -> None:
    """Each run is its phrase so many times and two at least, and no unit is in two runs."""
    found = runs(units)
    for run in found:
        assert tuple(units[run.start : run.start + run.units]) == run.phrase * run.times
        assert run.times >= 2
        assert len(run.phrase) <= LONGEST_PHRASE["wer"]
    assert covered(found) == sorted(set(covered(found)))


@given(few_words)
def test_no_run_is_longer_than_the_longest(units: list[str]) -> None:
    """The longest run is as long as the longest that trying every phrase at every place finds."""
    tried = [
        length * times
        for start in range(len(units))
        for length in range(1, 9)
        for times in range(2, len(units) // length + 1)
        if units[start : start + length * times] == units[start : start + length] * times
    ]
    found = longest_run(" ".join(units), BASIC)
    assert (found.units if found else 0) == max(tried, default=0)


@given(few_words, st.integers(4, 6), st.lists(st.sampled_from("defg"), min_size=2, max_size=8), few_words)
def test_a_loop_is_found_wherever_it_is(before: list[str], times: int, phrase: list[str], after: list[str]) -> None:
    """A phrase of two words or more said four times is a loop, whatever stands around it."""
    assert any(run.is_loop for run in runs(before + phrase * times + after))


@pytest.mark.parametrize("metric", ["wer", "cer"])
def test_ten_thousand_words_are_quick(metric: str) -> None:
    """A loop of 10,000 words, and as many without one, take less than two seconds of the processor."""
    began = thread_time()
    assert repetition("thank you " * 5000, BASIC, metric).loops == 1
    assert repetition(" ".join(map(str, range(10_000))), BASIC).loops == 0
    assert thread_time() - began < 2

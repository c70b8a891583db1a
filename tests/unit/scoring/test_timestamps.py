"""Timestamps: the errors of the times of words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.scoring.normalize import normalizer
from modellab.scoring.timestamps import TimeErrors, time_errors
from modellab.speech.transcript import Word

ENGLISH = normalizer("whisper-en")


def spoken(text: str, *, late_s: float = 0.0, long_s: float = 0.5) -> list[Word]:
    """Give the words of a text, one a second, each so late and so long."""
    return [
        Word(text=word, start_s=second + late_s, end_s=second + late_s + long_s)
        for second, word in enumerate(text.split())
    ]


times = st.floats(0, 100)
words = st.lists(st.builds(lambda t, s, e: Word(text=t, start_s=s, end_s=e), st.sampled_from("abc,"), times, times))


def test_errors_are_of_start_and_end() -> None:
    """A word that begins a tenth late and ends two tenths late has these errors, early or late alike."""
    late = time_errors(spoken("the cat sat"), spoken("the cat sat", late_s=0.1, long_s=0.6), ENGLISH)
    assert late.starts_s == pytest.approx((0.1, 0.1, 0.1))
    assert late.ends_s == pytest.approx((0.2, 0.2, 0.2))
    early = time_errors(spoken("the cat sat", late_s=0.1, long_s=0.6), spoken("the cat sat"), ENGLISH)
    assert (early.mean_start_s, early.mean_end_s) == (pytest.approx(0.1), pytest.approx(0.2))


def test_only_equal_words_are_timed() -> None:
    """A word exchanged or left out has no time to compare, and one put in is compared with nothing."""
    heard = [
        Word(text="well", start_s=0.0, end_s=0.1),
        Word(text="the", start_s=0.2, end_s=0.5),
        Word(text="bat", start_s=1.0, end_s=1.5),
        Word(text="on", start_s=3.0, end_s=3.9),
    ]
    errors = time_errors(spoken("the cat sat on"), heard, ENGLISH)
    assert errors.starts_s == pytest.approx((0.2, 0.0))
    assert errors.ends_s == pytest.approx((0.0, 0.4))
    assert (errors.matched, errors.unmatched) == (2, 2)


def test_spelling_and_marks_do_not_count() -> None:
    """Words are equal as normalised; a mark or a filler alone is no word, and one that becomes two stays one."""
    said, heard = spoken("The colour -- won't uh twenty-five"), spoken("the color, um won't, ... 25!")
    errors = time_errors(said, heard, ENGLISH)
    assert (errors.matched, errors.unmatched) == (4, 0)
    assert errors.starts_s == (0, 0, 0, 0)


def test_mean_and_percentile() -> None:
    """The mean is over all words; the 95th percentile lies between the two largest of twenty-one errors."""
    errors = TimeErrors(starts_s=tuple(float(n) for n in range(21)), ends_s=(2.0,) * 21)
    assert (errors.mean_start_s, errors.p95_start_s) == (10.0, 19.0)
    assert (errors.mean_end_s, errors.p95_end_s) == (2.0, 2.0)


@pytest.mark.parametrize("heard", [[], spoken("dog"), spoken("...")])
def test_nothing_matched_is_not_measured(heard: list[Word]) -> None:
    """Where no word matches there is no figure, and all words of the reference are unmatched."""
    errors = time_errors(spoken("the cat"), heard, ENGLISH)
    assert (errors.mean_start_s, errors.p95_start_s, errors.mean_end_s, errors.p95_end_s) == (None,) * 4
    assert (errors.matched, errors.unmatched) == (0, 2)


def test_errors_pool_and_means_do_not() -> None:
    """The mean of a sum is over all words of both, however many each has."""
    one = TimeErrors(starts_s=(1.0,), ends_s=(0.0,), unmatched=1)
    many = TimeErrors(starts_s=(0.0, 0.0, 0.0), ends_s=(1.0, 1.0, 2.0), unmatched=2)
    total = sum((one, many), TimeErrors())
    assert (total.mean_start_s, total.mean_end_s) == (0.25, 1.0)
    assert (total.matched, total.unmatched) == (4, 3)


@given(words, words)
def test_every_word_of_the_reference_is_matched_or_not(said: list[Word], heard: list[Word]) -> None:
    """Matched and unmatched are the words of the reference that are words, and no error is negative."""
    errors = time_errors(said, heard, ENGLISH)
    assert errors.matched + errors.unmatched == sum(word.text != "," for word in said)
    assert len(errors.starts_s) == len(errors.ends_s) == errors.matched
    assert all(error >= 0 for error in errors.starts_s + errors.ends_s)


@given(words)
def test_words_have_no_error_against_themselves(said: list[Word]) -> None:
    """A list of words compared with itself has every word matched and no error."""
    errors = time_errors(said, said, ENGLISH)
    assert errors.unmatched == 0
    assert set(errors.starts_s + errors.ends_s) <= {0.0}

"""Units: words or characters as written, and which two are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.scoring.unit import joined, plain, units


def test_a_text_is_cut_into_words() -> None:
    """Words are kept as written, marks and capitals included; space is not."""
    assert units("  Well, they\tsaid -  no.\n") == ("Well,", "they", "said", "-", "no.")
    assert units(" \n", "en") == units("") == ()


def test_a_language_without_spaces_is_cut_into_characters() -> None:
    """In Japanese each character is a unit, and the space before it goes with it."""
    assert units("今日は 晴れ", "ja") == ("今", "日", "は", " 晴", "れ")
    assert joined(("今", "日", "は", " 晴", "れ"), "ja") == "今日は 晴れ"


@given(st.text(), st.sampled_from(["", "en", "zh"]))
def test_what_is_joined_is_cut_into_the_same(text: str, language: str) -> None:
    """Joining units and cutting the text gives units that are the same, so that a count of them holds for the text."""
    written = units(text, language)
    again = units(joined(written, language), language)
    assert list(map(plain, again)) == list(map(plain, written))


@pytest.mark.parametrize("other", ["hello", "Hello,", "HELLO!", " “hello”"])
def test_capitals_punctuation_and_space_make_no_other_word(other: str) -> None:
    """Words that differ in nothing else are the same."""
    assert plain(other) == "hello"


def test_marks_alone_are_no_other_marks() -> None:
    """Punctuation without a word, and what stands in brackets, is the same only as itself."""
    assert plain("-") == "-"
    assert len({plain("-"), plain("..."), plain("[music]"), plain("")}) == 4

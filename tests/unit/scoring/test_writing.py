"""Writing: capitals and punctuation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.errors import UnknownName
from modellab.scoring.writing import MARKS, MarkCounts, Writing, writing

pieces = st.sampled_from(["the", "The", "CAT", "cat,", "sat.", "why?", "oh!", '"so"', "—", "...", "'", "¿", "3.5"])
texts = st.lists(pieces, max_size=12).map(" ".join)


def counts(found: Writing) -> dict[str, MarkCounts]:
    """Give the classes of which anything was counted."""
    return {mark: found.of(mark) for mark in MARKS if found.of(mark) != MarkCounts()}


@pytest.mark.parametrize(
    ("reference", "hypothesis", "words", "errors"),
    [
        ("The cat met Bob", "the cat met Bob", 4, 1),
        ("NASA met Bob", "Nasa met bob", 3, 2),
        ("an iPhone of Bob", "an Iphone of Bob", 4, 1),
        ("The cat met Bob", "The dog met bob", 3, 1),
        ("Room 12 and 7", "room 12 and 7", 4, 1),
    ],
)
def test_capitals(reference: str, hypothesis: str, words: int, errors: int) -> None:
    """A matched word with other capitals is an error; one that does not match is none, nor is a figure."""
    found = writing(reference, hypothesis)
    assert (found.words, found.case_errors) == (words, errors)


def test_the_rate_is_of_words_that_have_a_case() -> None:
    """Figures cannot be capitals, so they are not in the denominator."""
    assert writing("Room 12 and 7", "room 12 and 7").case_error_rate == 0.5


@pytest.mark.parametrize("reference", ["the cat sat", "THE CAT SAT", "12 7", "你好", ""])
def test_a_reference_without_capitals_does_not_speak_of_them(reference: str) -> None:
    """All small, all capital, or without letters that have a case: there is no rate of case errors."""
    assert writing(reference, "The Cat sat. 12 7").case_error_rate is None


def test_a_corpus_speaks_of_case_as_a_whole() -> None:
    """One utterance without capitals takes part, once another shows that the corpus has them."""
    total = writing("the cat sat", "The cat sat") + writing("Oh my", "oh my")
    assert total.case_error_rate == 2 / 5


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("so, it is", "so, it is", {"comma": MarkCounts(hits=1)}),
        ("so, it is", "so it is", {"comma": MarkCounts(deletions=1)}),
        ("so it is.", "so, it is", {"comma": MarkCounts(insertions=1), "full stop": MarkCounts(deletions=1)}),
        ("is it?", "is it.", {"question mark": MarkCounts(substitutions=1), "full stop": MarkCounts(instead=1)}),
        ("oh, no.", "oh! no.", {"comma": MarkCounts(substitutions=1), "full stop": MarkCounts(hits=1),
                                "exclamation mark": MarkCounts(instead=1)}),
        ('he said "go."', "he said go.", {"full stop": MarkCounts(hits=1), "other": MarkCounts(deletions=2)}),
        ("well... yes!!!", "well… yes!", {"other": MarkCounts(hits=1), "exclamation mark": MarkCounts(hits=1)}),
        ("well... yes", "well. yes", {"other": MarkCounts(substitutions=1), "full stop": MarkCounts(instead=1)}),
        ("Bonjour !", "bonjour!", {"exclamation mark": MarkCounts(hits=1)}),
        ("¿qué?", "qué?", {"question mark": MarkCounts(hits=1, deletions=1)}),
        ("sí ¿ qué ?", "sí ¿qué?", {"question mark": MarkCounts(hits=2)}),
        ("so ( yes ) no", "so (yes) no", {"other": MarkCounts(hits=2)}),
        ("the cat, sat.", "the dog sat.", {"full stop": MarkCounts(hits=1)}),
        ("so \u2014 yes.", "so - yes.", {"other": MarkCounts(hits=1), "full stop": MarkCounts(hits=1)}),
    ],
)  # fmt: skip
def test_marks(reference: str, hypothesis: str, expected: dict[str, MarkCounts]) -> None:
    """Marks at matched words are right, exchanged, missing or too many, each in its class."""
    assert counts(writing(reference, hypothesis)) == expected


@pytest.mark.parametrize(
    ("reference", "hypothesis"),
    [
        ("don't", "don\u2019t"),
        ("'tis the dogs' own", "tis the dogs own"),
        ("3.5 of them, 50 %", "3.5 of them, 50 %"),
        ("'hello,' he said", "hello, he said"),
        ("cafe\u0301", "café"),
    ],
)
def test_what_is_part_of_a_word_is_no_mark(reference: str, hypothesis: str) -> None:
    """Apostrophes of any shape, points within figures and composed accents are no differences."""
    found = writing(reference + ".", hypothesis + ".")
    assert found.words == len(reference.split())
    assert found.punctuation == MarkCounts(hits=found.reference_marks)


def test_characters_bear_marks() -> None:
    """Where words are not spaced, marks of full width belong to the character before them."""
    found = writing("你好\uff0c世界。好吗\uff1f", "你好世界。好吗。", "cer")
    assert found.words == 6
    assert counts(found) == {
        "comma": MarkCounts(deletions=1),
        "full stop": MarkCounts(hits=1, instead=1),
        "question mark": MarkCounts(substitutions=1),
    }


def test_measures_of_marks() -> None:
    """Six right of eight written and nine said: three quarters, two thirds, and twelve of seventeen."""
    marks = MarkCounts(hits=6, substitutions=1, deletions=2, insertions=1, instead=1)
    assert (marks.precision, marks.recall, marks.f1) == (6 / 8, 6 / 9, 12 / 17)


def test_measures_of_no_marks() -> None:
    """Nothing written has no precision, nothing said no recall, and neither no measure at all."""
    assert (MarkCounts(deletions=1).precision, MarkCounts(deletions=1).recall, MarkCounts(deletions=1).f1) == (
        None,
        0,
        0,
    )
    assert (MarkCounts(insertions=1).precision, MarkCounts(insertions=1).recall) == (0, None)
    assert (MarkCounts().precision, MarkCounts().recall, MarkCounts().f1) == (None, None, None)


@pytest.mark.parametrize("reference", ["the dogs' cat", "", "it's 3.5"])
def test_a_reference_without_marks_does_not_speak_of_them(reference: str) -> None:
    """Where the references have no mark, a mark written is no error, since there is nothing to hold it against."""
    found = writing(reference, "The dogs, cat. It's 3.5!")
    assert found.punctuation is None
    assert {found.of(mark) for mark in MARKS} == {None}


def test_a_corpus_speaks_of_marks_as_a_whole() -> None:
    """A mark at a word that does not match shows that the corpus has marks, and makes those of others errors."""
    total = writing("so it is", "so, it is") + writing("cat.", "dog")
    assert total.punctuation == MarkCounts(insertions=1)


def test_an_unknown_mark_is_refused() -> None:
    """Only the classes there are can be asked for."""
    with pytest.raises(UnknownName, match="no class of marks 'semicolon'"):
        writing("so.", "so.").of("semicolon")


@given(texts, texts)
def test_exchanged_marks_are_counted_on_both_sides(reference: str, hypothesis: str) -> None:
    """Every mark exchanged stands in place of one, and no more marks are judged than the reference has."""
    found = writing(reference, hypothesis)
    if found.punctuation is not None:
        assert found.punctuation.substitutions == found.punctuation.instead
        judged = found.punctuation.hits + found.punctuation.substitutions + found.punctuation.deletions
        assert judged <= found.reference_marks


@given(texts)
def test_a_text_has_no_errors_against_itself(text: str) -> None:
    """The same text on both sides has all of its marks right and no wrong capital."""
    found = writing(text, text)
    assert found.case_errors == 0
    assert found.punctuation in (None, MarkCounts(hits=found.reference_marks))


@given(texts, texts, texts, texts)
def test_parts_pool(one: str, two: str, three: str, four: str) -> None:
    """Sums are the same either way round, and nothing added changes nothing."""
    left, right = writing(one, two), writing(three, four)
    assert left + right == right + left
    assert left + Writing() == left
    assert (left + right).words == left.words + right.words

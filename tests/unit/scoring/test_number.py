"""Numbers: the same number in words and in digits is no difference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.scoring.normalize import normalizer
from modellab.scoring.number import NUMBER_LANGUAGES
from modellab.scoring.wer import score

ONE_TO_TEN = {
    "da": "en to tre fire fem seks syv otte ni ti",
    "de": "Eins zwei drei vier fünf sechs sieben acht neun zehn.",
    "es": "Uno dos tres cuatro cinco seis siete ocho nueve diez.",
    "fr": "Un deux trois quatre cinq six sept huit neuf dix.",
    "it": "Uno due tre quattro cinque sei sette otto nove dieci.",
    "nl": "een twee drie vier vijf zes zeven acht negen tien",
    "pt": "Um dois três quatro cinco seis sete oito nove dez.",
}


def test_every_language_is_counted_in() -> None:
    """These tests count in every language there is."""
    assert set(ONE_TO_TEN) == set(NUMBER_LANGUAGES)


@pytest.mark.parametrize("language", NUMBER_LANGUAGES)
@pytest.mark.parametrize("written", ["1, 2, 3, 4, 5, 6, 7, 8, 9, 10.", "1 2 3 4 5 6 7 8 9 10"])
def test_counting_in_digits_is_no_error(language: str, written: str) -> None:
    """Who writes 1, 2, 3 where the reference counts in words makes no error; under `basic` every word is one."""
    counted = score(ONE_TO_TEN[language], written, normalizer(f"numbers-{language}"))
    assert (counted.hits, counted.errors) == (10, 0)
    assert score(ONE_TO_TEN[language], written, normalizer("basic")).hits == 0


@pytest.mark.parametrize("language", NUMBER_LANGUAGES)
def test_a_wrong_digit_is_an_error(language: str) -> None:
    """Another number is one error, whichever way it is written."""
    rules = normalizer(f"numbers-{language}")
    assert score(ONE_TO_TEN[language], "1 2 3 4 5 6 8 8 9 10", rules).substitutions == 1
    assert score("1 2 3 4 5 6 8 8 9 10", ONE_TO_TEN[language], rules).substitutions == 1


@pytest.mark.parametrize(
    ("language", "texts", "expected"),
    [
        ("de", ["zweiundzwanzig Leute", "22 Leute", "Zwei und zwanzig Leute."], "22 leute"),
        ("de", ["zwei Millionen", "2 Millionen", "2.000.000", "2 000 000", "2\u00a0000\u202f000"], "2000000"),
        ("de", ["zwölftausenddreihundertfünfundvierzig", "12.345", "12'345", "12\u202f345"], "12345"),
        ("de", ["drei Komma fünf", "3,5"], "3 5"),
        ("de", ["drei Komma fünf Millionen", "3,5 Millionen"], "3 5000000"),
        ("de", ["neunzehnhundertvierundachtzig", "1984"], "1984"),
        ("de", ["der siebte Mai", "Der 7. Mai"], "der 7 mai"),
        ("de", ["zwanzig, drei", "20 drei", "zwanzig 3"], "20 3"),
        ("fr", ["quatre-vingt-dix-neuf", "99", "quatre vingt dix neuf"], "99"),
        ("fr", ["vingt mille personnes", "20 000 personnes", "20 mille personnes"], "20000 personnes"),
        ("es", ["treinta y uno", "31"], "31"),
        ("it", ["ventitré", "23"], "23"),
        ("pt", ["vinte e um", "21"], "21"),
        ("nl", ["eenentwintig", "21"], "21"),
        ("da", ["halvtreds", "50"], "50"),
    ],
)
def test_ways_to_write_a_number(language: str, texts: list[str], expected: str) -> None:
    """Words, digits, both, and the marks and spaces within a number give the same."""
    assert [normalizer(f"numbers-{language}")(text) for text in texts] == [expected] * len(texts)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("de", "Ein Mann und eine Katze", "ein mann und eine katze"),
        ("fr", "C'est un homme", "c est un homme"),
        ("fr", "c'est le premier", "c est le premier"),
        ("pt", "um gato e uma gata", "um gato e uma gata"),
        ("de", "100 200 300", "100 200 300"),
        ("de", "die Nummer 12 345", "die nummer 12 345"),
        ("fr", "le deuxième", "le 2ème"),
        ("de", "[leise] Größe (laut)!", "größe"),
        ("de", "", ""),
    ],
)
def test_what_is_no_number_stays(language: str, text: str, expected: str) -> None:
    """An article is no figure, numbers in a row stay apart, and the rest is what `basic` gives."""
    assert normalizer(f"numbers-{language}")(text) == expected


@given(st.lists(st.sampled_from(["ein", "zwei", "Hund", "und", "hundert", "Million", "2", "1.000", ",", "."])))
def test_marks_between_words_do_not_matter(pieces: list[str]) -> None:
    """With or without marks between them, words give the same numbers."""
    rules = normalizer("numbers-de")
    assert rules(" ".join(pieces)) == rules(" ".join(piece for piece in pieces if piece not in ",."))

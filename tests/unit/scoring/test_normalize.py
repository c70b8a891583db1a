"""Normalisers: which differences do not count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.errors import UnknownName
from modellab.scoring.normalize import (
    NORMALIZERS,
    NUMBER_NORMALIZERS,
    normalizer,
    normalizer_for,
    number_normalizer_for,
    suits,
)

NAMES = [*NORMALIZERS, *NUMBER_NORMALIZERS]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No cause for alarm.", "no cause for alarm"),
        ("kinda sorta dunno", "kinda sorta dunno"),
        ("twenty-five people", "25 people"),
        ("one hundred and one", "101"),
        ("$20 million", "$20000000"),
        ("the colour grey", "the color gray"),
        ("I won't, can't and they're", "i will not can not and they are"),
        ("Mr. Dashwood", "mister dashwood"),
        ("um, well [noise] (laughs) yes", "well yes"),
        (
            "she's got two and a half dollars and it's been 2 and a half",
            "she has got $2.5 and it has been 2 and a half",
        ),
        ("five dollars and seven cents, zero dollars and fifty cents", "$5.07 ¢50"),
        ("one oh one then double seven, triple zero", "101 then 77000"),
        ("minus three point five percent", "-3.5%"),
        ("the nineteen sixties and the 1960s", "the 1960s and the 1960s"),
        ("1,000,000 and 50 % of 3 rd", "1000000 and 50 of 3rd"),
        ("A naïve café ... in the Straße", "a naive cafe in the strasse"),
        ("", ""),
        (" . ", ""),
    ],
)
def test_english(text: str, expected: str) -> None:
    """English differences of case, marks, spelling, contraction and numerals do not count, and no word is exchanged."""
    assert normalizer("whisper-en")(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The U.S.A. and the U.K.", "the usa and the uk"),
        ("well...yes, e.g. twenty-five colours", "well yes eg 25 colors"),
        ("um, [noise] it's 3.5 percent", "it is 3.5%"),
    ],
)
def test_leaderboard(text: str, expected: str) -> None:
    """The leaderboard's rules are Whisper's for English, but initials are one word and an ellipsis is a space."""
    assert normalizer("leaderboard")(text) == expected


@pytest.mark.parametrize("name", ["whisper-en", "leaderboard"])
def test_a_word_becomes_the_same_however_often_it_was_met(name: str) -> None:
    """What was normalised before does not change what comes out, nor does the company it was met in."""
    texts = ["half", "and a half", "five and a half", "five", "and", "it's been", "it's", "been", "1 st", "1", "st"]
    first, again = ([normalizer(name)(text) for text in texts] for _ in range(2))
    assert first == again


def test_a_figure_too_long_for_a_number_stays() -> None:
    """A figure of more digits than can be reckoned with is left as it stands, and no error."""
    assert normalizer("whisper-en")(f"about {'9' * 5000} of them") == f"about {'9' * 5000} of them"


@pytest.mark.parametrize(
    ("name", "language", "expected"),
    [
        ("whisper-en", "en", True),
        ("whisper-en", "de", False),
        ("leaderboard", "", True),
        ("basic", "de", True),
        ("numbers-de", "de", True),
        ("numbers-de", "fr", False),
        ("numbers-de", "", True),
    ],
)
def test_rules_suit_their_language(name: str, language: str, expected: bool) -> None:
    """Rules made for one language do not suit another; where none is known, they may."""
    assert suits(name, language) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("¡Hola, Mundo!", "hola mundo"),
        ("zwei  2\t[leise]", "zwei 2"),
        ("Größe", "größe"),
        ("won't", "won t"),
    ],
)
def test_basic(text: str, expected: str) -> None:
    """Of any language, case, punctuation, brackets and space do not count, and letters do."""
    assert normalizer("basic")(text) == expected


def test_none_takes_out_space_alone() -> None:
    """Under `none`, only runs of space do not count."""
    assert normalizer("none")("  Hello,\n  World! ") == "Hello, World!"


@pytest.mark.parametrize("name", NAMES)
@given(text=st.text(max_size=40))
def test_what_is_normalised_has_single_spaces(name: str, text: str) -> None:
    """Whatever the text, what comes out is words with one space between them."""
    out = normalizer(name)(text)
    assert out == " ".join(out.split())


@pytest.mark.parametrize(("language", "name"), [("en", "whisper-en"), ("de", "basic"), ("zh", "basic"), ("", "basic")])
def test_a_language_has_its_normalizer(language: str, name: str) -> None:
    """English has rules of its own; every other language, and none, has those of all languages."""
    assert normalizer_for(language).name == name


@pytest.mark.parametrize(
    ("language", "name"), [("en", "whisper-en"), ("de", "numbers-de"), ("pl", "basic"), ("hi", "basic"), ("", "basic")]
)
def test_a_language_may_have_rules_for_numbers(language: str, name: str) -> None:
    """Where number words are known the rules that know them are given, else those the language has."""
    assert number_normalizer_for(language).name == name


def test_rules_for_numbers_are_asked_for_by_name() -> None:
    """Rules of one language are not among those that every run is scored under."""
    assert NORMALIZERS == ("none", "basic", "whisper-en", "leaderboard")


def test_an_unknown_name_gives_the_nearest() -> None:
    """A normaliser nobody knows is refused with the nearest name and all names."""
    with pytest.raises(UnknownName, match="Did you mean 'whisper-en'") as caught:
        normalizer("whisper_en")
    assert caught.value.known == tuple(sorted(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_an_id_holds_name_and_version(name: str) -> None:
    """A normaliser is stored by its name and version, and asking twice gives the same one."""
    assert normalizer(name).id == f"{name}@1"
    assert normalizer(name) is normalizer(name)

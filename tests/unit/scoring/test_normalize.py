"""Normalisers: which differences do not count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.errors import UnknownName
from modellab.scoring.normalize import normalizer, normalizer_for

NAMES = ["none", "basic", "whisper-en"]


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

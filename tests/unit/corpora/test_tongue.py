"""Languages as corpora state them."""

import pytest

from modellab.corpora.script import SCRIPTS
from modellab.corpora.tongue import _CODES, hinted_language, stated_language


@pytest.mark.parametrize(
    ("text", "expected"),
    [("de", "de"), ("de_DE", "de"), ("English", "en"), (" Mandarin ", "zh"), ("cmn_hans_cn", "zh"), ("ga-IE", "ga")],
)
def test_a_language_is_a_code(text: str, expected: str) -> None:
    """A code, a tag and an English name all say which language it is."""
    assert stated_language(text) == expected
    assert hinted_language(text.strip()) == expected


@pytest.mark.parametrize(
    "text", ["", "xs", "xl", "all", "clean", "default", "test_clean", "other.500", "2024", "de_de_de_x"]
)
def test_a_word_that_is_no_language_hints_at_none(text: str) -> None:
    """Names of configurations that are sizes, qualities or versions are no languages."""
    assert hinted_language(text) == ""


def test_every_name_is_of_a_known_language() -> None:
    """The codes that English names stand for are those of languages whose script is known."""
    assert set(_CODES.values()) - set(SCRIPTS) <= {"mt", "ga"}

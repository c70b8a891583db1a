"""Scripts: which texts cannot be in the language that is stated."""

import pytest

from modellab.corpora.script import SCRIPTS, foreign_script


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Guten Tag", "de"),
        ("Добрый день", "ru"),
        ("добар дан", "sr"),
        ("dobar dan", "sr"),
        ("नमस्ते दुनिया", "hi"),
        ("こんにちは、世界", "ja"),
        ("東京", "ja"),
        ("ラーメン", "ja"),
        ("你好,世界", "zh"),
        ("안녕하세요", "ko"),
        ("我在 Google 工作了很久的时间", "zh"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER G}", "de"),
        ("12, 13!", "ru"),
        ("", "ru"),
        ("anything at all", "tlh"),
        ("anything at all", ""),
    ],
)
def test_what_may_be_is_let_be(text: str, language: str) -> None:
    """Letters of the language, few of another, none at all, and languages that are not known are no finding."""
    assert foreign_script(text, language) is None


@pytest.mark.parametrize(
    ("text", "language", "script"),
    [
        ("Добрый день", "en", "Cyrillic"),
        ("good day", "ru", "Latin"),
        ("你好世界", "hi", "Cjk"),
        ("こんにちは", "zh", "Hiragana"),
        ("Dobryj Доб", "ru", "Latin"),
        ("guten tag", "el", "Latin"),
    ],
)
def test_what_cannot_be_is_named(text: str, language: str, script: str) -> None:
    """A text most of whose letters are in no script of its language is told by the script they are in."""
    assert foreign_script(text, language) == script


def test_languages_are_codes() -> None:
    """Languages are codes of two or three letters, and scripts begin as Unicode's names do."""
    assert all(code.islower() and len(code) in {2, 3} for code in SCRIPTS)
    assert all(script.isupper() for scripts in SCRIPTS.values() for script in scripts)

"""Markless: text without brackets, punctuation and symbols, as Whisper's two normalisers take them out."""

import re
import unicodedata
from collections.abc import Callable

_BRACKETED = re.compile(r"[<\[][^>\]]*[>\]]")
_PARENTHESISED = re.compile(r"\([^)]+\)")

# Letters that have no decomposition in Unicode.
_PLAIN_LETTERS = {
    "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "ß": "ss", "ẞ": "SS", "đ": "d", "Đ": "D",
    "ð": "d", "Ð": "D", "þ": "th", "Þ": "th", "ł": "l", "Ł": "L",
}  # fmt: skip


def without_brackets(text: str) -> str:
    """Give the text without what stands in square, pointed or round brackets."""
    if "[" in text or "<" in text:
        text = _BRACKETED.sub("", text)
    return _PARENTHESISED.sub("", text) if "(" in text else text


def without_marks(text: str) -> str:
    """Give the text with a space in place of each mark, symbol and punctuation; letters keep their accents if composed.

    Source: `basic` in Radford et al. 2022, appendix C.
    """
    return unicodedata.normalize("NFKC", text).translate(_UNMARKED)


def without_diacritics(text: str, keep: str) -> str:
    """Give the text with a space in place of each symbol but those to keep, and each letter without its accents.

    Source: the English rules in Radford et al. 2022, appendix C.
    """
    return unicodedata.normalize("NFKD", text).translate(_tables[keep])


def _unmarked(character: str) -> str:
    return " " if unicodedata.category(character)[0] in "MSP" else character


def _plain(character: str) -> str:
    if character in _PLAIN_LETTERS:
        return _PLAIN_LETTERS[character]
    return "" if unicodedata.category(character) == "Mn" else _unmarked(character)


class _Table(dict[int, str]):
    """What becomes of each character, worked out when it is met first."""

    def __init__(self, become: Callable[[str], str], keep: str = "") -> None:
        super().__init__({ord(character): character for character in keep})
        self._become = become

    def __missing__(self, code: int) -> str:
        self[code] = text = self._become(chr(code))
        return text


class _Tables(dict[str, _Table]):
    def __missing__(self, keep: str) -> _Table:
        self[keep] = table = _Table(_plain, keep)
        return table


_UNMARKED = _Table(_unmarked)
_tables = _Tables()

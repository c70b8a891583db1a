"""Numeral: numbers said in English words, written in digits as Whisper's English rules write them."""

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import NamedTuple

_UNITS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_LATIN = ("milli", "billi", "trilli", "quadrilli", "quintilli", "sextilli", "septilli", "octilli", "nonilli", "decilli")
_MULTIPLES = {
    "hundred": 100,
    "thousand": 1000,
    **{f"{name}on": 1000**power for power, name in enumerate(_LATIN, start=2)},
}
# "nineth" is Whisper's; "ninth" stays a word.
_IRREGULAR = {"zeroth": (0, "th"), "first": (1, "st"), "second": (2, "nd"), "third": (3, "rd"), "fifth": (5, "th"),
              "twelfth": (12, "th")}  # fmt: skip
_SIGNS = {"minus": "-", "negative": "-", "plus": "+", "positive": "+"}
_CURRENCIES = {"pound": "£", "euro": "€", "dollar": "$", "cent": "¢"}
_SYMBOLS = frozenset("-+£€$¢")
_FIGURE = re.compile(r"\d+(?:\.\d+)?")
_LONGEST_FIGURE = 4300  # digits that Python turns into a number
_TEN, _HUNDRED, _THOUSAND = 10, 100, 1000


class _Meaning(NamedTuple):
    """What a word does to the number being read."""

    read: "Callable[[_Reading, _Word], None]"
    number: int = 0
    suffix: str = ""


class _Word(NamedTuple):
    """A word, its meaning, and the words on either side; an empty one stands for the end."""

    before: str
    text: str
    after: str
    meaning: _Meaning


def is_numeral(word: str) -> bool:
    """Whether a word may be part of a number: a number word, or digits with or without a sign."""
    return word in _meanings() or _is_figure(_unsigned(word))


def digits(words: Sequence[str]) -> list[str]:
    """Give the words with numbers in digits: `twenty five dollars` becomes `$25`, `one oh one` becomes `101`.

    Source: the rules of Radford et al. 2022, appendix C, as openai-whisper applies them, oddities included.
    """
    reading, meanings = _Reading(), _meanings()
    for before, text, after in zip(["", *words], words, [*words[1:], ""], strict=False):
        meaning = meanings.get(text)
        if reading.passes_over:
            reading.passes_over = False
        elif meaning is not None:
            meaning.read(reading, _Word(before, text, after, meaning))
        elif _is_figure(_unsigned(text)):
            reading.figure(text)
        else:
            reading.word(text)
    reading.close()
    return reading.said


class _Reading:
    """A walk over words: what was said so far, and the number at hand.

    The number is an int while it can be reckoned with, and text once it is a row of digits.
    """

    def __init__(self) -> None:
        self.said: list[str] = []
        self.symbol = ""
        self.value: int | str | None = None
        self.passes_over = False

    def say(self, text: int | str) -> None:
        """Write this down, with the symbol at hand before it, and forget the number."""
        self.said.append(f"{self.symbol}{text}")
        self.symbol, self.value = "", None

    def close(self) -> None:
        """Write the number at hand down, if there is one."""
        if self.value is not None:
            self.say(self.value)

    def word(self, text: str) -> None:
        """Take a word that is no part of a number."""
        self.close()
        self.say(text)

    def figure(self, text: str) -> None:
        """Take a number that is in digits already."""
        if isinstance(self.value, str) and self.value.endswith("."):
            self.value += text
            return
        self.close()
        bare = _unsigned(text)
        self.symbol = text[0] if bare != text else self.symbol
        exact = Fraction(bare)
        self.value = exact.numerator if exact.denominator == 1 else bare

    def zero(self, _: _Word) -> None:
        """Take `zero` or `oh`: a digit put after the others."""
        self.value = f"{self.value or ''}0"

    def unit(self, word: _Word) -> None:
        """Take a number below twenty."""
        self.value = self._with_unit(word)

    def unit_suffixed(self, word: _Word) -> None:
        """Take `fifth` or `fives`, which end a number."""
        self.say(f"{self._with_unit(word)}{word.meaning.suffix}")

    def ten(self, word: _Word) -> None:
        """Take a multiple of ten below a hundred."""
        self.value = self._with_ten(word)

    def ten_suffixed(self, word: _Word) -> None:
        """Take `twentieth` or `twenties`, which end a number."""
        self.say(f"{self._with_ten(word)}{word.meaning.suffix}")

    def _with_unit(self, word: _Word) -> int | str:
        number, row = word.meaning.number, self.value
        if row is None:
            return number
        if isinstance(row, str) or _is(word.before, _Reading.unit):
            after_ten = number < _TEN and _is(word.before, _Reading.ten)
            return f"{str(row)[:-1] if after_ten else row}{number}"
        return row + number if row % (_TEN if number < _TEN else _HUNDRED) == 0 else f"{row}{number}"

    def _with_ten(self, word: _Word) -> int | str:
        number, row = word.meaning.number, self.value
        if row is None:
            return number
        return row + number if isinstance(row, int) and row % _HUNDRED == 0 else f"{row}{number}"

    def multiple(self, word: _Word) -> None:
        """Take `hundred`, `thousand` and so on: the number at hand, or its last three digits, that many times."""
        product = _times(self.value, word.meaning.number)
        if product is None:
            self.close()
        self.value = word.meaning.number if product is None else product

    def multiple_suffixed(self, word: _Word) -> None:
        """Take `hundredth` or `hundreds`, which end a number."""
        product = _times(self.value, word.meaning.number)
        if product is None:
            self.close()
        self.say(f"{word.meaning.number if product is None else product}{word.meaning.suffix}")

    def sign(self, word: _Word) -> None:
        """Take `minus` or `plus`: a sign before a number, else a word."""
        self.close()
        if _may_be_number(word.after):
            self.symbol = word.meaning.suffix
        else:
            self.say(word.text)

    def currency(self, word: _Word) -> None:
        """Take a currency: a symbol before the number it follows, else a word."""
        if self.value is None:
            self.say(word.text)
        else:
            self.symbol = word.meaning.suffix
            self.close()

    def percent(self, word: _Word) -> None:
        """Take `percent`: a symbol after a number, else a word."""
        self.say(word.text if self.value is None else f"{self.value}%")

    def per(self, word: _Word) -> None:
        """Take `per`, which with `cent` after a number is `percent`."""
        if self.value is not None and word.after == "cent":
            self.say(f"{self.value}%")
            self.passes_over = True
        else:
            self.word(word.text)

    def conjunction(self, word: _Word) -> None:
        """Take `and`: within a number after `hundred` and the like, else a word."""
        if not (_may_be_number(word.after) and _is(word.before, _Reading.multiple)):
            self.word(word.text)

    def repeat(self, word: _Word) -> None:
        """Take `double` or `triple`: the digit that follows, so many times; else a word."""
        if _is(word.after, _Reading.unit, _Reading.zero):
            self.value = f"{self.value or ''}{str(_meanings()[word.after].number) * word.meaning.number}"
            self.passes_over = True
        else:
            self.word(word.text)

    def point(self, word: _Word) -> None:
        """Take `point`: a decimal point before digits, else a word; before `hundred` and the like, nothing."""
        if not _may_be_number(word.after):
            self.word(word.text)
        elif _is_figure(word.after) or _is(word.after, _Reading.unit, _Reading.ten, _Reading.zero):
            self.value = f"{self.value or ''}."


def ends_in_number(text: str) -> bool:
    """Whether the last word of a text is a number word that `and a half` may follow."""
    return _is(text.rsplit(maxsplit=1)[-1], _Reading.unit, _Reading.ten, _Reading.zero, _Reading.multiple)


def _times(value: int | str | None, multiple: int) -> int | None:
    """Give the product, or None where there is nothing whole to give."""
    if value is None:
        return None
    if isinstance(value, int):
        return value // _THOUSAND * _THOUSAND + value % _THOUSAND * multiple
    try:
        product = Fraction(value) * multiple
    except ValueError:
        return None
    return product.numerator if product.denominator == 1 else None


def _is(word: str, *roles: "Callable[[_Reading, _Word], None]") -> bool:
    meaning = _meanings().get(word)
    return meaning is not None and meaning.read in roles


def _may_be_number(word: str) -> bool:
    return word in _meanings() or _is_figure(word)


def _is_figure(word: str) -> bool:
    return word[-1:].isdecimal() and _FIGURE.fullmatch(word) is not None and len(word) <= _LONGEST_FIGURE


def _unsigned(word: str) -> str:
    return word[1:] if word[:1] in _SYMBOLS else word


@cache
def _meanings() -> Mapping[str, _Meaning]:
    units = {name: number for number, name in enumerate(_UNITS, start=1)}
    tens = dict(zip(_TENS, range(20, 100, 10), strict=True))
    ordinals = {
        f"{name}{'h' if name.endswith('t') else 'th'}": (number, "th")
        for name, number in units.items()
        if number > 3 and number not in {5, 12}  # noqa: PLR2004
    }
    plurals = {"sixes" if name == "six" else f"{name}s": (number, "s") for name, number in units.items()}
    return {
        **{name: _Meaning(_Reading.zero) for name in ("o", "oh", "zero")},
        **{name: _Meaning(_Reading.unit, number) for name, number in units.items()},
        **{
            name: _Meaning(_Reading.unit_suffixed, number, suffix)
            for name, (number, suffix) in {**plurals, **_IRREGULAR, **ordinals}.items()
        },
        **{name: _Meaning(_Reading.ten, number) for name, number in tens.items()},
        **{
            f"{name[:-1]}{ending}": _Meaning(_Reading.ten_suffixed, number, suffix)
            for name, number in tens.items()
            for ending, suffix in (("ies", "s"), ("ieth", "th"))
        },
        **{name: _Meaning(_Reading.multiple, number) for name, number in _MULTIPLES.items()},
        **{
            f"{name}{suffix}": _Meaning(_Reading.multiple_suffixed, number, suffix)
            for name, number in _MULTIPLES.items()
            for suffix in ("s", "th")
        },
        **{name: _Meaning(_Reading.sign, suffix=sign) for name, sign in _SIGNS.items()},
        **{
            f"{name}{plural}": _Meaning(_Reading.currency, suffix=symbol)
            for name, symbol in _CURRENCIES.items()
            for plural in ("", "s")
        },
        "per": _Meaning(_Reading.per),
        "percent": _Meaning(_Reading.percent),
        "and": _Meaning(_Reading.conjunction),
        "double": _Meaning(_Reading.repeat, 2),
        "triple": _Meaning(_Reading.repeat, 3),
        "point": _Meaning(_Reading.point),
    }

"""Number: numbers said in words of languages other than English, written in digits."""

import re
from collections.abc import Callable

from text_to_num import alpha2digit

NUMBER_LANGUAGES = ("da", "de", "es", "fr", "it", "nl", "pt")

# A number that stands alone is written in digits from here on: `un`, `ein` and `uma` are articles more often than not.
_LEAST_ALONE = 2
_MARK_IN_NUMBER = re.compile(r"(?<=\d)[.'\u2019\u00a0\u2009\u202f](?=\d{3}(?!\d))")
_SPACE_IN_NUMBER = re.compile(r"(?<=\d) (?=000(?!\d))")
_TIMES_THOUSANDS = re.compile(r"(?<!\d)([1-9]\d{0,2}) 1((?:000){1,4})(?!\d)")


def with_digits(language: str, rules: Callable[[str], str]) -> Callable[[str], str]:
    """Give text rules, after which numbers are in digits, for one of NUMBER_LANGUAGES.

    In German, `eins, zwei`, `1, 2` and `1 2` become `1 2`, and `zwei Millionen`, `2 Millionen`, `2.000.000` and
    `2 000 000` become `2000000`. Zero and one that stand alone stay words, or the figures they are. A decimal comma
    becomes whatever the rules make of it. An ordinal keeps its ending: French `deuxième` is `2ème`, never `2e`.

    Source: the text2num package (MIT), which knows the number words.
    """

    def rewrite(text: str) -> str:
        words = rules(_MARK_IN_NUMBER.sub("", text))
        figures = rules(alpha2digit(words, language, threshold=_LEAST_ALONE))
        return _TIMES_THOUSANDS.sub(r"\1\2", _SPACE_IN_NUMBER.sub("", figures))

    return rewrite

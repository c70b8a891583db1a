"""Script: in which letters a language is written, as far as that tells languages apart."""

import unicodedata
from collections import Counter

_LATIN = (
    "af az br bs ca cs cy da de en es et eu fi fo fr gl ha haw hr ht hu id is it jw jv la lb ln lt lv mg mi ms mt nl "
    "nn no nb oc pl pt ro sk sl sn so sq su sv sw tk tl tr uz vi yo"
)
_CYRILLIC = "ba be bg kk ky mk mn ru tg tt uk"
_ARABIC = "ar fa ps sd ug ur"
_DEVANAGARI = "hi mr ne sa"

SCRIPTS: dict[str, frozenset[str]] = {
    **dict.fromkeys(_LATIN.split(), frozenset({"LATIN"})),
    **dict.fromkeys(_CYRILLIC.split(), frozenset({"CYRILLIC"})),
    **dict.fromkeys(_ARABIC.split(), frozenset({"ARABIC"})),
    **dict.fromkeys(_DEVANAGARI.split(), frozenset({"DEVANAGARI"})),
    **dict.fromkeys(("he", "yi"), frozenset({"HEBREW"})),
    **dict.fromkeys(("as", "bn"), frozenset({"BENGALI"})),
    **dict.fromkeys(("zh", "yue"), frozenset({"CJK", "BOPOMOFO"})),
    **dict.fromkeys(("az", "uz", "tk", "sr"), frozenset({"LATIN", "CYRILLIC"})),
    "am": frozenset({"ETHIOPIC"}),
    "bo": frozenset({"TIBETAN"}),
    "el": frozenset({"GREEK"}),
    "gu": frozenset({"GUJARATI"}),
    "hy": frozenset({"ARMENIAN"}),
    "ja": frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}),
    "ka": frozenset({"GEORGIAN"}),
    "km": frozenset({"KHMER"}),
    "kn": frozenset({"KANNADA"}),
    "ko": frozenset({"HANGUL", "CJK"}),
    "lo": frozenset({"LAO"}),
    "ml": frozenset({"MALAYALAM"}),
    "my": frozenset({"MYANMAR"}),
    "pa": frozenset({"GURMUKHI", "ARABIC"}),
    "si": frozenset({"SINHALA"}),
    "ta": frozenset({"TAMIL"}),
    "te": frozenset({"TELUGU"}),
    "th": frozenset({"THAI"}),
}
"""The scripts of a language by its code, named as Unicode begins the names of their letters."""


def foreign_script(text: str, language: str) -> str | None:
    """Give the script of a text where most of its letters are in none of the language's own, else None.

    It tells Russian from English and not German from English; of a language that is not in SCRIPTS it says nothing.
    """
    expected = SCRIPTS.get(language)
    letters = Counter(_script(letter) for letter in unicodedata.normalize("NFKC", text) if letter.isalpha())
    if expected is None or sum(count for script, count in letters.items() if script in expected) * 2 >= letters.total():
        return None
    return letters.most_common(1)[0][0].capitalize()


def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNNAMED").partition(" ")[0]

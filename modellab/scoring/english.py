"""English: Whisper's rules for English text, word by word, each word worked out once.

Almost every rule looks at one word alone, so what a word becomes is kept and looked up. Rules that look further are
applied to the text as a whole, where it holds what they look for: brackets, an apostrophe after a space, `'s been`,
digits, number words, `and a half`.
"""

import json
import re
from collections.abc import Callable, Mapping
from importlib.resources import files

from modellab.scoring.markless import without_brackets, without_diacritics
from modellab.scoring.memo import Memo
from modellab.scoring.numeral import digits, ends_in_number, is_numeral

_KEPT = ".%$¢€£"  # symbols that may belong to a number

_FILLERS = re.compile(r"\b(?:hmm|mm|mhm|mmm|uh|um)\b")
_IN_FILLERS = ("mm", "uh", "um", "mhm")
_SPACE_BEFORE_APOSTROPHE = re.compile(r"\s+'")
_PERFECT = re.compile(r"'[ds] (?:been|gone|done|got|gotta)\b")

_COLLOQUIAL = {
    "won't": "will not", "can't": "can not", "let's": "let us", "ain't": "aint", "y'all": "you all",
    "wanna": "want to", "gotta": "got to", "gonna": "going to", "i'ma": "i am going to", "imma": "i am going to",
    "woulda": "would have", "coulda": "could have", "shoulda": "should have", "ma'am": "madam",
}  # fmt: skip
_TITLES = {
    "mr": "mister", "mrs": "missus", "st": "saint", "dr": "doctor", "prof": "professor", "capt": "captain",
    "gov": "governor", "ald": "alderman", "gen": "general", "sen": "senator", "rep": "representative",
    "pres": "president", "rev": "reverend", "hon": "honorable", "asst": "assistant", "assoc": "associate",
    "lt": "lieutenant", "col": "colonel", "jr": "junior", "sr": "senior", "esq": "esquire",
}  # fmt: skip
_PERFECTS = {
    "'d been": "had been", "'s been": "has been", "'d gone": "had gone", "'s gone": "has gone", "'d done": "had done",
    "'s got": "has got",
}  # fmt: skip
_ENDINGS = {
    "n't": "not", "'re": "are", "'s": "is", "'d": "would", "'ll": "will", "'t": "not", "'ve": "have", "'m": "am",
}  # fmt: skip

# In this order: an earlier one may take what a later one would.
_CONTRACTIONS = (
    *((re.compile(rf"\b{short}\b"), long) for short, long in _COLLOQUIAL.items()),
    *((re.compile(rf"\b{short}\b"), f"{long} ") for short, long in _TITLES.items()),
    *((re.compile(rf"{short}\b"), f" {long}") for short, long in (_PERFECTS | _ENDINGS).items()),
)
_ANY_CONTRACTION = re.compile("|".join(pattern.pattern for pattern, _ in _CONTRACTIONS))

_COMMA_IN_NUMBER = re.compile(r"(\d),(\d)")
_PERIOD = re.compile(r"\.([^0-9]|$)")
_AND_A_HALF = re.compile(r"\band\s+a\s+half\b")
_LETTER_DIGIT = re.compile(r"([a-z])([0-9])")
_DIGIT_LETTER = re.compile(r"([0-9])([a-z])")
_SUFFIX_APART = re.compile(r"([0-9])\s+(st|nd|rd|th|s)\b")
_DOLLARS_AND_CENTS = re.compile(r"([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})\b")
_NO_DOLLARS = re.compile(r"[€£$]0.([0-9]{1,2})\b")
_FIGURE_ONE = re.compile(r"\b1(s?)\b")
_SYMBOL_BEFORE_WORD = re.compile(r"[.$¢€£]([^0-9])")
_PERCENT_AFTER_WORD = re.compile(r"([^0-9])%")
_DIGIT_OR_SYMBOL = re.compile(r"[\d.%$¢€£]")

_ELLIPSIS = re.compile(r"\s*\.{3,}\s*")
_INITIALS = re.compile(r"\b[a-z](?:\.[a-z])+\.?\b")


def whisper_english() -> Callable[[str], str]:
    """Give Whisper's English rules: the text openai-whisper's `EnglishTextNormalizer` gives, spaces made single.

    A figure of more than 4300 digits, at which that one stops with an error, stays as it is.

    Source: Radford et al. 2022, appendix C; British spellings from the whisper-normalizer package (MIT), the list of
    tysto.com.
    """
    return _English(_spellings()).rewrite


def leaderboard_english() -> Callable[[str], str]:
    """Give what the Open ASR Leaderboard does to English text before it counts words, as far as rules of text go.

    Known, from its repository: Whisper's English rules, before which an ellipsis is a space and initials lose their
    periods (`U.S.A.` is one word, `usa`). Not reproduced, so that rates can differ from those on the leaderboard: it
    lets two words match one that is both of them together, leaves some references out, and its own copy of the
    spelling list may have moved on; initials with spaces between them stay apart here.

    Source: huggingface/open_asr_leaderboard (Apache-2.0), `normalizer/`.
    """
    rewrite = _English(_spellings()).rewrite
    return lambda text: rewrite(_without_periods(text.lower()))


def _without_periods(text: str) -> str:
    if "." not in text:
        return text
    return _INITIALS.sub(lambda found: found[0].replace(".", ""), _ELLIPSIS.sub(" ", text))


class _English:
    def __init__(self, spellings: Mapping[str, str]) -> None:
        self._spell = spellings.get
        self._parts = Memo(_parts)
        self._plain = Memo(self._become)

    def rewrite(self, text: str) -> str:
        """Give the text under all rules."""
        text = _without_asides(text.lower())
        if "'" in text:
            text = _SPACE_BEFORE_APOSTROPHE.sub("'", text)
            if _PERFECT.search(text):
                return self._with_numbers(_parts(text))
        words = text.split()
        plain = [self._plain[word] for word in words]
        if None not in plain:
            return " ".join(filter(None, plain))
        parts = [part for word in words for part in self._parts[word]]
        halved = "half" in text or any("half" in part for part in parts)
        return self._with_numbers(_parts(text) if halved else parts)

    def _become(self, word: str) -> str | None:
        """Give what a word becomes whatever stands beside it, or None where that matters."""
        parts = self._parts[word]
        if "half" in word or any(map(_needs_neighbours, parts)):
            return None
        return " ".join(self._spell(part, part) for part in parts)

    def _with_numbers(self, parts: list[str]) -> str:
        words = _SUFFIX_APART.sub(r"\1\2", " ".join(parts)).split()
        text = _with_cents(" ".join(digits(words)))
        text = " ".join([self._spell(word, word) for word in text.split()])
        text = _SYMBOL_BEFORE_WORD.sub(r" \1", text)
        if "%" in text:
            text = _PERCENT_AFTER_WORD.sub(r"\1 ", text)
        return " ".join(text.split())


def _without_asides(text: str) -> str:
    text = without_brackets(text)
    return _FILLERS.sub("", text) if any(part in text for part in _IN_FILLERS) else text


def _parts(text: str) -> list[str]:
    """Give the words of a text, written out and bare of marks; of one word of it alike, but for `and a half`."""
    if _ANY_CONTRACTION.search(text):
        for pattern, long in _CONTRACTIONS:
            text = pattern.sub(long, text)
    if text.isascii() and text.isalpha():
        return [text]
    text = _PERIOD.sub(r" \1", _COMMA_IN_NUMBER.sub(r"\1\2", text))
    text = _with_halves(without_diacritics(text, _KEPT))
    text = _DIGIT_LETTER.sub(r"\1 \2", _LETTER_DIGIT.sub(r"\1 \2", text))
    return _SUFFIX_APART.sub(r"\1\2", text).split()


def _needs_neighbours(part: str) -> bool:
    """Whether what becomes of this depends on what stands beside it. `and` alone does so beside numbers only."""
    return part != "and" and (is_numeral(part) or "half" in part or _DIGIT_OR_SYMBOL.search(part) is not None)


def _with_halves(text: str) -> str:
    """Write `and a half` as `point five` after a number."""
    if "half" not in text:
        return text
    *before, last = _AND_A_HALF.split(text)
    pieces = []
    for piece in before:
        if piece.strip():
            pieces += [piece, "point five" if ends_in_number(piece) else "and a half"]
    return " ".join([*pieces, last] if last.strip() else pieces)


def _with_cents(text: str) -> str:
    """Write sums of money as one figure, and the figure 1 as a word."""
    if any(symbol in text for symbol in "€£$"):
        text = _DOLLARS_AND_CENTS.sub(lambda found: f"{found[1]}{found[2]}.{int(found[3]):02d}", text)
        text = _NO_DOLLARS.sub(lambda found: f"¢{int(found[1])}", text)
    return _FIGURE_ONE.sub(r"one\1", text) if "1" in text else text


def _spellings() -> Mapping[str, str]:
    listed = files("whisper_normalizer").joinpath("normalizers/english.json")
    spellings: Mapping[str, str] = json.loads(listed.read_text(encoding="utf-8"))
    return spellings

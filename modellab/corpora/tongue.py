"""Tongue: the language that a corpus states in its own way, as a code."""

import re

from modellab.corpora.script import SCRIPTS
from modellab.scoring.language import language_code

_WITH_REGION = re.compile(r"[a-z]{2,3}([-_]([a-z]{4}|[a-z]{2}|[0-9]{3}))+", re.IGNORECASE)

# The languages that corpora name in English most often.
_NAMES = """
ar arabic, bg bulgarian, bn bengali, ca catalan, cs czech, cy welsh, da danish, de german, el greek, en english,
es spanish, et estonian, eu basque, fa persian, fi finnish, fr french, gl galician, he hebrew, hi hindi, hr croatian,
hu hungarian, id indonesian, is icelandic, it italian, ja japanese, ka georgian, kk kazakh, ko korean, lt lithuanian,
lv latvian, mk macedonian, mn mongolian, mr marathi, ms malay, mt maltese, nl dutch, no norwegian, pl polish,
pt portuguese, ro romanian, ru russian, sk slovak, sl slovenian, sr serbian, sv swedish, sw swahili, ta tamil,
te telugu, th thai, tr turkish, uk ukrainian, ur urdu, uz uzbek, vi vietnamese, yue cantonese, zh chinese, zh mandarin
"""
_CODES = {name: code for code, name in (entry.split() for entry in _NAMES.split(","))}


def stated_language(text: str) -> str:
    """Give the code of a language that a corpus states by code, tag or English name; "" where it says none."""
    return _CODES.get(text.strip().lower()) or language_code(text) or ""


def hinted_language(text: str) -> str:
    """Give the code of the language that a word, which may mean anything, is the name of; "" where it is none.

    `de_de`, `de` and `german` are; `xs` and `all` are sizes.
    """
    is_code = _WITH_REGION.fullmatch(text) or text.lower() in SCRIPTS or text.lower() in _CODES
    return stated_language(text) if is_code else ""

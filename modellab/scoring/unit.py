"""Unit: a word as it was written, or a character where words are not spaced; and which two are the same."""

import re
from collections.abc import Iterable

from modellab.scoring.normalize import normalizer
from modellab.scoring.wer import metric_for

_CHARACTER = re.compile(r"\s*\S")  # with the space before it, so that joining loses nothing


def units(text: str, language: str = "") -> tuple[str, ...]:
    """Give the words of a text as they are written; its characters in a language that puts no space between words."""
    return tuple(_CHARACTER.findall(text) if metric_for(language) == "cer" else text.split())


def joined(written: Iterable[str], language: str = "") -> str:
    """Give the text of units."""
    return ("" if metric_for(language) == "cer" else " ").join(written).strip()


def plain(unit: str) -> str:
    """Give what two units share that are the same: no capitals, no punctuation, no space around.

    One that is nothing but punctuation is the same only as itself.
    """
    return normalizer("basic")(unit) or unit.strip()

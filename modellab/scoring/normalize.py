"""Normalizer: which differences of spelling do not count as errors."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from modellab.errors import UnknownName
from modellab.scoring.english import leaderboard_english, whisper_english
from modellab.scoring.markless import without_brackets, without_marks

ENGLISH_ONLY = frozenset({"whisper-en", "leaderboard"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalizer:
    """Text rules under a name and a version; scores under different names or versions do not compare."""

    name: str
    version: int
    rewrite: Callable[[str], str] = field(repr=False, compare=False)

    @property
    def id(self) -> str:
        """Name and version, as stored with every score."""
        return f"{self.name}@{self.version}"

    def __call__(self, text: str) -> str:
        """Give the text with the differences that do not count taken out."""
        return self.rewrite(text)


def _none() -> Callable[[str], str]:
    return lambda text: " ".join(text.split())


def _basic() -> Callable[[str], str]:
    return lambda text: " ".join(without_marks(without_brackets(text.lower())).lower().split())


_MAKERS: dict[str, Callable[[], Callable[[str], str]]] = {
    "none": _none,
    "basic": _basic,
    "whisper-en": whisper_english,
    "leaderboard": leaderboard_english,
}
NORMALIZERS = tuple(_MAKERS)


@cache
def normalizer(name: str) -> Normalizer:
    """Give a normaliser.

    `none` takes out runs of space alone, `basic` is Whisper's for all languages, `whisper-en` Whisper's for English,
    and `leaderboard` what the Open ASR Leaderboard does to English text.

    Source: Radford et al. 2022, appendix C; huggingface/open_asr_leaderboard (Apache-2.0).

    Raises:
        UnknownName: when no normaliser has this name.
    """
    if name not in _MAKERS:
        raise UnknownName("normalizer", name, _MAKERS)
    return Normalizer(name=name, version=1, rewrite=_MAKERS[name]())


def suits(name: str, language: str) -> bool:
    """Whether the rules of this name are made for a language; for an unknown one, all are taken to be."""
    return name not in ENGLISH_ONLY or language in {"en", ""}


def normalizer_for(language: str) -> Normalizer:
    """Give the normaliser that suits a language: `whisper-en` for English, else `basic`."""
    return normalizer("whisper-en" if language == "en" else "basic")

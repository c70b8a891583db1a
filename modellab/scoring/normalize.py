"""Normalizer: which differences of spelling do not count as errors."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial

from modellab.errors import UnknownName
from modellab.scoring.english import leaderboard_english, whisper_english
from modellab.scoring.markless import without_brackets, without_marks
from modellab.scoring.number import NUMBER_LANGUAGES, with_digits

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


def _numbers(language: str) -> Callable[[str], str]:
    return with_digits(language, _basic())


_MAKERS: dict[str, Callable[[], Callable[[str], str]]] = {
    "none": _none,
    "basic": _basic,
    "whisper-en": whisper_english,
    "leaderboard": leaderboard_english,
}
NORMALIZERS = tuple(_MAKERS)

# Each for one language, so no score of a whole corpus is worked out under them unless they are asked for.
NUMBER_NORMALIZERS = {f"numbers-{language}": language for language in NUMBER_LANGUAGES}
_MAKERS |= {name: partial(_numbers, language) for name, language in NUMBER_NORMALIZERS.items()}


@cache
def normalizer(name: str) -> Normalizer:
    """Give a normaliser.

    `none` takes out runs of space alone, `basic` is Whisper's for all languages, `whisper-en` Whisper's for English,
    and `leaderboard` what the Open ASR Leaderboard does to English text. `numbers-de` and the others of
    NUMBER_NORMALIZERS are `basic` with numbers in digits, for one language each.

    Source: Radford et al. 2022, appendix C; huggingface/open_asr_leaderboard (Apache-2.0).

    Raises:
        UnknownName: when no normaliser has this name.
    """
    if name not in _MAKERS:
        raise UnknownName("normalizer", name, _MAKERS)
    return Normalizer(name=name, version=1, rewrite=_MAKERS[name]())


def suits(name: str, language: str) -> bool:
    """Whether the rules of this name are made for a language; for an unknown one, all are taken to be."""
    made_for = "en" if name in ENGLISH_ONLY else NUMBER_NORMALIZERS.get(name, language)
    return language in {made_for, ""}


def normalizer_for(language: str) -> Normalizer:
    """Give the normaliser that suits a language: `whisper-en` for English, else `basic`."""
    return normalizer("whisper-en" if language == "en" else "basic")


def number_normalizer_for(language: str) -> Normalizer:
    """Give the normaliser under which digits and number words of a language are the same, as far as there is one.

    That is `whisper-en` for English, `numbers-de` for German and so on, else `basic`, which does not know numbers.
    """
    name = f"numbers-{language}"
    return normalizer(name) if name in NUMBER_NORMALIZERS else normalizer_for(language)

"""Normalizer: which differences of spelling do not count as errors."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from modellab.errors import UnknownName

# whisper-normalizer's own additions to the published rules. They turn "no cause for alarm" into "no because for alarm".
_NOT_IN_WHISPER = (r"\bkinda\b", r"\bsorta\b", r"\bdunno\b", r"\bcause\b")


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
    rules = BasicTextNormalizer()
    return lambda text: " ".join(rules(text).split())


def _whisper_en() -> Callable[[str], str]:
    rules = EnglishTextNormalizer()
    for pattern in _NOT_IN_WHISPER:
        del rules.replacers[pattern]
    return lambda text: " ".join(rules(text).split())


_MAKERS: dict[str, Callable[[], Callable[[str], str]]] = {
    "none": _none,
    "basic": _basic,
    "whisper-en": _whisper_en,
}


@cache
def normalizer(name: str) -> Normalizer:
    """Give a normaliser: `none`, `basic` (Whisper's multilingual) or `whisper-en` (Whisper's English).

    Source: the rules of Radford et al. 2022, appendix C, through the whisper-normalizer library (MIT).

    Raises:
        UnknownName: when no normaliser has this name.
    """
    if name not in _MAKERS:
        raise UnknownName("normalizer", name, _MAKERS)
    return Normalizer(name=name, version=1, rewrite=_MAKERS[name]())


def normalizer_for(language: str) -> Normalizer:
    """Give the normaliser that suits a language: `whisper-en` for English, else `basic`."""
    return normalizer("whisper-en" if language == "en" else "basic")

"""Selection: a corpus as a person names it, `NAME_OR_PATH[field=value,…]`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modellab.errors import BadDefinition

_WRITTEN = re.compile(r"(?P<source>[^\[\]]+?)\s*(\[(?P<where>[^\[\]]*)\])?")
_MANIFESTS = (".jsonl", ".json", ".csv", ".tsv", ".stm")
_NAMELESS = ("manifest.jsonl", "wav.scp")  # called after their folder
_UNFIT = re.compile(r"[^\w.+-]+")
_COMMA_OUTSIDE_BRACKETS = re.compile(r",(?![^\[]*\])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A corpus by name or path, and the facts that its utterances must have."""

    source: str
    where: Mapping[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The name of the whole corpus: its own, or that of the file or folder, fit to stand in a test's id."""
        path = Path(self.source).expanduser()
        if path.name in _NAMELESS:
            path = path.resolve().parent
        name = path.stem if path.suffix in _MANIFESTS else path.name or path.resolve().name
        return _UNFIT.sub("-", name).strip("-") or "corpus"

    @property
    def name(self) -> str:
        """The name of the corpus with its restriction."""
        return ".".join((self.base, *self.where.values()))


def parse_selection(text: str) -> Selection:
    """Give the selection that was written: `librivox`, `my/manifest.jsonl`, `multilingual[language=de]`.

    Raises:
        BadDefinition: when it cannot be understood.
    """
    written = _WRITTEN.fullmatch(text.strip())
    if not written:
        raise BadDefinition(f"corpus {text!r} is not of the form NAME_OR_PATH[field=value,field=value]")
    pairs = [pair.partition("=") for pair in (written["where"] or "").split(",") if pair.strip()]
    if not all(key.strip() and equals for key, equals, _ in pairs):
        raise BadDefinition(f"corpus {text!r}: between the brackets stands field=value, several with commas between")
    return Selection(source=written["source"], where={key.strip(): value.strip() for key, _, value in pairs})


def split_selections(text: str) -> tuple[str, ...]:
    """Give the parts of a comma list, leaving the commas between brackets alone."""
    return tuple(part.strip() for part in _COMMA_OUTSIDE_BRACKETS.split(text) if part.strip())

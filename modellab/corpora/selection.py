"""Selection: a corpus as a person names it, `NAME_OR_PATH[field=value,duration<20]+condition:strength`."""

import re
from dataclasses import dataclass
from pathlib import Path

from modellab.errors import BadDefinition
from modellab.speech.restriction import Restriction, parse_restriction

_CONDITION = r"\+\s*[A-Za-z][\w-]*(?::[^+\[\]/]+)?"
_WRITTEN = re.compile(rf"(?P<source>[^\[\]]+?)\s*(\[(?P<where>[^\[\]]*)\])?\s*(?P<conditions>(?:{_CONDITION})*)\s*")
_HUB = "hf:"
_MANIFESTS = (".jsonl.gz", ".jsonl", ".json", ".csv", ".tsv", ".stm", ".parquet")
_NAMELESS = ("manifest.jsonl", "wav.scp")  # called after their folder
_UNFIT = re.compile(r"[^\w.+-]+")
_COMMA_OUTSIDE_BRACKETS = re.compile(r",(?![^\[]*\])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A corpus by name or path, what must be true of its utterances, and the conditions they are heard under."""

    source: str
    where: tuple[Restriction, ...] = ()
    conditions: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"[{','.join(map(str, self.where))}]" if self.where else ""
        return "+".join((f"{self.source}{where}", *self.conditions))

    @property
    def base(self) -> str:
        """The name of the whole corpus: its own, or that of the file or folder, fit to stand in a test's id."""
        if self.source.startswith(_HUB):
            return _UNFIT.sub("-", self.source.removeprefix(_HUB)).strip("-")
        path = Path(self.source).expanduser()
        if path.name in _NAMELESS:
            path = path.resolve().parent
        known = next((suffix for suffix in _MANIFESTS if path.name.endswith(suffix)), "")
        name = path.name.removesuffix(known) or path.resolve().name
        return _UNFIT.sub("-", name).strip("-") or "corpus"

    @property
    def name(self) -> str:
        """The name of the corpus with its restrictions and conditions."""
        restricted = ".".join((self.base, *(restriction.label for restriction in self.where)))
        return "+".join((restricted, *self.conditions))


def parse_selection(text: str) -> Selection:
    """Give the selection that was written: `librivox`, `my/manifest.jsonl[language=de]`, `librivox+noise:10dB`.

    Raises:
        BadDefinition: when it cannot be understood.
    """
    written = _WRITTEN.fullmatch(text.strip())
    if not written:
        raise BadDefinition(f"corpus {text!r} is not of the form NAME_OR_PATH[field=value,field<number]+condition")
    try:
        where = tuple(parse_restriction(part) for part in (written["where"] or "").split(",") if part.strip())
    except BadDefinition as error:
        raise BadDefinition(f"corpus {text!r}: {error}") from error
    conditions = tuple(part.strip() for part in written["conditions"].split("+") if part.strip())
    return Selection(source=written["source"], where=where, conditions=conditions)


def split_selections(text: str) -> tuple[str, ...]:
    """Give the parts of a comma list, leaving the commas between brackets alone."""
    return tuple(part.strip() for part in _COMMA_OUTSIDE_BRACKETS.split(text) if part.strip())

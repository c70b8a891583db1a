"""Which conditions there are: the definitions of `conditions.toml`, and the effects of what is written after a `+`."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modellab.conditions.kind import KINDS, Kind, Order
from modellab.errors import BadDefinition, UnknownName
from modellab.sources.table import Table
from modellab.speech.effect import Condition, Effect
from modellab.speech.utterance import Corpus

_KEYS = ("effect", "description", "least", "most")
_WRITTEN = re.compile(r"(?P<name>[^:]+)(:(?P<number>[+-]?(\d+\.?\d*|\.\d+))(?P<unit>\D*))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionDefinition:
    """What `conditions.toml` says of one condition; `least` and `most` bound its strength."""

    name: str
    kind: Kind
    description: str
    option: str = ""
    least: float = 0.0
    most: float = 0.0

    @property
    def spelling(self) -> str:
        """How it is written, such as `noise:NUMBERdB`; a name alone where it has no strength."""
        return f"{self.name}:NUMBER{self.kind.unit}" if self.kind.unit else self.name

    @property
    def strengths(self) -> str:
        """The numbers that it takes, such as `-20 to 60`; empty where it has no strength."""
        steps = [step for step in self.kind.steps if self.least <= step <= self.most]
        numbers = ", ".join(f"{step:g}" for step in steps) or f"{self.least:g} to {self.most:g}"
        return numbers if self.kind.unit else ""

    def read(self, written: str) -> Condition:
        """Give the condition that was written.

        Raises:
            BadDefinition: when its strength is missing, too many, of another unit, out of range, or spelt otherwise
                than a corpus under it is called.
        """
        found = _WRITTEN.fullmatch(written)
        if not self.kind.unit:
            if written != self.name:
                raise BadDefinition(f"condition {written!r}: {self.name} has no strength; write {self.name}")
            return Condition(kind=self.name)
        if not found or found["number"] is None or found["unit"] != self.kind.unit:
            raise BadDefinition(
                f"condition {written!r}: its strength is in {self.kind.unit}; write {self.spelling}, {self.strengths}"
            )
        strength = float(found["number"]) or 0.0  # and no -0
        if not self.least <= strength <= self.most or (self.kind.steps and strength not in self.kind.steps):
            raise BadDefinition(f"condition {written!r}: out of range; write {self.spelling}, {self.strengths}")
        condition = Condition(kind=self.name, strength=strength, unit=self.kind.unit)
        if str(condition) != written:  # the name of a corpus is built of what is written
            raise BadDefinition(f"condition {written!r}: write {condition}")
        return condition


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionRegistry:
    """The conditions that can be named."""

    definitions: Mapping[str, ConditionDefinition] = field(default_factory=dict)
    source: Path

    def effects(self, written: Sequence[str], corpus: Corpus) -> tuple[Effect, ...]:
        """Give the effects of conditions such as `noise:10dB`, in their order; `corpus` lends its voices to babble.

        Raises:
            UnknownName: when there is no such condition, with the nearest that there is.
            BadDefinition: when one is not written as it has to be, or cannot be made of this corpus.
            BackendUnavailable: when one needs a package that is missing.
        """
        return tuple(self._effect(text, corpus) for text in written)

    def _effect(self, written: str, corpus: Corpus) -> Effect:
        name = written.partition(":")[0]
        if name not in self.definitions:
            raise UnknownName("condition", name, self.definitions, f"Conditions: {self.source}.")
        definition = self.definitions[name]
        strength = definition.read(written).strength or 0.0
        return definition.kind.make(Order(name=name, strength=strength, option=definition.option, corpus=corpus))


def read_conditions(path: Path) -> ConditionRegistry:
    """Give the conditions that a TOML file defines; none where there is no such file.

    Raises:
        BadDefinition: naming the file, the entry, the key and what is allowed.
    """
    if not path.exists():
        return ConditionRegistry(source=path)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadDefinition(f"cannot read conditions from {path}: {error}") from error
    top = Table.read(tables, str(path), ("schema", "condition"))
    if tables.get("schema") != 1:
        raise top.refusal("schema", "1")
    entries = top.table("condition")
    return ConditionRegistry(
        definitions={name: _definition(name, entries.table(name)) for name in entries.values}, source=path
    )


def _definition(name: str, table: Table) -> ConditionDefinition:
    if not re.fullmatch(r"[A-Za-z][\w-]*", name):
        raise BadDefinition(
            f"{table.where}: the name of a condition is a letter, and letters, digits, _ and - after it"
        )
    kind = KINDS[table.choice("effect", KINDS)]
    bounds = () if kind.unit else ("least", "most")
    known = Table.read(table.values, table.where, {*_KEYS, *kind.options} - set(bounds))
    least, most = _bound(known, "least", kind.least, kind), _bound(known, "most", kind.most, kind)
    if least > most:
        raise known.refusal("most", f"no lower than least, {least:g}")
    return ConditionDefinition(
        name=name,
        kind=kind,
        description=known.text("description"),
        option=next((known.choice(key, allowed) for key, allowed in kind.options.items()), ""),
        least=least,
        most=most,
    )


def _bound(table: Table, key: str, default: float, kind: Kind) -> float:
    value = table.values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not kind.least <= value <= kind.most:
        raise table.refusal(key, f"a number from {kind.least:g} to {kind.most:g}, in {kind.unit}")
    return float(value)

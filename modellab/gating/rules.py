"""Rules: what `gates.toml` expects of a candidate: which gates, and what each has to show."""

import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import Any, TypeVar

from modellab.errors import BadDefinition
from modellab.measuring.duel import ROUNDS
from modellab.sources.table import Table
from modellab.verdicts.finding import Gate
from modellab.verdicts.quality import Terms
from modellab.verdicts.sequential import Plan

Made = TypeVar("Made")

FILE = "gates.toml"
DRIFT, QUALITY = "drift", "quality"
SPEED_METRICS = ("rtf", "cpu", "cold_start", "peak_memory")
METRICS = (DRIFT, QUALITY, *SPEED_METRICS)
_PLAN, _TERMS = [f.name for f in fields(Plan)], [f.name for f in fields(Terms)]
_OWN_PLAN = ("floor", "interest", "least_sd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A gate that is expected, for every model that a glob matches.

    Attributes:
        metric: one of METRICS.
        model: a glob of model ids.
        corpus: the corpus, as `--corpus` takes it.
        plan: when a gate of speed looks, and what a look has to show.
        acknowledged: why words were meant to change; "" where they were not.
    """

    metric: str
    model: str
    corpus: str
    plan: Plan
    acknowledged: str = ""

    def __str__(self) -> str:
        return f"{self.metric} of {self.model} on {self.corpus}"

    def with_alpha(self, alpha: float) -> "Expectation":
        """Give the same with another chance of a false alarm."""
        return replace(self, plan=replace(self.plan, alpha=alpha))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Everything that is expected, and how it is measured and judged.

    Attributes:
        expectations: the gates.
        terms: what a difference of error rates has to show.
        family_alpha: the chance of any false alarm among all gates.
        rounds: a block: utterances that both arms hear, one after the other.
        same_code: utterances a block that two workers of the base's code hear as well; 0 for none.
        source: the file that says so.
    """

    expectations: tuple[Expectation, ...]
    terms: Terms
    family_alpha: float
    rounds: int
    same_code: int
    source: Path

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpora that gates are on, each once."""
        return tuple(dict.fromkeys(expectation.corpus for expectation in self.expectations))

    def gates(self, models: Sequence[str]) -> Mapping[Gate, Expectation]:
        """Give the gates of these models; a later expectation of the same gate goes before an earlier one.

        No gate of speed stops looking before its evidence would stand among all gates that may raise a false alarm:
        what it regressed on would be taken back by Holm, and nobody would look again.
        """
        every = {
            Gate(metric=each.metric, model=model, corpus=each.corpus): each
            for each in self.expectations
            for model in models
            if fnmatchcase(model, each.model)
        }
        most = self.family_alpha / max(1, sum(gate.metric != DRIFT for gate in every))
        return {gate: each.with_alpha(min(each.plan.alpha, most)) for gate, each in every.items()}

    def with_alpha(self, alpha: float) -> "Rules":
        """Give the rules with another chance of a false alarm for every gate of speed."""
        return replace(self, expectations=tuple(each.with_alpha(alpha) for each in self.expectations))

    def only(self, gates: Collection[Gate]) -> "Rules":
        """Give the rules of these gates alone, each for its own model.

        Raises:
            BadDefinition: when there is none of them.
        """
        kept = tuple(
            replace(each, model=escape(gate.model))
            for gate in gates
            for each in self.expectations
            if (each.metric, each.corpus) == (gate.metric, gate.corpus) and fnmatchcase(gate.model, each.model)
        )
        if not kept:
            raise BadDefinition(f"{self.source} expects none of {', '.join(gate.name for gate in gates) or 'no gates'}")
        return replace(self, expectations=kept)

    def unmatched(self, models: Sequence[str]) -> tuple[Expectation, ...]:
        """Give the expectations that no model meets: a gate that was expected and cannot run is an error."""
        return tuple(each for each in self.expectations if not any(fnmatchcase(model, each.model) for model in models))


def read_rules(path: Path) -> Rules:
    """Give the rules of a TOML file.

    Raises:
        BadDefinition: naming the file, the key and what is allowed.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadDefinition(f"cannot read what gates are expected from {path}: {error}") from error
    table = Table.read(
        document, str(path), ("schema", "rounds", "same_code", "family_alpha", "speed", "quality", "gate")
    )
    if document.get("schema") != 1:
        raise table.refusal("schema", "1")
    plan = _plan(table.table("speed", _PLAN)) if "speed" in table.values else Plan()
    terms = _terms(table.table("quality", _TERMS)) if "quality" in table.values else Terms()
    family_alpha = table.optional_number("family_alpha")
    return Rules(
        expectations=tuple(
            _expectation(
                Table.read(item, f"{path}, gate {n}", ("metric", "model", "corpus", "acknowledged", *_OWN_PLAN)), plan
            )
            for n, item in enumerate(table.items("gate"), start=1)
        ),
        terms=terms,
        family_alpha=0.01 if family_alpha is None else family_alpha,
        rounds=table.optional_count("rounds") or ROUNDS,
        same_code=table.optional_count("same_code") or 0,
        source=path,
    )


def _expectation(table: Table, plan: Plan) -> Expectation:
    own: dict[str, Any] = {name: value for name in _OWN_PLAN if (value := table.optional_number(name)) is not None}
    return Expectation(
        metric=table.choice("metric", METRICS),
        model=table.text("model", "*"),
        corpus=table.text("corpus"),
        plan=_checked(table, lambda: replace(plan, **own)),
        acknowledged=table.optional_text("acknowledged") or "",
    )


def _plan(table: Table) -> Plan:
    values: dict[str, Any] = dict(table.values)
    for name in ("looks", "shares"):
        if name in values:
            values[name] = tuple(values[name])
    return _checked(table, lambda: Plan(**values))


def _terms(table: Table) -> Terms:
    values: dict[str, Any] = dict(table.values)
    return _checked(table, lambda: Terms(**values))


def _checked(table: Table, make: Callable[[], Made]) -> Made:
    try:
        return make()
    except (BadDefinition, TypeError) as error:
        raise BadDefinition(f"{table.where}: {error}") from error

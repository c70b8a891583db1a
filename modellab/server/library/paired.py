"""Paired: two models on the utterances that both heard, from the sheets of their runs."""

from collections.abc import Iterator
from typing import NamedTuple

from modellab.backends.base import JsonValue
from modellab.records.run import ModelFacts, Run
from modellab.scoring.difference import Difference, Pair, difference
from modellab.server.library.sheet import Sheet


class Side(NamedTuple):
    """One model of a run."""

    run: str
    model: str
    sheet: Sheet


class Changed(NamedTuple):
    """An utterance of which the two wrote different words: its rows in the sheets, and the errors of each."""

    utterance: str
    before: int
    after: int
    errors_before: int
    errors_after: int


class Paired(NamedTuple):
    """What came of it; `changed` has the worst first. It is what `modellab compare` tells of two runs."""

    compared: int
    only_before: int
    only_after: int
    changed: tuple[Changed, ...]
    difference: Difference | None


def pair(before: Side, after: Side, corpus: str) -> Paired:
    """Give what differs between what two models wrote of one corpus.

    The words of both are compared normalised; the difference is that of the pooled error rates of the utterances that
    both gave a transcript of, over speakers where all are known.
    """
    old, new = before.sheet.heard(before.model, corpus), after.sheet.heard(after.model, corpus)
    both = [(name, row, new[name]) for name, row in old.items() if name in new]
    return Paired(
        compared=len(both),
        only_before=len(old.keys() - new.keys()),
        only_after=len(new.keys() - old.keys()),
        changed=tuple(sorted(_changed(before.sheet, after.sheet, both), key=_gravity)),
        difference=_difference(before.sheet, after.sheet, both),
    )


def _changed(old: Sheet, new: Sheet, both: list[tuple[str, int, int]]) -> Iterator[Changed]:
    for name, before, after in both:
        if old.columns["digest"][before] != new.columns["digest"][after]:
            yield Changed(name, before, after, old.score(before).errors, new.score(after).errors)


def _gravity(changed: Changed) -> tuple[int, str]:
    return (changed.errors_before - changed.errors_after, changed.utterance)


def _difference(old: Sheet, new: Sheet, both: list[tuple[str, int, int]]) -> Difference | None:
    speakers = [old.names["speaker"][old.columns["speaker"][before]] for _, before, _ in both]
    known = all(speakers)
    return difference(
        [
            Pair(
                cluster=speaker if known else name,
                before=old.score(before),
                after=new.score(after),
            )
            for speaker, (name, before, after) in zip(speakers, both, strict=True)
        ],
        unit="speaker" if known else "utterance",
    )


def differing(*stated: dict[str, JsonValue]) -> Iterator[tuple[str, tuple[JsonValue, ...]]]:
    """Give what is not the same in all, by name: what each states, None where it states nothing."""
    for name in sorted({name for each in stated for name in each}):
        values = tuple(each.get(name) for each in stated)
        if any(value != values[0] for value in values):
            yield name, values


def options_of(run: Run, model: str) -> dict[str, JsonValue]:
    """Give what a run states of a model, flat: its backend, its options, runtime and packages."""
    facts = next((own for session in reversed(run.sessions) if (own := session.models.get(model))), None)
    return dict(_flat("", _stated(facts))) if facts else {}


def surroundings_of(run: Run) -> dict[str, JsonValue]:
    """Give what a run states of its machine, flat."""
    own = run.environment
    stated: dict[str, JsonValue] = {
        "python": own.python,
        "platform": own.platform,
        "machine": own.machine,
        "processor": own.processor,
        "cores": own.cores,
        "memory_bytes": own.memory_bytes,
        "packages": dict(own.packages),
        "git_commit": own.git_commit,
        "git_dirty": own.git_dirty,
        "devices": [facts.device.name for facts in own.devices],
    }
    return dict(_flat("", stated))


def _stated(facts: ModelFacts) -> dict[str, JsonValue]:
    return {
        "backend": facts.backend,
        "runtime_version": facts.runtime_version,
        "options": dict(facts.options),
        "not_honoured": list(facts.not_honoured),
        "environment": facts.environment,
        "packages": dict(facts.packages),
    }


def _flat(prefix: str, stated: dict[str, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    for name, value in stated.items():
        if isinstance(value, dict) and value:
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value

"""Word and character error rate of one hypothesis against its reference."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count as numbers
from typing import Literal

from rapidfuzz.distance import Levenshtein

from modellab.scoring.normalize import Normalizer
from modellab.scoring.score import Score

# Written without spaces between words, so that a word error rate would count whole sentences.
SPACELESS_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "my", "km", "yue"})

Operation = Literal["equal", "substitute", "delete", "insert"]
_OPERATIONS: dict[str, Operation] = {
    "equal": "equal", "replace": "substitute", "delete": "delete", "insert": "insert",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A run of equal or differing units: what the reference has and what the hypothesis has instead."""

    operation: Operation
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]


def metric_for(language: str) -> str:
    """Give the metric that suits a language: `cer` where words are not spaced, else `wer`."""
    return "cer" if language in SPACELESS_LANGUAGES else "wer"


def align(reference: str, hypothesis: str, normalizer: Normalizer, metric: str = "wer") -> tuple[Edit, ...]:
    """Give the cheapest way from the normalised reference to the normalised hypothesis, unit by unit."""
    said, heard = _units(normalizer(reference), metric), _units(normalizer(hypothesis), metric)
    if not said:
        return (Edit(operation="insert", reference=(), hypothesis=tuple(heard)),) if heard else ()
    if not heard:
        return (Edit(operation="delete", reference=tuple(said), hypothesis=()),)
    ids = _Ids()
    return tuple(
        Edit(
            operation=_OPERATIONS[step.tag],
            reference=tuple(said[step.src_start : step.src_end]),
            hypothesis=tuple(heard[step.dest_start : step.dest_end]),
        )
        for step in Levenshtein.opcodes(ids.of(said), ids.of(heard))
    )


def count(edits: Sequence[Edit], normalizer: Normalizer, metric: str = "wer") -> Score:
    """Give the counts of an alignment."""
    counted = {"equal": 0, "substitute": 0, "delete": 0, "insert": 0}
    for edit in edits:
        counted[edit.operation] += max(len(edit.reference), len(edit.hypothesis))
    return Score(
        metric=metric,
        normalizer=normalizer.id,
        hits=counted["equal"],
        substitutions=counted["substitute"],
        deletions=counted["delete"],
        insertions=counted["insert"],
    )


def score(reference: str, hypothesis: str, normalizer: Normalizer, metric: str = "wer") -> Score:
    """Give the counts of errors of one hypothesis; words where nothing was said are insertions."""
    return count(align(reference, hypothesis, normalizer, metric), normalizer, metric)


def score_all(pairs: Iterable[tuple[str, str]], normalizer: Normalizer, metric: str = "wer") -> tuple[Score, ...]:
    """Give the score of each pair of reference and hypothesis: what `score` gives, many pairs at a time."""
    ids = _Ids()
    return tuple(
        _counted(
            ids.of(_units(normalizer(said), metric)), ids.of(_units(normalizer(heard), metric)), normalizer, metric
        )
        for said, heard in pairs
    )


def _counted(said: list[int], heard: list[int], normalizer: Normalizer, metric: str) -> Score:
    """Count without writing the alignment down; where one side is empty the other is all errors."""
    if said == heard:
        return Score(metric=metric, normalizer=normalizer.id, hits=len(said))
    steps = Counter(step[0] for step in Levenshtein.editops(said, heard).as_list())
    return Score(
        metric=metric,
        normalizer=normalizer.id,
        hits=len(said) - steps["replace"] - steps["delete"],
        substitutions=steps["replace"],
        deletions=steps["delete"],
        insertions=steps["insert"],
    )


class _Ids(defaultdict[str, int]):
    """A number for each word, since numbers are compared faster and never mistaken for one another."""

    def __init__(self) -> None:
        super().__init__(numbers().__next__)

    def of(self, units: Iterable[str]) -> list[int]:
        return [self[unit] for unit in units]


def _units(text: str, metric: str) -> list[str]:
    return [character for character in text if not character.isspace()] if metric == "cer" else text.split()

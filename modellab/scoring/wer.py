"""Word and character error rate of one hypothesis against its reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import jiwer

from modellab.scoring.normalize import Normalizer
from modellab.scoring.score import Score

# Written without spaces between words, so that a word error rate would count whole sentences.
SPACELESS_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "my", "km", "yue"})

Operation = Literal["equal", "substitute", "delete", "insert"]


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
    return tuple(
        Edit(
            operation=cast("Operation", chunk.type),
            reference=tuple(said[chunk.ref_start_idx : chunk.ref_end_idx]),
            hypothesis=tuple(heard[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in _chunks(said, heard)
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


def _units(text: str, metric: str) -> list[str]:
    return [character for character in text if not character.isspace()] if metric == "cer" else text.split()


def _chunks(said: list[str], heard: list[str]) -> list[jiwer.AlignmentChunk]:
    return jiwer.process_words(" ".join(said), " ".join(heard)).alignments[0]

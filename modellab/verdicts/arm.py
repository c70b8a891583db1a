"""Arm: what one of two sides wrote for a corpus, and whether two of them can be compared."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from modellab.scoring.score import Score
from modellab.scoring.wer import Edit

_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What an arm wrote for one utterance.

    Attributes:
        words: normalised, as they were scored.
        score: their errors against the reference.
        speaker: who speaks, where known.
        edits: the alignment with the reference, where the segments of matched pairs are wanted.
    """

    words: str
    score: Score
    speaker: str | None = None
    edits: tuple[Edit, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """The transcripts of one side, by utterance, and the corpus and revision that were heard."""

    corpus: str
    revision: str
    heard: Mapping[str, Heard]


def mismatch(base: Arm, candidate: Arm) -> tuple[str, ...]:
    """Give every reason why two arms cannot be compared; none where they can."""
    return tuple(_mismatches(base, candidate))


def _mismatches(base: Arm, candidate: Arm) -> Iterator[str]:
    if (base.corpus, base.revision) != (candidate.corpus, candidate.revision):
        yield (
            f"the base heard {base.corpus} at revision {base.revision}, "
            f"the candidate {candidate.corpus} at {candidate.revision}"
        )
    for name, arm in (("base", base), ("candidate", candidate)):
        if not arm.heard:
            yield f"the {name} heard no utterance of {arm.corpus}"
    if base.heard and candidate.heard:
        yield from _other_utterances(base, candidate)
        yield from _other_scores(base, candidate)


def _other_utterances(base: Arm, candidate: Arm) -> Iterator[str]:
    for name, one, other in (("base", base, candidate), ("candidate", candidate, base)):
        alone = sorted(one.heard.keys() - other.heard.keys())
        if alone:
            more = ", ..." if len(alone) > _NAMED else ""
            yield f"{len(alone)} utterances were heard by the {name} alone: {', '.join(alone[:_NAMED])}{more}"


def _other_scores(base: Arm, candidate: Arm) -> Iterator[str]:
    for utterance in sorted(base.heard.keys() & candidate.heard.keys()):
        one, other = base.heard[utterance], candidate.heard[utterance]
        if (one.score.metric, one.score.normalizer) != (other.score.metric, other.score.normalizer):
            yield (
                f"{utterance} was scored as {one.score.metric} under {one.score.normalizer} in the base, "
                f"as {other.score.metric} under {other.score.normalizer} in the candidate"
            )
            return
        if one.score.reference_length != other.score.reference_length:
            yield (
                f"the reference of {utterance} has {one.score.reference_length} units in the base, "
                f"{other.score.reference_length} in the candidate"
            )
            return
        if one.speaker != other.speaker:
            yield f"{utterance} is spoken by {one.speaker} in the base, by {other.speaker} in the candidate"
            return

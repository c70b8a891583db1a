"""Slice: how a model does on the utterances that have something in common: a speaker, a language, a length."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from modellab.records.record import Record
from modellab.scoring.interval import Interval, interval
from modellab.scoring.score import Score

# Upper bounds in seconds. Thirty is what Whisper hears at once.
DURATIONS_S = (2, 5, 10, 20, 30)
MOST_VALUES = 30
FEW_UNITS = 100
_DRAWS = 2_000
_OWN_FIELDS = ("speaker", "language", "duration")


class Spoken(NamedTuple):
    """The score of one utterance in which something was said, and what else is known of it, by field."""

    model: str
    corpus: str
    utterance: str
    facts: Mapping[str, str]
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One model on the utterances of a corpus that share a value of a field; empty where it is not stated.

    Where `values` is more than one, it is the rest: all values together that have no slice of their own. The interval
    is over speakers where all are known and the field is another, else over utterances.
    """

    model: str
    value: str
    values: int
    utterances: int
    score: Score
    interval: Interval | None

    @property
    def is_small(self) -> bool:
        """Whether so few words were said that the rate is more luck than skill."""
        return self.score.reference_length < FEW_UNITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Slicing:
    """The slices of one corpus by one field: the value with the most errors of all models first, the rest last."""

    corpus: str
    field: str
    slices: tuple[Slice, ...]


def spoken(record: Record, score: Score) -> Spoken:
    """Give what slices need of a record; what the corpus says beyond speaker, language and duration is a field too."""
    own = (record.speaker or "", record.language, duration_range(record.audio_duration_s))
    facts = {**record.facts, **dict(zip(_OWN_FIELDS, own, strict=True))}
    return Spoken(record.model, record.corpus, record.utterance, facts, score)


def slices(utterances: Iterable[Spoken], most: int = MOST_VALUES) -> tuple[Slicing, ...]:
    """Give the slices of every corpus by every field that divides it.

    A field that has more than `most` values shows those with the most errors; the others are one slice, the rest.
    """
    by_corpus: dict[str, list[Spoken]] = defaultdict(list)
    for one in utterances:
        by_corpus[one.corpus].append(one)
    every = (
        Slicing(corpus=corpus, field=field, slices=tuple(_slices(own, field, most)))
        for corpus, own in sorted(by_corpus.items())
        for field in _fields(own)
    )
    return tuple(slicing for slicing in every if slicing.slices)


def duration_range(duration_s: float) -> str:
    """Give the range of seconds that a duration falls into."""
    for lower_s, upper_s in zip((0, *DURATIONS_S), DURATIONS_S, strict=False):
        if duration_s < upper_s:
            return f"{lower_s} to {upper_s} s"
    return f"{DURATIONS_S[-1]} s and more"


def _fields(utterances: Sequence[Spoken]) -> tuple[str, ...]:
    """Give this room's own fields first, then those of the corpus by name."""
    known = {field for one in utterances for field in one.facts}
    return (*_OWN_FIELDS, *sorted(known.difference(_OWN_FIELDS)))


def _slices(utterances: Sequence[Spoken], field: str, most: int) -> Iterator[Slice]:
    by_value: dict[str, list[Spoken]] = defaultdict(list)
    for one in utterances:
        by_value[one.facts.get(field, "")].append(one)
    if len(by_value) < 2:  # noqa: PLR2004
        return
    ordered = sorted(by_value, key=lambda value: (-sum(one.score.errors for one in by_value[value]), value))
    shown, rest = (ordered, []) if len(ordered) <= most else (ordered[:most], ordered[most:])
    for value in shown:
        yield from _by_model(by_value[value], field, value, 1)
    if rest:
        yield from _by_model([one for value in rest for one in by_value[value]], field, "", len(rest))


def _by_model(utterances: Sequence[Spoken], field: str, value: str, values: int) -> Iterator[Slice]:
    """Give one slice for each model, and for each metric and normaliser, since these do not pool."""
    groups: dict[tuple[str, str, str], list[Spoken]] = defaultdict(list)
    for one in utterances:
        groups[one.model, one.score.metric, one.score.normalizer].append(one)
    for (model, metric, normalizer), own in sorted(groups.items()):
        yield Slice(
            model=model,
            value=value,
            values=values,
            utterances=len(own),
            score=sum((one.score for one in own), Score(metric=metric, normalizer=normalizer)),
            interval=_spread(own, field),
        )


def _spread(utterances: Sequence[Spoken], field: str) -> Interval | None:
    by_speaker = field != "speaker" and all(one.facts["speaker"] for one in utterances)
    unit = "speaker" if by_speaker else "utterance"
    clusters = ((one.facts["speaker"] if by_speaker else one.utterance, one.score) for one in utterances)
    return interval(clusters, unit=unit, draws=_DRAWS)

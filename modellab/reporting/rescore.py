"""Rescore: the rates of a run under several normalisers, and where these disagree on which model is better."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from modellab.records.record import Record
from modellab.reporting.accuracy import is_silence, latest, pool, score_spoken
from modellab.scoring.normalize import NORMALIZERS, normalizer, suits
from modellab.scoring.score import Score
from modellab.scoring.wer import metric_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescored:
    """One model on one corpus by one metric: its pooled score under each normaliser.

    Of the `utterances` in which something was said, `heard` gave a transcript. A score is None where the normaliser is
    not made for a language of the corpus.
    """

    model: str
    corpus: str
    metric: str
    utterances: int
    heard: int
    scores: Mapping[str, Score | None]

    def rate(self, name: str) -> float | None:
        """Give the rate under a normaliser; None where there is none."""
        score = self.scores[name]
        return score.rate if score else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A corpus on which normalisers rank models differently; `rankings` has the best first, under each of them."""

    corpus: str
    metric: str
    rankings: Mapping[str, tuple[str, ...]]


def rescore(
    records: Iterable[Record], names: Sequence[str] = NORMALIZERS, metric: str | None = None
) -> tuple[Rescored, ...]:
    """Give the rates of every model and corpus under each of these normalisers, from what the models wrote.

    They are by `metric`, "wer" or "cer", or by what suits each language where that is None.
    As in the report, a failed utterance counts as wholly deleted, and what was not heard at all has no row.

    Raises:
        UnknownName: when no normaliser has one of these names.
    """
    groups: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in latest(records):
        if record.lane == "accuracy" and not is_silence(record):
            groups[record.corpus, record.model, metric or metric_for(record.language)].append(record)
    rows = (_row(key, groups[key], names) for key in sorted(groups))
    return tuple(row for row in rows if row.heard)


def disputes(rows: Sequence[Rescored]) -> tuple[Dispute, ...]:
    """Give the corpora on which some normaliser has one model strictly better than another and some other worse."""
    groups: dict[tuple[str, str], list[Rescored]] = defaultdict(list)
    for row in rows:
        groups[row.corpus, row.metric].append(row)
    return tuple(
        Dispute(corpus=corpus, metric=metric, rankings=_rankings(own))
        for (corpus, metric), own in groups.items()
        if any(_disputed(one, other) for one, other in combinations(own, 2))
    )


def _row(key: tuple[str, str, str], records: Sequence[Record], names: Sequence[str]) -> Rescored:
    corpus, model, metric = key
    return Rescored(
        model=model,
        corpus=corpus,
        metric=metric,
        utterances=len(records),
        heard=sum(record.transcript is not None for record in records),
        scores={name: _pooled(records, name, metric) for name in names},
    )


def _pooled(records: Sequence[Record], name: str, metric: str) -> Score | None:
    rules = normalizer(name)
    if not all(suits(name, record.language) for record in records):
        return None
    (score,) = pool(score for _, score in score_spoken(records, rules, metric))
    return score


def _disputed(one: Rescored, other: Rescored) -> bool:
    rates = [(one.rate(name), other.rate(name)) for name in one.scores]
    signs = {(left > right) - (left < right) for left, right in rates if left is not None and right is not None}
    return {-1, 1} <= signs


def _rankings(rows: Sequence[Rescored]) -> Mapping[str, tuple[str, ...]]:
    ranked = {
        name: sorted((rate, row.model) for row in rows if (rate := row.rate(name)) is not None)
        for name in rows[0].scores
    }
    return {name: tuple(model for _, model in order) for name, order in ranked.items() if order}

"""Judged: one utterance with its score and alignment; pools of them, and the worst of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from modellab.records.record import Record
from modellab.scoring.interval import Interval, interval
from modellab.scoring.normalize import Normalizer, normalizer, normalizer_for
from modellab.scoring.score import Score
from modellab.scoring.wer import Edit, align, count, metric_for, score_all


class Judged(NamedTuple):
    """A record, the counts of its errors, and where they are. A failed record counts as having written nothing."""

    record: Record
    score: Score
    edits: tuple[Edit, ...]


def judge_utterance(record: Record) -> Judged:
    """Score one record under the normaliser and the metric that suit its language."""
    rules, metric = normalizer_for(record.language), metric_for(record.language)
    heard = record.transcript.text if record.transcript else ""
    edits = align(record.reference, heard, rules, metric)
    return Judged(record, count(edits, rules, metric), edits)


def score_spoken(
    records: Iterable[Record], rules: Normalizer | None = None, metric: str | None = None
) -> tuple[tuple[Record, Score], ...]:
    """Give the score of every utterance in which something was said, under the rules and by the metric given.

    Those that suit its language serve where none are given.

    An utterance that failed stays in the denominator: all of its words count as deleted.
    """
    by_language: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if not is_silence(record):
            by_language[record.language].append(record)
    scored: list[tuple[Record, Score]] = []
    for language, own in by_language.items():
        pairs = ((record.reference, record.transcript.text if record.transcript else "") for record in own)
        scored += zip(
            own, score_all(pairs, rules or normalizer_for(language), metric or metric_for(language)), strict=True
        )
    return tuple(scored)


def pool(scores: Iterable[Score]) -> tuple[Score, ...]:
    """Give the sum of scores, one per metric and normaliser."""
    pools: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for score in scores:
        counts = pools[score.metric, score.normalizer]  # in place: a sum of two scores is a third object
        counts[0] += score.hits
        counts[1] += score.substitutions
        counts[2] += score.deletions
        counts[3] += score.insertions
    return tuple(
        Score(metric=metric, normalizer=rules, hits=hits, substitutions=wrong, deletions=lost, insertions=more)
        for (metric, rules), (hits, wrong, lost, more) in sorted(pools.items(), reverse=True)
    )


def pool_scores(records: Iterable[Record]) -> tuple[Score, ...]:
    """Give the pooled score of the utterances in which something was said, one per metric and normaliser."""
    return pool(score for _, score in score_spoken(records))


def spread(scored: Sequence[tuple[Record, Score]]) -> Interval | None:
    """Give the interval of the pooled rate over speakers where all are known, else over utterances."""
    return spread_over([(record.utterance, record.speaker, score) for record, score in scored])


def spread_over(scored: Sequence[tuple[str, str | None, Score]]) -> Interval | None:
    """Give the interval of the pooled rate of scores, each with its utterance and speaker, as `spread` does."""
    if all(speaker is not None for _, speaker, _ in scored):
        return interval(((speaker or "", score) for _, speaker, score in scored), unit="speaker")
    return interval(((utterance, score) for utterance, _, score in scored), unit="utterance")


def words_in_silence(records: Iterable[Record]) -> int | None:
    """Give the number of words written where nobody spoke; None where no such utterance was heard."""
    rules = normalizer("basic")
    counts = [_words(record, rules) for record in records if is_silence(record) and record.transcript]
    return sum(counts) if counts else None


def is_silence(record: Record) -> bool:
    """Whether nothing is said in the utterance."""
    return not record.reference.strip()


def worst_utterances(records: Iterable[Record], n: int) -> tuple[Judged, ...]:
    """Give the `n` heard utterances with the most errors, the most first; ties by rate, then by name."""
    judged = (judge_utterance(record) for record in latest(records) if record.lane == "accuracy" and record.transcript)
    return tuple(sorted(judged, key=_severity)[:n])


def words_of(record: Record) -> str:
    """Give what was written, normalised; empty where nothing was, or it failed."""
    return normalizer_for(record.language)(record.transcript.text if record.transcript else "")


def latest(records: Iterable[Record]) -> tuple[Record, ...]:
    """Give the last record of each model, corpus, utterance, lane and variation: a resumed run may hold several."""
    last = {(r.model, r.corpus, r.utterance, r.lane, r.variation): r for r in records}
    return tuple(last.values())


def _words(record: Record, rules: Normalizer) -> int:
    return len(rules(record.transcript.text).split()) if record.transcript else 0


def _severity(judged: Judged) -> tuple[int, float, str, str]:
    rate = judged.score.rate
    return (-judged.score.errors, -(1.0 if rate is None else rate), judged.record.corpus, judged.record.utterance)

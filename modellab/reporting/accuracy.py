"""Judged: one utterance with its score and alignment; pools of them, and the worst of them."""

from collections.abc import Iterable
from typing import NamedTuple

from modellab.records.record import Record
from modellab.scoring.normalize import Normalizer, normalizer, normalizer_for
from modellab.scoring.score import Score
from modellab.scoring.wer import Edit, align, count, metric_for


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


def pool_scores(records: Iterable[Record]) -> tuple[Score, ...]:
    """Give the pooled score of the utterances in which something was said, one per metric and normaliser.

    An utterance that failed stays in the denominator: all of its words count as deleted.
    """
    pools: dict[tuple[str, str], Score] = {}
    for record in records:
        if is_silence(record):
            continue
        score = judge_utterance(record).score
        kind = (score.metric, score.normalizer)
        pools[kind] = pools[kind] + score if kind in pools else score
    return tuple(pools[kind] for kind in sorted(pools, reverse=True))


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


def latest(records: Iterable[Record]) -> tuple[Record, ...]:
    """Give the last record of each model, corpus, utterance and lane: a resumed run may hold several."""
    last = {(record.model, record.corpus, record.utterance, record.lane): record for record in records}
    return tuple(last.values())


def _words(record: Record, rules: Normalizer) -> int:
    return len(rules(record.transcript.text).split()) if record.transcript else 0


def _severity(judged: Judged) -> tuple[int, float, str, str]:
    rate = judged.score.rate
    return (-judged.score.errors, -(1.0 if rate is None else rate), judged.record.corpus, judged.record.utterance)

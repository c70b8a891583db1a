"""Varied: what became of a model's words when it heard the same in another way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from modellab.records.failure import Failure
from modellab.records.record import Record
from modellab.records.variation import LANGUAGE_UNTOLD, SEGMENT_TIMES, WORD_TIMES
from modellab.reporting.accuracy import judge_utterance
from modellab.reporting.alignment import pool_time_errors
from modellab.reporting.outcome import Outcome, digest_of
from modellab.scoring.language import Detections, detections
from modellab.scoring.missing import Gap, gaps
from modellab.scoring.timestamps import TimeErrors
from modellab.verdicts.budget import Budget, Budgets, Verdict, judge

_NAMED, _WORDS = 3, 6


class Other(NamedTuple):
    """An utterance heard in another way: its words' digest, its errors, and what this way was chosen for."""

    digest: bytes
    errors: int
    gaps: tuple[Gap, ...]
    times: TimeErrors
    detected: Detections
    failure: Failure | None


def other(record: Record, failure: Failure | None) -> Other:
    """Give what is kept of a record of the lane of variations."""
    judged = judge_utterance(record)
    detected = record.transcript.language if record.transcript else None
    stated = [(record.language, detected)] if record.language else []
    return Other(
        digest=digest_of(record),
        errors=judged.score.errors,
        gaps=gaps(judged.edits),
        times=pool_time_errors([record]),
        detected=detections(stated) if record.variation == LANGUAGE_UNTOLD else Detections(),
        failure=failure,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Varied:
    """One model on one corpus, heard in another way.

    Attributes:
        variation: which way.
        heard: utterances with a transcript, of which `compared` have one from the lane of accuracy too.
        changed: the compared whose normalised words differ.
        more_errors: how many more errors the compared have this way; negative where they have fewer.
        failed: utterances without a transcript.
        gaps: where five words or more in a row were left out, by utterance.
        times: how far words are from when they were said.
        detected: which languages were detected for which spoken ones.
        verdict: by the budget that is about this way.
    """

    model: str
    corpus: str
    variation: str
    heard: int
    compared: int
    changed: tuple[str, ...]
    more_errors: int
    failed: int
    gaps: tuple[tuple[str, Gap], ...]
    times: TimeErrors
    detected: Detections
    verdict: Verdict = Verdict.NO_BUDGET

    @property
    def missing_words(self) -> int:
        """Words of the reference left out five or more in a row."""
        return sum(len(gap.words) for _, gap in self.gaps)


def varied(
    place: tuple[str, str],
    variation: str,
    others: Mapping[str, Other],
    usual: Mapping[str, Outcome],
    budgets: Budgets,
) -> Varied:
    """Give what all utterances that one model heard in one way come to."""
    heard = {name: one for name, one in others.items() if one.failure is None}
    both = [name for name in heard if name in usual and usual[name].failure is None]
    changed = tuple(name for name in both if heard[name].digest != usual[name].digest)
    failed = len(others) - len(heard)
    times, detected = TimeErrors(), Detections()
    for one in heard.values():
        times, detected = times + one.times, detected + one.detected
    limits = budgets.of(*place)
    row = Varied(
        model=place[0],
        corpus=place[1],
        variation=variation,
        heard=len(heard),
        compared=len(both),
        changed=changed,
        more_errors=sum(heard[name].errors - usual[name].score.errors for name in both),
        failed=failed,
        gaps=tuple((name, gap) for name, one in heard.items() for gap in one.gaps),
        times=times,
        detected=detected,
    )
    return replace(row, verdict=Verdict.ERROR if failed else judge(*_claim(row, limits)))


def _claim(row: Varied, budget: Budget) -> tuple[float | None, float | None]:
    """Give the figure that a way of hearing is about, and its limit."""
    if row.variation == SEGMENT_TIMES:
        return row.missing_words, budget.missing_words
    if row.variation == WORD_TIMES:
        means = [mean for mean in (row.times.mean_start_s, row.times.mean_end_s) if mean is not None]
        return max(means, default=None), budget.word_time_error_s
    if row.variation == LANGUAGE_UNTOLD:
        return None if row.detected.accuracy is None else 1 - row.detected.accuracy, budget.language_error_rate
    return len(row.changed) if row.compared else None, budget.flips


def spoken(row: Varied) -> str:
    """Give what a row says, as a sentence."""
    return "; ".join(_parts(row))


def _parts(row: Varied) -> Iterator[str]:
    if row.failed:
        yield f"{row.failed} failed"
    if row.variation == WORD_TIMES and row.times.matched:
        start_s, end_s = row.times.mean_start_s, row.times.mean_end_s
        p95_s = max(row.times.p95_start_s or 0.0, row.times.p95_end_s or 0.0)
        yield (
            f"words begin {start_s:.3f} s and end {end_s:.3f} s off on average, 95 % of them at most {p95_s:.3f} s "
            f"({row.times.matched} words matched, {row.times.unmatched} not)"
        )
    if row.variation == LANGUAGE_UNTOLD and row.detected.judged:
        right = row.detected.judged - sum(each.count for each in row.detected.mistaken)
        taken = ", ".join(f"{each.stated} for {each.detected} ({each.count})" for each in row.detected.mistaken)
        yield f"{right} of {row.detected.judged} languages recognised{f', mistaken: {taken}' if taken else ''}"
    if row.variation == SEGMENT_TIMES:
        where = "; ".join(
            f"{name} at {gap.position:.0%}: {' '.join(gap.words[:_WORDS])} …" for name, gap in row.gaps[:_NAMED]
        )
        yield f"{row.missing_words} words left out five or more in a row{f' ({where})' if where else ''}"
    if not row.compared:
        yield "heard in this way alone, so that there is nothing to compare with"
        return
    named = f" ({', '.join(row.changed[:_NAMED])}{', …' if len(row.changed) > _NAMED else ''})" if row.changed else ""
    yield f"{len(row.changed)} of {row.compared} utterances differ, {row.more_errors:+d} errors{named}"

"""Comparison: two runs, utterance by utterance. What changed, which way, and how sure the difference is."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from modellab.errors import BadRecord
from modellab.records.record import Record
from modellab.records.run import Run
from modellab.reporting.accuracy import judge_utterance, latest, words_of
from modellab.scoring.difference import Difference, Pair, difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """An utterance whose normalised words differ between two runs, with the errors in each."""

    utterance: str
    reference: str
    before: str
    after: str
    errors_before: int
    errors_after: int

    @property
    def more_errors(self) -> int:
        """Errors gained; negative where they were lost."""
        return self.errors_after - self.errors_before


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One model on one corpus in two runs.

    `compared` utterances have a transcript in both; `only_before` and `only_after` in one. `changed` has the worst
    first. `difference` is that of the pooled error rates over the compared utterances in which something is said; None
    where there are none.
    """

    model: str
    corpus: str
    compared: int
    only_before: int
    only_after: int
    changed: tuple[Changed, ...]
    difference: Difference | None


def compare_runs(
    before: tuple[Run, Iterable[Record]], after: tuple[Run, Iterable[Record]]
) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
    """Give what changed from one run to another, and the models on corpora that only one of them has.

    Raises:
        BadRecord: when the runs share no model on a corpus, or heard a corpus at different revisions.
    """
    old, new = _groups(before[1]), _groups(after[1])
    shared = sorted(old.keys() & new.keys())
    if not shared:
        raise BadRecord(
            f"runs {before[0].id} and {after[0].id} share no model on a corpus: there is nothing to compare"
        )
    _refuse_other_speech(before[0], after[0], {corpus for _, corpus in shared})
    alone = tuple(" on ".join(key) for key in sorted(old.keys() ^ new.keys()))
    return tuple(_compare(key, old[key], new[key]) for key in shared), alone


def _refuse_other_speech(before: Run, after: Run, corpora: Iterable[str]) -> None:
    for name in sorted(set(corpora) & before.corpora.keys() & after.corpora.keys()):
        revisions = before.corpora[name].revision, after.corpora[name].revision
        if revisions[0] != revisions[1]:
            raise BadRecord(
                f"corpus {name!r} is at revision {revisions[0]} in run {before.id}, at {revisions[1]} in {after.id}: "
                "rates on different speech do not compare. Hear it again in one of them."
            )


def _groups(records: Iterable[Record]) -> Mapping[tuple[str, str], Mapping[str, Record]]:
    groups: dict[tuple[str, str], dict[str, Record]] = defaultdict(dict)
    for record in latest(records):
        if record.lane == "accuracy" and record.transcript:
            groups[record.model, record.corpus][record.utterance] = record
    return groups


def _compare(key: tuple[str, str], old: Mapping[str, Record], new: Mapping[str, Record]) -> Comparison:
    both = [name for name in old if name in new]
    changed = (_changed(old[name], new[name]) for name in both if words_of(old[name]) != words_of(new[name]))
    return Comparison(
        model=key[0],
        corpus=key[1],
        compared=len(both),
        only_before=len(old.keys() - new.keys()),
        only_after=len(new.keys() - old.keys()),
        changed=tuple(sorted(changed, key=lambda c: (-c.more_errors, c.utterance))),
        difference=_difference([(old[name], new[name]) for name in both]),
    )


def _difference(pairs: Sequence[tuple[Record, Record]]) -> Difference | None:
    known = all(record.speaker is not None for record, _ in pairs)
    return difference(
        [
            Pair(
                cluster=(one.speaker or "") if known else one.utterance,
                before=judge_utterance(one).score,
                after=judge_utterance(other).score,
            )
            for one, other in pairs
        ],
        unit="speaker" if known else "utterance",
    )


def _changed(old: Record, new: Record) -> Changed:
    return Changed(
        utterance=old.utterance,
        reference=old.reference,
        before=words_of(old),
        after=words_of(new),
        errors_before=judge_utterance(old).score.errors,
        errors_after=judge_utterance(new).score.errors,
    )

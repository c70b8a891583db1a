"""Judging: from what two arms wrote and needed to the finding of each gate. A pure function of records."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from modellab.gating.rules import DRIFT, QUALITY, Expectation, Rules
from modellab.records.duel import ArmFacts, DuelBlock, Side
from modellab.records.record import Record
from modellab.reporting.accuracy import judge_utterance, words_of
from modellab.verdicts.arm import Arm, Heard
from modellab.verdicts.contamination import Conditions
from modellab.verdicts.drift import judge_drift
from modellab.verdicts.finding import Finding, Gate, refused
from modellab.verdicts.quality import judge_quality
from modellab.verdicts.sequential import Spent
from modellab.verdicts.speed import Block, judge_speed, log_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one pair of models on one corpus.

    Attributes:
        revision: of the corpus.
        base: what the base wrote, a record an utterance; empty where nobody asked.
        candidate: what the candidate wrote.
        blocks: what both needed, oldest first.
        spent: the looks already taken, by the name of the gate.
    """

    revision: str
    base: Sequence[Record] = ()
    candidate: Sequence[Record] = ()
    blocks: Sequence[DuelBlock] = ()
    spent: Mapping[str, Spent] = field(default_factory=dict)


def judge(gate: Gate, expected: Expectation, evidence: Evidence, rules: Rules) -> tuple[Finding, Spent]:
    """Give the finding of one gate, and what its looks have spent by now."""
    before = evidence.spent.get(gate.name, Spent())
    if gate.metric in {DRIFT, QUALITY}:
        return _judge_words(gate, expected, evidence, rules), before
    failed = [block for block in evidence.blocks if block.failure]
    if failed:
        return refused(gate, map(_why, failed), counted="block", count=len(evidence.blocks)), before
    repeated = [block.number for block in evidence.blocks if len({each.utterance for each in block.rounds}) == 1]
    if gate.metric == "rtf" and repeated:
        why = f"block {repeated[0]} heard one utterance alone: however often, that is one sample"
        return refused(gate, [why], counted="block", count=len(evidence.blocks)), before
    blocks = [block_of(block, gate.metric) for block in evidence.blocks]
    return judge_speed(gate, blocks, plan=expected.plan, spent=before)


def _judge_words(gate: Gate, expected: Expectation, evidence: Evidence, rules: Rules) -> Finding:
    lost = [f"the {name} failed on {why}" for name, why in _failures(evidence)]
    if lost:
        return refused(gate, lost, count=len(evidence.base))
    base, candidate = (_arm(gate.corpus, evidence.revision, own) for own in (evidence.base, evidence.candidate))
    if gate.metric == DRIFT:
        return judge_drift(gate, base, candidate, acknowledged=expected.acknowledged or None)
    return judge_quality(gate, base, candidate, terms=rules.terms)


def _failures(evidence: Evidence) -> Iterable[tuple[str, str]]:
    for name, records in (("base", evidence.base), ("candidate", evidence.candidate)):
        for record in records:
            if record.failure:
                yield name, f"{record.utterance}: {record.failure.kind}: {record.failure.message}"


def _arm(corpus: str, revision: str, records: Sequence[Record]) -> Arm:
    return Arm(corpus=corpus, revision=revision, heard={record.utterance: _heard(record) for record in records})


def _heard(record: Record) -> Heard:
    judged = judge_utterance(record)
    return Heard(words=words_of(record), score=judged.score, speaker=record.speaker, edits=judged.edits)


def block_of(block: DuelBlock, metric: str) -> Block:
    """Give what a gate of one metric sees of a block."""
    numbers = _NUMBERS[metric]
    return Block(
        id=block.id,
        base=numbers(block, "base"),
        candidate=numbers(block, "candidate"),
        conditions=_conditions(block),
    )


def _conditions(block: DuelBlock) -> Conditions:
    machine = block.machine
    works = (*machine.fixed_work_before_s, *machine.fixed_work_after_s)
    same = block.same_code or ()
    ratio = log_ratio([r.base.seconds for r in same], [r.candidate.seconds for r in same]) if same else None
    return Conditions(
        steal=machine.steal,
        throttled=None if machine.throttled_periods is None else machine.throttled_periods > 0,
        fixed_work_s=median(works) if works else None,
        same_code=ratio,
    )


def _cold_start(block: DuelBlock, side: Side) -> tuple[float, ...]:
    """Give the seconds from the start of the process to its first transcript."""
    arm = block.of(side)
    return (_known(arm.ready_s) + arm.warm_up[0].seconds,) if arm.warm_up else (float("nan"),)


def _of_arm(name: Callable[[ArmFacts], float | None]) -> Callable[[DuelBlock, Side], tuple[float, ...]]:
    return lambda block, side: (_known(name(block.of(side))),)


def _known(number: float | None) -> float:
    """Give a number that a gate refuses where there is none."""
    return float("nan") if number is None else float(number)


_NUMBERS: Mapping[str, Callable[[DuelBlock, Side], tuple[float, ...]]] = {
    "rtf": lambda block, side: block.seconds(side),
    "cpu": _of_arm(lambda arm: arm.cpu_s),
    "cold_start": _cold_start,
    "peak_memory": _of_arm(lambda arm: arm.peak_memory_bytes),
}


def _why(block: DuelBlock) -> str:
    failure = block.failure
    assert failure is not None
    where = f" on {failure.utterance}" if failure.utterance else ""
    log = f" {' / '.join(failure.log[-3:])}" if failure.log else ""
    who = f"block {block.number}: the {failure.side or 'audio'} failed to {failure.stage}{where}"
    return f"{who}: {failure.kind}: {failure.message}{log}"

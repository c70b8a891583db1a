"""Drift: whether two arms wrote the same words, and if not, which utterances changed."""

from dataclasses import asdict, dataclass

from modellab.verdicts.arm import Arm, mismatch
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding, Gate, refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An utterance for which two arms wrote different words; errors gained are positive, lost negative."""

    utterance: str
    before: str
    after: str
    errors_before: int
    errors_after: int
    more_errors: int


def changes(base: Arm, candidate: Arm) -> tuple[Change, ...]:
    """Give the utterances whose words changed, the most errors gained first."""
    changed = [name for name, heard in base.heard.items() if heard.words != candidate.heard[name].words]
    found = (_change(name, base, candidate) for name in changed)
    return tuple(sorted(found, key=lambda change: (-change.more_errors, change.utterance)))


def judge_drift(gate: Gate, base: Arm, candidate: Arm, *, acknowledged: str | None = None) -> Finding:
    """Give the finding on the words of two arms that decode without chance on one machine.

    The same words pass, with no false alarm possible. Any other word regresses, for the better too: what nobody meant
    to change has changed. A change that somebody meant is `acknowledged`, with the reason, and then informs.
    """
    reasons = mismatch(base, candidate)
    if reasons:
        return refused(gate, reasons, count=len(base.heard))
    changed = changes(base, candidate)
    meant = acknowledged if changed else None
    if_changed = Decision.INFORMS if meant else Decision.REGRESSED
    return Finding(
        gate=gate,
        decision=if_changed if changed else Decision.PASS,
        reasons=(_summary(changed, len(base.heard)), *([f"acknowledged: {meant}"] if meant else [])),
        count=len(base.heard),
        estimate=_difference(base, candidate),
        evidence={"corpus_revision": base.revision, "changed": [asdict(change) for change in changed]},
    )


def _change(utterance: str, base: Arm, candidate: Arm) -> Change:
    before, after = base.heard[utterance], candidate.heard[utterance]
    return Change(
        utterance=utterance,
        before=before.words,
        after=after.words,
        errors_before=before.score.errors,
        errors_after=after.score.errors,
        more_errors=after.score.errors - before.score.errors,
    )


def _summary(changed: tuple[Change, ...], utterances: int) -> str:
    if not changed:
        return f"all {utterances} utterances have the same words"
    gained = sum(max(change.more_errors, 0) for change in changed)
    lost = sum(max(-change.more_errors, 0) for change in changed)
    return f"{len(changed)} of {utterances} utterances changed: {gained} errors gained, {lost} lost"


def _difference(base: Arm, candidate: Arm) -> float | None:
    """Give the difference of the pooled error rates, a fraction; None where nothing is said."""
    spoken = [name for name, heard in base.heard.items() if heard.score.reference_length]
    words = sum(base.heard[name].score.reference_length for name in spoken)
    errors = sum(candidate.heard[name].score.errors - base.heard[name].score.errors for name in spoken)
    return errors / words if words else None

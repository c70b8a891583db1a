"""Summary: what a gate says to people: what got worse, by how much, how sure, and how to see it again."""

from collections.abc import Iterator, Sequence

from modellab.gating.dossier import Verdicts
from modellab.reporting.markdown import escape
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding

SIGNS = {
    Decision.PASS: "✅",
    Decision.REGRESSED: "❌",
    Decision.INCONCLUSIVE: "❔",
    Decision.ERROR: "💥",
    Decision.INFORMS: "💬",
}  # fmt: skip
_CHANGED_SHOWN = 5
_POINTS = frozenset({"drift", "quality"})


def summary(verdicts: Verdicts) -> str:
    """Give the verdicts as Markdown, the gravest first."""
    return "\n".join((*_head(verdicts), *_table(verdicts.findings), *_rest(verdicts)))


def headline(verdicts: Verdicts) -> str:
    """Give the verdicts in one line."""
    counts = [(d, sum(f.decision is d for f in verdicts.findings)) for d in Decision]
    parts = [f"{count} {decision}" for decision, count in counts if count]
    parts += [f"{len(verdicts.missing)} missing"] if verdicts.missing else []
    return f"{verdicts.decision.upper()}: {', '.join(parts) or 'no gate'}"


def change(finding: Finding) -> str:
    """Give by how much something changed, with its bounds, in the unit of its metric; "" where nobody measured it."""
    if finding.estimate is None:
        return ""
    unit = " points" if finding.gate.metric in _POINTS else " %"
    bounds = (
        f" [{100 * finding.low:+.2f}, {100 * finding.high:+.2f}]"
        if finding.low is not None and finding.high is not None
        else ""
    )
    return f"{100 * finding.estimate:+.2f}{bounds}{unit}"


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """Give findings, the gravest first, among these the greatest change."""
    order = [Decision.ERROR, Decision.REGRESSED, Decision.INCONCLUSIVE, Decision.INFORMS, Decision.PASS]
    return sorted(findings, key=lambda f: (order.index(f.decision), -(f.estimate or 0.0), f.gate.name))


def _head(verdicts: Verdicts) -> Iterator[str]:
    sign = SIGNS[verdicts.decision]
    yield from (f"## {sign} Model Lab gate: {escape(headline(verdicts))}", "")
    yield from (f"Base: {escape(verdicts.base)}. Candidate: {escape(verdicts.candidate)}.", "")
    listed = [f"- missing: {escape(name)}" for name in verdicts.missing] + [f"- {escape(n)}" for n in verdicts.notes]
    yield from (*listed, *([""] if listed else []))


def _table(findings: Sequence[Finding]) -> Iterator[str]:
    yield "| | gate | change | p | evidence | why |"
    yield "|---|---|---:|---:|---|---|"
    for finding in ranked(findings):
        gate = finding.gate
        p = "" if finding.p is None else f"{finding.p:.2g}"
        counted = f"{finding.count} {finding.counted}{'' if finding.count == 1 else 's'}"
        cells = (gate.name, change(finding), p, counted, "; ".join(finding.reasons))
        yield f"| {SIGNS[finding.decision]} {finding.decision} | {' | '.join(map(escape, cells))} |"


def _rest(verdicts: Verdicts) -> Iterator[str]:
    for finding in ranked(verdicts.findings):
        changed = finding.evidence.get("changed")
        if isinstance(changed, list) and changed:
            yield from (
                "",
                f"### Words that changed: {escape(finding.gate.model)} on {escape(finding.gate.corpus)}",
                "",
            )
            yield from map(_changed, changed[:_CHANGED_SHOWN])
            if len(changed) > _CHANGED_SHOWN:
                yield f"- and {len(changed) - _CHANGED_SHOWN} more"
    yield from ("", f"A positive change is worse. {verdicts.machine}, {verdicts.minutes:.1f} min. Once more:", "")
    yield from ("```sh", verdicts.command, "```", "")


def _changed(changed: dict[str, object]) -> str:
    name, before, after = (escape(str(changed[key])) for key in ("utterance", "before", "after"))
    return f"- {name} ({int(str(changed['more_errors'])):+d} errors): {before} → {after}"

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
# GitHub drops a summary of more than 1 MiB, all of it. Everything is in the verdicts.
_ROWS_SHOWN = 200
_LISTS_SHOWN = 20
_CHANGED_SHOWN = 5
_REASONS_SHOWN = 3
_LONGEST = 400  # characters of one text
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


def why(finding: Finding) -> str:
    """Give the gravest reasons of a finding, in one text; a gate that failed on every utterance has as many."""
    more = len(finding.reasons) - _REASONS_SHOWN
    told = [_clipped(reason) for reason in finding.reasons[:_REASONS_SHOWN]]
    return "; ".join([*told, *([f"and {more} more"] if more > 0 else [])])


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """Give findings, the gravest first, among these the greatest change."""
    order = [Decision.ERROR, Decision.REGRESSED, Decision.INCONCLUSIVE, Decision.INFORMS, Decision.PASS]
    return sorted(findings, key=lambda f: (order.index(f.decision), -(f.estimate or 0.0), f.gate.name))


def _head(verdicts: Verdicts) -> Iterator[str]:
    sign = SIGNS[verdicts.decision]
    yield from (f"## {sign} Model Lab gate: {escape(headline(verdicts))}", "")
    yield from (f"Base: {_shown(verdicts.base)}. Candidate: {_shown(verdicts.candidate)}.", "")
    listed = [*(f"- missing: {_shown(name)}" for name in verdicts.missing), *(f"- {_shown(n)}" for n in verdicts.notes)]
    yield from (*_some(listed, _ROWS_SHOWN), *([""] if listed else []))


def _table(findings: Sequence[Finding]) -> Iterator[str]:
    yield "| | gate | change | p | evidence | why |"
    yield "|---|---|---:|---:|---|---|"
    for finding in ranked(findings)[:_ROWS_SHOWN]:
        p = "" if finding.p is None else f"{finding.p:.2g}"
        counted = f"{finding.count} {finding.counted}{'' if finding.count == 1 else 's'}"
        cells = (_shown(finding.gate.name), *map(escape, (change(finding), p, counted, why(finding))))
        yield f"| {SIGNS[finding.decision]} {finding.decision} | {' | '.join(cells)} |"
    if len(findings) > _ROWS_SHOWN:
        yield from ("", f"and {len(findings) - _ROWS_SHOWN} more gates")


def _rest(verdicts: Verdicts) -> Iterator[str]:
    lists = [finding for finding in ranked(verdicts.findings) if finding.evidence.get("changed")]
    for finding in lists[:_LISTS_SHOWN]:
        yield from _list(finding)
    if len(lists) > _LISTS_SHOWN:
        yield from ("", f"Words changed of {len(lists) - _LISTS_SHOWN} more.")
    machine = escape(verdicts.machine)
    yield from ("", f"A positive change is worse. {machine}, {verdicts.minutes:.1f} min. Once more:", "")
    yield from ("```sh", " ".join(verdicts.command.split()), "```", "")


def _list(finding: Finding) -> Iterator[str]:
    changed = finding.evidence["changed"]
    assert isinstance(changed, list)
    yield from ("", f"### Words that changed: {_shown(finding.gate.model)} on {_shown(finding.gate.corpus)}", "")
    yield from _some([_changed(each) for each in changed[:_CHANGED_SHOWN]], _CHANGED_SHOWN, len(changed))


def _changed(changed: dict[str, object]) -> str:
    name, before, after = (_shown(str(changed[key])) for key in ("utterance", "before", "after"))
    return f"- {name} ({int(str(changed['more_errors'])):+d} errors): {before} → {after}"


def _some(lines: Sequence[str], most: int, total: int | None = None) -> Iterator[str]:
    """Give the first of some lines, and how many more there are."""
    total = len(lines) if total is None else total
    yield from lines[:most]
    if total > most:
        yield f"- and {total - most} more"


def _shown(text: str) -> str:
    return escape(_clipped(text))


def _clipped(text: str) -> str:
    """Give a text as long as it may be; of a longer one its beginning, and by how much it was longer."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text) - _LONGEST} characters more)"

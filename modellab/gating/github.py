"""GitHub: verdicts as annotations of a workflow, few enough that none is dropped."""

from collections.abc import Iterator, Mapping

from modellab.gating.dossier import Verdicts
from modellab.gating.summary import change, headline, ranked, why
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding

MOST = 9  # GitHub shows ten of a kind a step, and drops the rest without a word
SCREENING = "MODELLAB_SCREENING"  # "true" where another job has to confirm what regressed
_LEVELS = {Decision.ERROR: "error", Decision.REGRESSED: "error", Decision.INCONCLUSIVE: "warning"}


def annotate(verdicts: Verdicts, env: Mapping[str, str]) -> Iterator[str]:
    """Give the workflow commands that show the gravest findings, and one for all; none outside of GitHub Actions."""
    if env.get("GITHUB_ACTIONS") != "true":
        return
    shown = [_command("error", f"error: {name}", "expected, and did not run") for name in verdicts.missing]
    screening = env.get(SCREENING) == "true"
    graves = (finding for finding in ranked(verdicts.findings) if finding.decision in _LEVELS)
    shown += [_annotation(finding, screening=screening) for finding in graves]
    yield from shown[:MOST]
    more = f", {len(shown) - MOST} more are in the summary" if len(shown) > MOST else ""
    yield _command("notice", "Model Lab gate", f"{headline(verdicts)}{more}")


def _annotation(finding: Finding, *, screening: bool) -> str:
    level, title = _LEVELS[finding.decision], str(finding.decision)
    if screening and finding.decision is Decision.REGRESSED:
        level, title = "warning", "suspected"
    words = " ".join(part for part in (change(finding), why(finding)) if part)
    return _command(level, f"{title}: {finding.gate.name}", words)


def _command(level: str, title: str, words: str) -> str:
    return f"::{level} title={_property(title)}::{_data(words)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

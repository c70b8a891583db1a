"""GitHub: verdicts as annotations of a workflow, few enough that none is dropped."""

from collections.abc import Iterator, Mapping

from modellab.gating.dossier import Verdicts
from modellab.gating.summary import change, headline, ranked
from modellab.verdicts.decision import Decision

MOST = 9  # GitHub shows ten of a kind a step, and drops the rest without a word
_LEVELS = {Decision.ERROR: "error", Decision.REGRESSED: "error", Decision.INCONCLUSIVE: "warning"}


def annotate(verdicts: Verdicts, env: Mapping[str, str]) -> Iterator[str]:
    """Give the workflow commands that show the gravest findings, and one for all; none outside of GitHub Actions."""
    if env.get("GITHUB_ACTIONS") != "true":
        return
    shown = [finding for finding in ranked(verdicts.findings) if finding.decision in _LEVELS]
    for finding in shown[:MOST]:
        words = " ".join(part for part in (change(finding), "; ".join(finding.reasons)) if part)
        yield _command(_LEVELS[finding.decision], f"{finding.decision}: {finding.gate.name}", words)
    more = f", {len(shown) - MOST} more are in the summary" if len(shown) > MOST else ""
    yield _command("notice", "Model Lab gate", f"{headline(verdicts)}{more}")


def _command(level: str, title: str, words: str) -> str:
    return f"::{level} title={_property(title)}::{_data(words)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

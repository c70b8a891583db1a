"""Gates: verdicts as tests, so that the terminal, junit and Allure say the same. Nothing is measured here."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from modellab.errors import BadRecord
from modellab.gating.dossier import Verdicts, read_verdicts
from modellab.gating.summary import change
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding


def show(verdicts: Path, options: Sequence[str] = ()) -> None:
    """Show verdicts as tests, in this process: nothing is measured any more."""
    pytest.main(["-p", "no:cacheprovider", "-p", "no:warnings", "-q", "-rfs", "--tb=short", *options, str(verdicts)])


class GateFailed(Exception):
    """A gate that did not pass; its words are all that a reader needs."""


class GateFile(pytest.File):
    """The verdicts of one comparison."""

    def collect(self) -> Iterator[pytest.Item]:
        """Give one test for each gate that was expected; verdicts that cannot be read, or of nothing, fail."""
        try:
            verdicts = read_verdicts(self.path)
        except BadRecord as error:
            yield GateItem.from_parent(self, name="verdicts", finding=None, why=str(error))
            return
        if not verdicts.expected:
            yield GateItem.from_parent(self, name="gates", finding=None, why="no gate was expected: nothing is proven")
        found = {finding.gate.name: finding for finding in verdicts.findings}
        for name in dict.fromkeys((*verdicts.expected, *found)):
            finding = found.get(name)
            why = _why(verdicts, finding) if finding else f"{name} was expected and did not run"
            yield GateItem.from_parent(self, name=name, finding=finding, why=why)


class GateItem(pytest.Item):
    """One gate: it passes, fails, or is skipped where it could not be decided."""

    def __init__(self, *, finding: Finding | None, why: str, **known: Any) -> None:  # noqa: ANN401 - pytest's
        super().__init__(**known)
        self._finding = finding
        self._why = why
        if finding:
            facts = {"decision": finding.decision, "estimate": finding.estimate, "p": finding.p, "count": finding.count}
            self.user_properties += [(key, value) for key, value in facts.items() if value is not None]

    def runtest(self) -> None:
        """Say what the gate came to."""
        decision = self._finding.decision if self._finding else Decision.ERROR
        if decision in {Decision.REGRESSED, Decision.ERROR}:
            raise GateFailed(self._why)
        if decision in {Decision.INCONCLUSIVE, Decision.INFORMS}:
            pytest.skip(self._why)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **known: Any) -> Any:  # noqa: ANN401
        """Give the reasons alone; where they were found in the code is nobody's business."""
        if isinstance(excinfo.value, GateFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args, **known)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Give where the gate's verdict stands."""
        return self.path, 0, self.name


def _why(verdicts: Verdicts, finding: Finding) -> str:
    parts = (str(finding.decision), change(finding), "; ".join(finding.reasons))
    return f"{': '.join(part for part in parts if part)}\nonce more: {verdicts.command}"

"""Holm: what several gates may say together, once each of them had its chance of a false alarm."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from modellab.errors import MeasurementRefused
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding


def holm(ps: Sequence[float]) -> tuple[float, ...]:
    """Give each p adjusted, so that any at or below alpha is false with chance alpha for the whole family.

    Raises:
        MeasurementRefused: when one of them is no probability.

    Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    values = _probabilities(ps)
    order = np.argsort(values, kind="stable")
    steps = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * steps), 1)
    return tuple(adjusted.tolist())


def benjamini_hochberg(ps: Sequence[float]) -> tuple[float, ...]:
    """Give each p adjusted, so that of those at or below q a share q is expected to be false: for lists, not gates.

    Raises:
        MeasurementRefused: when one of them is no probability.

    Source: Benjamini and Hochberg 1995, "Controlling the False Discovery Rate".
    """
    values = _probabilities(ps)
    order = np.argsort(-values, kind="stable")
    steps = len(values) / np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.minimum.accumulate(values[order] * steps), 1)
    return tuple(adjusted.tolist())


def judge_family(findings: Sequence[Finding], *, alpha: float) -> tuple[Finding, ...]:
    """Give the findings of gates that stand together, in order: a regression that alone looks sure may not be.

    A gate with a p is of the family, and so is one that could not be judged, with a p of 1, since it was asked.
    Whatever regressed on its p and is not sure enough among so many is inconclusive.
    """
    ps = {n: p for n, finding in enumerate(findings) if (p := _p(finding)) is not None}
    adjusted = dict(zip(ps, holm(tuple(ps.values())), strict=True))
    return tuple(
        _among(finding, adjusted[n], len(ps), alpha) if n in adjusted else finding for n, finding in enumerate(findings)
    )


def _p(finding: Finding) -> float | None:
    """Give the p with which a finding is of the family; None where it is not."""
    return 1.0 if finding.decision is Decision.ERROR else finding.p


def _among(finding: Finding, p: float, family: int, alpha: float) -> Finding:
    evidence = {**finding.evidence, "family": family, "p_in_family": p, "family_alpha": alpha}
    if finding.decision is not Decision.REGRESSED or p <= alpha:
        return replace(finding, evidence=evidence)
    doubt = f"suspected, but among {family} gates p is {p:.2g}, not {alpha:g} or less"
    return replace(finding, decision=Decision.INCONCLUSIVE, reasons=(doubt, *finding.reasons), evidence=evidence)


def _probabilities(ps: Sequence[float]) -> np.ndarray:
    values = np.array(ps, dtype=np.float64)
    wrong = values[~((values >= 0) & (values <= 1))]
    if len(wrong):
        raise MeasurementRefused(f"a p lies between 0 and 1, and {wrong[0]} does not")
    return values

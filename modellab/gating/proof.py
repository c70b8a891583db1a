"""Proof: whether the gate can be trusted, told from trials: comparisons of which the right answer was known."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import log1p
from pathlib import Path
from statistics import median

import numpy as np
from pydantic import TypeAdapter

from modellab.errors import MeasurementRefused
from modellab.gating.judging import block_of
from modellab.records.duel import DuelBlock, Side
from modellab.records.lines import Lines, Torn
from modellab.verdicts.contamination import Limits, contaminated
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding
from modellab.verdicts.rate import Rate
from modellab.verdicts.rivals import asv, pytest_benchmark
from modellab.verdicts.sequential import Plan, weigh
from modellab.verdicts.speed import log_ratio

FILE = "trials.jsonl"
_DECIDED = (Decision.PASS, Decision.REGRESSED, Decision.INCONCLUSIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One comparison of which the right answer is known.

    Attributes:
        number: which one of its kind it is; it decides what is drawn.
        injected: what the candidate was made worse by; "" where it is the base's own code.
        findings: what the gate said of it.
        blocks: how many blocks were measured.
        took_s: how long all of it took.
        decided_s: how long the blocks took up to the one at which a gate was decided, by metric.
        changed: utterances whose words were changed on purpose; None where no words were.
    """

    number: int
    injected: str = ""
    findings: tuple[Finding, ...]
    blocks: int
    took_s: float
    decided_s: Mapping[str, float]
    changed: int | None = None


class Trials:
    """The file of all trials so far; they are added to, so that proving can be interrupted and gone on with."""

    def __init__(self, folder: Path) -> None:
        self._lines = Lines(folder / FILE)

    def append(self, trial: Trial) -> None:
        """Write one trial."""
        self._lines.append(_trials().dump_json(trial))
        self._lines.close()

    def read(self) -> tuple[Trial, ...]:
        """Give every trial in the order of writing; a line that was cut short is passed over."""
        return tuple(line for line in self._lines.read(_trials().validate_json) if not isinstance(line, Torn))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the findings of several trials came to.

    Attributes:
        counts: findings by their decision; those that inform are left out, as they decide nothing.
        suspected: those inconclusive ones that alone had regressed, and were not sure enough among the others.
        errors: why nothing could be judged, and how often.
        counted: blocks (or what else the gate counts) that each decision took.
    """

    counts: Mapping[Decision, int]
    suspected: int
    errors: Mapping[str, int]
    counted: tuple[int, ...]

    @property
    def decisions(self) -> int:
        """Findings that said something of the candidate."""
        return sum(self.counts.get(decision, 0) for decision in _DECIDED)

    @property
    def regressed(self) -> Rate:
        """Of all decisions, those that said worse: false alarms where nothing was, else detections."""
        return self._rate(Decision.REGRESSED, self.decisions)

    @property
    def inconclusive(self) -> Rate:
        """Of all decisions, those that could not tell."""
        return self._rate(Decision.INCONCLUSIVE, self.decisions)

    @property
    def refused(self) -> Rate:
        """Of all that was asked, what could not be judged."""
        return self._rate(Decision.ERROR, self.decisions + self.counts.get(Decision.ERROR, 0))

    def _rate(self, decision: Decision, of: int) -> Rate:
        return Rate(hits=self.counts.get(decision, 0), of=of)


def tally(findings: Iterable[Finding]) -> Tally:
    """Give what findings came to."""
    own = [finding for finding in findings if finding.decision is not Decision.INFORMS]
    return Tally(
        counts=Counter(finding.decision for finding in own),
        suspected=sum(map(_suspected, own)),
        errors=Counter(reason for finding in own if finding.decision is Decision.ERROR for reason in finding.reasons),
        counted=tuple(finding.count for finding in own if finding.decision in _DECIDED),
    )


def by_metric(trials: Iterable[Trial]) -> Mapping[str, tuple[Finding, ...]]:
    """Give the findings of all trials by what they are of."""
    found: dict[str, list[Finding]] = {}
    for trial in trials:
        for finding in trial.findings:
            found.setdefault(finding.gate.metric, []).append(finding)
    return {metric: tuple(own) for metric, own in found.items()}


def decided_s(finding: Finding, blocks: Sequence[DuelBlock]) -> float | None:
    """Give how long blocks took up to the last that a finding has looked at; None where it has looked at none."""
    last = _looked_at(finding)
    places = [place for place, block in enumerate(blocks, start=1) if block.id in last]
    return sum(block.took_s for block in blocks[: places[-1]]) if places else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """How the blocks of identical code scatter, as logs of ratios, and how many of them were dropped, by the reason."""

    values: tuple[float, ...]
    good: tuple[float, ...]
    dropped: Mapping[str, int]

    @property
    def sd(self) -> float | None:
        """That of the good blocks; None of fewer than two."""
        return float(np.std(self.good, ddof=1)) if len(self.good) > 1 else None

    @property
    def robust_sd(self) -> float | None:
        """What the sd would be of a normal distribution with the median distance from 0 of the good blocks."""
        return 1.4826 * median(map(abs, self.good)) if self.good else None


def scatter(comparisons: Iterable[Sequence[DuelBlock]], metric: str, limits: Limits | None = None) -> Scatter:
    """Give how blocks scatter; those of one comparison are dropped or kept together, as in a gate."""
    values, good, dropped = [], [], Counter[str]()
    for blocks in comparisons:
        weighed = [block_of(block, metric) for block in blocks if not block.failure]
        found = contaminated({block.id: block.conditions for block in weighed}, limits)
        for block in weighed:
            value = log_ratio(block.base, block.candidate)
            values.append(value)
            dropped.update(map(_rule, found.get(block.id, ())))
            if block.id not in found:
                good.append(value)
    return Scatter(values=tuple(values), good=tuple(good), dropped=dropped)


def calls(blocks: Iterable[DuelBlock], side: Side) -> np.ndarray:
    """Give an arm's seconds of shape (blocks, calls), the calls of each block in the order of their utterances.

    Raises:
        MeasurementRefused: when blocks are not of the same utterances.
    """
    rows = [sorted((each.utterance, each.of(side).seconds) for each in block.rounds) for block in blocks]
    if len({tuple(name for name, _ in row) for row in rows}) > 1:
        raise MeasurementRefused("other tools repeat the same calls, and these blocks are not of the same utterances")
    return np.array([[seconds for _, seconds in row] for row in rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    """What other tools would have said of the same seconds.

    Attributes:
        stored: pytest-benchmark, all calls of a comparison's base stored, and met by a later comparison's candidate.
        beside: pytest-benchmark, base and candidate of one comparison.
        asv: `asv continuous`, base and candidate of one comparison, calls pooled.
        asv_stored: asv, the base of a comparison against the candidate of a later one.
    """

    stored: Rate
    beside: Rate
    asv: Rate
    asv_stored: Rate


def rivals(comparisons: Sequence[Sequence[DuelBlock]], *, slower: float = 0.0, apart: int | None = None) -> Rivals:
    """Give what other tools say where the candidate takes a share `slower` longer.

    A stored baseline meets every later comparison, or those up to `apart` places later.
    """
    whole = [[block for block in blocks if not block.failure] for blocks in comparisons]
    base = [calls(blocks, "base") for blocks in whole if blocks]
    candidate = [calls(blocks, "candidate") * (1 + slower) for blocks in whole if blocks]
    own = list(zip(base, candidate, strict=True))
    reach = len(own) if apart is None else apart
    later = [(base[i], candidate[j]) for i in range(len(own)) for j in range(i + 1, min(len(own), i + 1 + reach))]
    return Rivals(
        stored=_share(pytest_benchmark(one, other) for one, other in later),
        beside=_share(pytest_benchmark(one, other) for one, other in own),
        asv=_share(asv(one, other) for one, other in own),
        asv_stored=_share(asv(one, other) for one, other in later),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Runs of a plan for one gate among several: those that regressed, and those of them that stood among the others.

    Attributes:
        alone: runs that regressed by the gate's own plan.
        confirmed: runs that regressed and were sure enough for Holm, had no other gate anything to say.
    """

    alone: Rate
    confirmed: Rate


def replay_family(
    recorded: np.ndarray,
    plan: Plan,
    *,
    gates: int,
    alpha: float,
    slower: float = 0.0,
    runs: int = 10_000,
    seed: int = 0,
) -> Family:
    """Give what becomes of a gate's regressions among so many gates, on blocks drawn from recorded ones.

    A gate that has regressed takes no further look: one that is then not sure enough stays inconclusive.
    """
    values = draw(recorded, plan.looks[-1], runs, seed) + log1p(slower)
    found = confirmed = 0
    for look, size in enumerate(plan.looks):
        seen = weigh(values[:, :size], plan, look)
        found += int(seen.regressed.sum())
        confirmed += int((seen.regressed & (seen.p / plan.shares[look] <= alpha / gates)).sum())
        values = values[~(seen.regressed | seen.passed)]
    return Family(alone=Rate(hits=found, of=runs), confirmed=Rate(hits=confirmed, of=runs))


def draw(recorded: np.ndarray, blocks: int, runs: int, seed: int) -> np.ndarray:
    """Give runs of blocks drawn from recorded ones, each with its sign turned or not."""
    random = np.random.default_rng(seed)
    return np.asarray(random.choice(recorded, (runs, blocks)) * random.choice((-1.0, 1.0), (runs, blocks)))


def _share(said: Iterable[bool]) -> Rate:
    answers = list(said)
    return Rate(hits=sum(answers), of=len(answers))


def _suspected(finding: Finding) -> bool:
    looks = finding.evidence.get("looks")
    last = looks[-1] if isinstance(looks, list) and looks else {}
    return finding.decision is Decision.INCONCLUSIVE and last.get("decision") == Decision.REGRESSED


def _looked_at(finding: Finding) -> frozenset[str]:
    looks = finding.evidence.get("looks")
    return frozenset(looks[-1]["blocks"]) if isinstance(looks, list) and looks else frozenset()


def _rule(reason: str) -> str:
    """Give which rule dropped a block, from its words."""
    rules = {"stolen": "steal", "throttled": "throttling", "fixed work": "fixed work", "identical": "same code"}
    return next((rule for word, rule in rules.items() if word in reason), reason)


@cache
def _trials() -> TypeAdapter[Trial]:
    return TypeAdapter(Trial)

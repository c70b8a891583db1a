"""Quality: whether a candidate makes more word errors than its base, as far as the speakers can tell."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from math import sqrt

import numpy as np

from modellab.errors import BadDefinition
from modellab.scoring.difference import Pair, difference
from modellab.verdicts.arm import Arm, mismatch
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding, Gate, refused
from modellab.verdicts.mapsswe import mapsswe
from modellab.verdicts.power import detectable, planned
from modellab.verdicts.sign_flip import sign_flip
from modellab.verdicts.student import Student, ratio_of

_FEWEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a difference of error rates has to show. Rates are fractions: 0.005 is half a point.

    Attributes:
        alpha: the chance of a false alarm.
        floor: the difference up to which nothing regresses.
        margin: the smallest difference that matters; below it for sure passes.
        confidence: that what passes is below `margin`, one-sided; and of the bounds shown, two-sided.
        power: with which a detectable difference would be seen.
        least_clusters: below so many the gate informs.
    """

    alpha: float = 0.01
    floor: float = 0.003
    margin: float = 0.005
    confidence: float = 0.95
    power: float = 0.9
    least_clusters: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.floor < self.margin < float("inf"):
            raise BadDefinition(f"0 <= floor < margin is wanted, not {self.floor} and {self.margin}")
        if self.least_clusters < _FEWEST:
            raise BadDefinition(f"least_clusters must be {_FEWEST} or more, not {self.least_clusters}")
        for name in ("alpha", "confidence", "power"):
            if not 0 < getattr(self, name) < 1:
                raise BadDefinition(f"{name} must lie between 0 and 1, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tested:
    """What the clusters say: the ratio with its t, and the chance that their signs alone would give as much."""

    estimate: Student
    p_t: float
    p_signs: float
    clusters: int

    @property
    def p(self) -> float:
        """Both have to agree, so the greater counts."""
        return max(self.p_t, self.p_signs)

    @property
    def cluster_sd(self) -> float:
        """The scatter of one cluster, as if each had its share of the words."""
        return float(self.estimate.error) * sqrt(self.clusters)


def judge_quality(gate: Gate, base: Arm, candidate: Arm, *, terms: Terms | None = None, seed: int = 0) -> Finding:
    """Give the finding on the pooled error rates of two arms, paired by utterance.

    Words of one speaker stand or fall together, so speakers are what is counted; where one of them is not known, each
    utterance counts for itself. Utterances in which nothing is said enter no rate. `seed` is of the draws.

    Source: Bisani and Ney 2004 for pooled, paired rates; Liu and Peng, arXiv 1912.09508, for clusters.
    """
    rules, reasons = terms or Terms(), mismatch(base, candidate)
    if reasons:
        return refused(gate, reasons, count=len(base.heard))
    unit = "speaker" if all(heard.speaker is not None for heard in base.heard.values()) else "utterance"
    pairs = tuple(_pairs(base, candidate, unit))
    if not pairs:
        return refused(gate, [f"nothing is said in any of {len(base.heard)} utterances"], count=len(base.heard))
    sums = _sums(pairs)
    if len(sums) < _FEWEST:
        return _alone(gate, sums, unit)
    tested = _test(sums, seed)
    evidence = {
        "corpus_revision": base.revision,
        "terms": asdict(rules),
        "p_t": tested.p_t,
        "p_signs": tested.p_signs,
        "silent_utterances": len(base.heard) - len(pairs),
        **_rates(pairs, unit, seed),
        "mapsswe": _matched(base, candidate),
    }
    return replace(_found(gate, tested, rules, unit), evidence=evidence)


def _pairs(base: Arm, candidate: Arm, unit: str) -> Iterator[Pair]:
    for utterance, before in base.heard.items():
        if before.score.reference_length:
            cluster = (before.speaker or "") if unit == "speaker" else utterance
            yield Pair(cluster=cluster, before=before.score, after=candidate.heard[utterance].score)


def _sums(pairs: tuple[Pair, ...]) -> np.ndarray:
    """Give errors gained and words of each cluster, of shape (clusters, 2)."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for pair in pairs:
        own = sums[pair.cluster]
        own[0] += pair.after.errors - pair.before.errors
        own[1] += pair.before.reference_length
    return np.array(list(sums.values()), dtype=np.float64)


def _test(sums: np.ndarray, seed: int) -> _Tested:
    estimate = ratio_of(sums[:, 0], sums[:, 1])
    return _Tested(
        estimate=estimate,
        p_t=float(estimate.p()),
        p_signs=sign_flip(sums[:, 0], seed=seed),
        clusters=len(sums),
    )


def _alone(gate: Gate, sums: np.ndarray, unit: str) -> Finding:
    return Finding(
        gate=gate,
        decision=Decision.INFORMS,
        reasons=(f"one {unit} says nothing of others",),
        counted=unit,
        count=len(sums),
        estimate=float(sums[0, 0] / sums[0, 1]),
    )


def _found(gate: Gate, tested: _Tested, terms: Terms, unit: str) -> Finding:
    low, high = tested.estimate.interval(terms.confidence)
    power = {"alpha": terms.alpha, "power": terms.power, "floor": terms.floor}
    finding = Finding(
        gate=gate,
        decision=_decide(tested, terms),
        counted=unit,
        count=tested.clusters,
        estimate=float(tested.estimate.mean),
        low=low,
        high=high,
        level=terms.confidence,
        p=tested.p if tested.clusters >= terms.least_clusters else None,
        detectable=detectable(tested.cluster_sd, tested.clusters, **power),
        needed=planned(tested.cluster_sd, terms.margin, least=terms.least_clusters, **power),
    )
    return replace(finding, reasons=(_reason(finding, tested, terms),))


def _decide(tested: _Tested, terms: Terms) -> Decision:
    if tested.clusters < terms.least_clusters:
        return Decision.INFORMS
    if tested.p < terms.alpha and tested.estimate.mean > terms.floor:
        return Decision.REGRESSED
    return Decision.PASS if tested.estimate.upper(terms.confidence) < terms.margin else Decision.INCONCLUSIVE


def _reason(found: Finding, tested: _Tested, terms: Terms) -> str:
    bounds = f"[{_points(found.low)}, {_points(found.high)}]"
    change = f"{_points(found.estimate)} {bounds} points, {found.count} {found.counted}s"
    sees = f"so many see {_points(found.detectable)} points, and {_points(terms.margin)} takes about {found.needed}"
    match found.decision:
        case Decision.REGRESSED:
            return f"{change}: above {_points(terms.floor)}, p {tested.p:.2g} below {terms.alpha:g}"
        case Decision.PASS:
            upper = float(tested.estimate.upper(terms.confidence))
            return f"{change}: for sure less than {_points(terms.margin)}, at most {_points(upper)}"
        case Decision.INFORMS:
            return f"{change}: fewer than {terms.least_clusters} {found.counted}s do not judge; {sees}"
        case _:
            return f"{change}: not decided; {sees}"


def _points(rate: float | None) -> str:
    return "?" if rate is None else f"{100 * rate:+.2f}"


def _rates(pairs: tuple[Pair, ...], unit: str, seed: int) -> Mapping[str, object]:
    pooled = difference(pairs, unit=unit, seed=seed)
    assert pooled is not None
    return {
        "rate_before": pooled.before,
        "rate_after": pooled.after,
        "bootstrap_interval": [pooled.low, pooled.high],
        "utterances": len(pairs),
        "words": sum(pair.before.reference_length for pair in pairs),
    }


def _matched(base: Arm, candidate: Arm) -> Mapping[str, object] | None:
    """Give NIST's test, for the reader; None where the alignments were not kept."""
    alignments = [(before.edits, candidate.heard[utterance].edits) for utterance, before in base.heard.items()]
    kept = [(one, other) for one, other in alignments if one is not None and other is not None]
    return asdict(mapsswe(kept)) if len(kept) == len(alignments) else None

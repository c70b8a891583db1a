"""Performance: what scenarios came to: latency, throughput, the rate a server keeps, and what it all took."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from modellab.records.failure import Failure
from modellab.records.scenario import Call, Performance, Setting
from modellab.reporting.cost import Cost, cost_of
from modellab.scoring.line import Line, fit
from modellab.scoring.quantile import SAMPLES_FOR, Quantile, quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long callers waited, in seconds, from when a request was due to its answer.

    Attributes:
        calls: how many were made, of which `failed` have no answer and are in no figure below.
        quantiles: 0.5, 0.9, 0.95 and 0.99; None where too few calls support one.
        line: seconds against the audio's; None where there is no line.
        harness_share: of a call's seconds, what was not the worker's own by its own clock; the median.
        cpu_s: processor seconds per second of audio; None where it is not known.
    """

    calls: int
    failed: int
    quantiles: Mapping[float, Quantile | None]
    line: Line | None
    harness_share: float | None
    cpu_s: float | None

    def value(self, q: float) -> float | None:
        """Give a quantile in seconds."""
        found = self.quantiles[q]
        return found.value if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One setting and what came of it.

    Attributes:
        setting: as the performance has it.
        rtfx: seconds of audio answered in a second; None where nothing was.
        p50_s: the median latency.
        p95_s: the 95th percentile of latency; None where too few calls support it.
        peak_bytes: the most that all replicas held together; None where it is not known.
        fairness: Jain's index over the callers' answers a second: 1 where all had the same, 1/n where one had all.
        cost: of an hour of audio; its price is left out, which is that of whoever pays.
        failure: why it ended, or why the first of its calls failed.
    """

    setting: Setting
    rtfx: float | None
    p50_s: float | None
    p95_s: float | None
    peak_bytes: int | None
    fairness: float | None
    cost: Cost
    failure: Failure | None

    def price(self, per_hour: float) -> float | None:
        """Give what an hour of audio costs where an hour of the machine costs so much."""
        return per_hour / self.rtfx if self.rtfx else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a server kept.

    Attributes:
        bound_s: what the quantile of latency had to stay below.
        quantile: which.
        rate_per_s: the highest that was confirmed; None where none was.
        tried: each rate, what came of it, and whether the bound was kept.
    """

    bound_s: float
    quantile: float
    rate_per_s: float | None
    tried: tuple[tuple[float, Point, bool], ...]


def latency(performances: Iterable[Performance]) -> Latency | None:
    """Give the latency of all calls of single streams; None where there were none."""
    own = [performance for performance in performances if performance.scenario == "single-stream"]
    calls = [call for performance in own for call in performance.calls]
    if not calls:
        return None
    answered = [call for call in calls if call.failure is None]
    seconds = [call.latency_s for call in answered]
    shares = [call.harness_s / call.latency_s for call in answered if call.harness_s is not None and call.latency_s]
    return Latency(
        calls=len(calls),
        failed=len(calls) - len(answered),
        quantiles={q: quantile(seconds, q) for q in SAMPLES_FOR},
        line=fit([call.audio_duration_s for call in answered], seconds),
        harness_share=median(shares) if shares else None,
        cpu_s=cpu_per_audio(own),
    )


def cpu_per_audio(performances: Sequence[Performance]) -> float | None:
    """Give processor seconds per second of audio; None where any performance does not know its own."""
    audio_s = sum(call.audio_duration_s for performance in performances for call in performance.answered)
    known = [performance.cpu_s for performance in performances if performance.cpu_s is not None]
    return sum(known) / audio_s if audio_s and len(known) == len(performances) else None


def point(performance: Performance) -> Point:
    """Give what came of one setting."""
    seconds = [call.latency_s for call in performance.answered]
    peaks = [own.peak_bytes for own in performance.memory]
    failed = next((call.failure for call in performance.calls if call.failure), None)
    return Point(
        setting=performance.setting,
        rtfx=performance.rtfx,
        p50_s=_value(quantile(seconds, 0.5)),
        p95_s=_value(quantile(seconds, 0.95)),
        peak_bytes=sum(p for p in peaks if p is not None) if peaks and None not in peaks else None,
        fairness=_fairness(performance.answered),
        cost=cost_of(performance),
        failure=performance.failure or failed,
    )


def best(performances: Iterable[Performance]) -> Point | None:
    """Give the offline setting with the most audio a second of those in which nothing failed."""
    points = [point(performance) for performance in performances if performance.scenario == "offline"]
    whole = [each for each in points if each.failure is None and each.rtfx is not None]
    return max(whole, key=lambda each: each.rtfx or 0.0, default=None)


def served(performances: Iterable[Performance]) -> Served | None:
    """Give the highest rate that a confirming performance kept, under the last bound asked for; None without any."""
    own = [performance for performance in performances if performance.scenario == "server"]
    if not own:
        return None
    bound_s, q = (float(own[-1].setting[name]) for name in ("bound_s", "quantile"))
    alike = [p for p in own if (p.setting["bound_s"], p.setting["quantile"]) == (bound_s, q)]
    tried = tuple((float(p.setting["rate_per_s"]), point(p), p.kept) for p in alike)
    confirmed = [float(p.setting["rate_per_s"]) for p in alike if p.setting["confirming"] and p.kept]
    return Served(bound_s=bound_s, quantile=q, rate_per_s=max(confirmed, default=None), tried=tried)


def _fairness(calls: Sequence[Call]) -> float | None:
    """Source: Jain, Chiu and Hawe 1984."""
    if not calls:
        return None
    answers: dict[int, list[float]] = defaultdict(list)
    for call in calls:
        answers[call.caller].append(call.ended_s)
    rates = [len(own) / max(own) for own in answers.values() if max(own) > 0]
    return sum(rates) ** 2 / (len(rates) * sum(rate**2 for rate in rates)) if rates else None


def _value(found: Quantile | None) -> float | None:
    return found.value if found else None

"""Server: requests arrive by chance, and the highest rate is looked for at which hardly any waits too long."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from random import Random

import numpy as np

from modellab.errors import MeasurementRefused, kind_of
from modellab.records.failure import Failure
from modellab.records.scenario import Call, Performance, Setting
from modellab.scenarios.arrival import poisson
from modellab.scenarios.callers import ask
from modellab.scenarios.load import opened
from modellab.scenarios.performing import Ensemble, batches_of
from modellab.scoring.quantile import most_beyond
from modellab.speech.utterance import Corpus

LATE = 0.05  # of the bound: a schedule missed by more is not the one that was asked for
OVERLOAD, LEAST = 1.2, 0.1  # of what the replicas could do if nobody ever waited for them
AT_ONCE_S = 0.001  # requests that all come within this time come at once: no rate is higher


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a server must keep: a quantile of latency below a bound, shown by so many requests.

    Raises:
        MeasurementRefused: when the bound is not above zero, or so few requests could never show it.
    """

    bound_s: float = 2.0
    quantile: float = 0.95
    requests: int = 130

    def __post_init__(self) -> None:
        if not 0 < self.bound_s < float("inf"):
            raise MeasurementRefused(f"the bound of latency must be above 0 s, not {self.bound_s}")
        if most_beyond(self.requests, self.quantile) is None:
            raise MeasurementRefused(
                f"{self.requests} requests never show where 1 in {round(1 / (1 - self.quantile))} is: ask for more"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Replicas that serve utterances of a corpus, drawn by seed, to callers who know nothing of each other.

    Attributes:
        target: what has to be kept.
        tolerance: how far above the rate that is given another may lie that would do, a fraction.
        limit_s: the longest that a performance may last; slower rates are not tried.
        seed: of all draws.
    """

    ensemble: Ensemble
    corpus: Corpus
    target: Target
    tolerance: float = 0.1
    limit_s: float = 300.0
    seed: int = 0

    def at(self, rate_per_s: float, turn: int = 0, *, confirming: bool = False) -> Performance:
        """Give what happens at one rate; it ends early once the target cannot be kept any more.

        Raises:
            MeasurementRefused: when the rate is no number above zero.
        """
        target, seed = self.target, f"{self.seed}/{turn}"
        due_s = poisson(rate_per_s, target.requests, seed)
        drawn = Random(seed).choices(self.corpus.utterances, k=target.requests)  # noqa: S311
        batches = batches_of(drawn)
        allowed, slow = most_beyond(target.requests, target.quantile) or 0, list[Call]()

        def lost(call: Call) -> bool:
            if call.failure or call.latency_s > target.bound_s:
                slow.append(call)
            return len(slow) > allowed

        setting: Setting = {
            "rate_per_s": rate_per_s,
            "bound_s": target.bound_s,
            "quantile": target.quantile,
            "requests": target.requests,
            "confirming": confirming,
            "seed": seed,
        }
        found = self.ensemble.perform("server", setting, lambda desk: opened(desk, batches, due_s, enough=lost))
        return self._checked(found, rate_per_s)

    def search(self) -> Iterator[Performance]:
        """Give performances at one rate after the other, and of the highest that kept the target one more, confirming.

        Where that does not keep it, the next lower rate is confirmed, until one does or none is left to try.
        """
        first = ask(self.ensemble, self.corpus, 2 * len(self.corpus))
        yield first
        mean_s = float(np.mean([call.latency_s for call in first.answered])) if first.answered else 0.0
        if not mean_s:
            return
        able = self.ensemble.count / mean_s
        least = max(LEAST * able, self.target.requests / self.limit_s)
        turns, good, bad, broken = count(1), least, OVERLOAD * max(able, least), False
        while bad > (1 + self.tolerance) * good:
            rate = (good * bad) ** 0.5
            yield (found := self.at(rate, next(turns)))
            kept = found.kept
            good, bad, broken = (rate, bad, broken) if kept else (good, rate, True)
            if not broken and bad <= (1 + self.tolerance) * good and self.target.requests > AT_ONCE_S * good:
                bad *= 2  # nobody has seen it broken
        while good >= least:
            yield (found := self.at(good, next(turns), confirming=True))
            if found.kept:
                return
            good /= 1 + self.tolerance

    def _checked(self, found: Performance, rate_per_s: float) -> Performance:
        """Have a performance fail whose generator did not hold its schedule: its latencies are not the server's."""
        late_s = float(np.quantile([call.late_s for call in found.calls], 0.99)) if found.calls else 0.0
        if late_s <= LATE * self.target.bound_s:
            return found
        error = MeasurementRefused(
            f"this machine cannot send {rate_per_s:g} requests a second: 1 in 100 was {late_s:.3f} s late or more. "
            "Ask for a lower rate, or leave cores to the generator"
        )
        return replace(found, failure=Failure(stage="transcribe", kind=kind_of(error), message=str(error)))

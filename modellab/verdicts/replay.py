"""Replay: what a plan would have decided, tens of thousands of times, on blocks that were recorded once."""

from dataclasses import dataclass
from math import log1p

import numpy as np

from modellab.errors import MeasurementRefused
from modellab.verdicts.rate import Rate
from modellab.verdicts.sequential import Plan, weigh

RUNS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How many runs regressed and how many passed at each look of a plan; the others ended undecided."""

    plan: Plan
    runs: int
    regressed_at: tuple[int, ...]
    passed_at: tuple[int, ...]

    @property
    def regressed(self) -> Rate:
        """Runs that regressed: false alarms where nothing was slower, else power."""
        return Rate(hits=sum(self.regressed_at), of=self.runs)

    @property
    def passed(self) -> Rate:
        """Runs that passed."""
        return Rate(hits=sum(self.passed_at), of=self.runs)

    @property
    def inconclusive(self) -> Rate:
        """Runs that no look decided."""
        return Rate(hits=self.runs - sum(self.regressed_at) - sum(self.passed_at), of=self.runs)

    @property
    def mean_blocks(self) -> float:
        """Blocks that a run took."""
        decided = [a + b for a, b in zip(self.regressed_at, self.passed_at, strict=True)]
        blocks = sum(n * size for n, size in zip(decided, self.plan.looks, strict=True))
        return (blocks + self.inconclusive.hits * self.plan.looks[-1]) / self.runs


def replay(
    recorded: np.ndarray, plan: Plan | None = None, *, slower: float = 0.0, runs: int = RUNS, seed: int = 0
) -> Replayed:
    """Give what `runs` of a plan decide on blocks drawn from recorded ones, the candidate slowed by a share `slower`.

    `recorded` are logs of ratios of identical code, one a block. Each is drawn with its sign turned or not, as the
    arms could have been exchanged: so nothing is slower on average, whatever the scatter was.

    Raises:
        MeasurementRefused: when there are fewer recorded blocks than the first look takes, or one is not a number.
    """
    rules, blocks = plan or Plan(), np.asarray(recorded, dtype=np.float64)
    if blocks.ndim != 1 or len(blocks) < rules.looks[0] or not np.isfinite(blocks).all():
        raise MeasurementRefused(f"{rules.looks[0]} recorded blocks or more are wanted, all of them numbers")
    random = np.random.default_rng(seed)
    shape = (runs, rules.looks[-1])
    drawn = random.choice(blocks, shape) * random.choice((-1.0, 1.0), shape)
    return decide_all(drawn + log1p(slower), rules)


def decide_all(values: np.ndarray, plan: Plan) -> Replayed:
    """Give what a plan decides in each row of blocks, of shape (runs, blocks of the last look)."""
    open_rows, regressed_at, passed_at = values, [], []
    for look, size in enumerate(plan.looks):
        seen = weigh(open_rows[:, :size], plan, look)
        regressed_at.append(int(seen.regressed.sum()))
        passed_at.append(int(seen.passed.sum()))
        open_rows = open_rows[~(seen.regressed | seen.passed)]
    return Replayed(plan=plan, runs=len(values), regressed_at=tuple(regressed_at), passed_at=tuple(passed_at))

"""Tradeoff: what a model's errors are bought with: time, memory and money."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from modellab.records.scenario import Performance
from modellab.reporting.deployment import Deployment
from modellab.reporting.ledger import Place
from modellab.reporting.summary import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Tradeoff:
    """One model on one corpus. Lower is better in each figure; what was not measured is None.

    Attributes:
        metric: of the error rate; empty where nothing was heard.
        error_rate: as a fraction.
        rtf: seconds of work per second of audio, for one caller: the median of all rounds in the timing lane, or of
            all calls of single streams where there is none.
        peak_bytes: the most that the worker of a single caller held, or else a fresh process.
        core_hours: of an hour of audio, at the offline setting with the most audio a second.
        price: of an hour of audio at that setting; None without a price of the machine.
    """

    model: str
    corpus: str
    metric: str = ""
    error_rate: float | None = None
    rtf: float | None = None
    peak_bytes: int | None = None
    core_hours: float | None = None
    price: float | None = None


def tradeoff(row: Row, performances: Iterable[Performance], per_hour: float | None = None) -> Tradeoff:
    """Give the tradeoff of a row.

    Args:
        row: one model on one corpus.
        performances: of the same.
        per_hour: what an hour of the machine costs.
    """
    own = row.deployment or Deployment()
    held = own.footprint.peak_bytes if own.footprint else None
    return Tradeoff(
        model=row.model.id,
        corpus=row.corpus,
        metric=row.scores[0].metric.upper() if row.scores else "",
        error_rate=row.error_rate,
        rtf=row.rtf.median if row.rtf.median is not None else _rtf(performances),
        peak_bytes=row.start.peak_memory_bytes if held is None else held,
        core_hours=own.best.cost.core_hours if own.best else None,
        price=own.best.price(per_hour) if own.best and per_hour else None,
    )


def tradeoffs(
    rows: Iterable[Row], performances: Mapping[Place, Sequence[Performance]], per_hour: float | None = None
) -> Mapping[str, tuple[Tradeoff, ...]]:
    """Give the tradeoffs by corpus of those rows in which something was performed and heard."""
    found: dict[str, list[Tradeoff]] = defaultdict(list)
    for row in rows:
        if row.deployment and row.error_rate is not None:
            own = performances.get(Place(row.model.id, row.corpus), ())
            found[row.corpus].append(tradeoff(row, own, per_hour))
    return {corpus: tuple(alike) for corpus, alike in sorted(found.items())}


def _rtf(performances: Iterable[Performance]) -> float | None:
    calls = [call for each in performances if each.scenario == "single-stream" for call in each.answered]
    rtf = [call.seconds / call.audio_duration_s for call in calls if call.seconds is not None]
    return median(rtf) if rtf else None

"""Curve: how the error rate of a model changes with the strength of a condition that speech is heard under."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from modellab.reporting.summary import Report, Row
from modellab.scoring.interval import Interval
from modellab.speech.effect import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one model came to on one corpus, `clean` or under conditions; `rate` is None where nothing was said."""

    rate: float | None
    interval: Interval | None = None
    conditions: tuple[Condition, ...] = ()

    @property
    def label(self) -> str:
        """The conditions as they were written."""
        return " + ".join(map(str, self.conditions))

    @property
    def strength(self) -> float | None:
        """How strong its condition is; None where it has no strength, or there are several or none."""
        return self.conditions[0].strength if len(self.conditions) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One model on one corpus under one or more strengths of the same condition.

    Attributes:
        model: its id.
        corpus: the name of the clean corpus.
        metric: what the rates are, such as wer; several are joined by "/".
        clean: the same model on the clean corpus; None where this run has not heard it.
        points: by rising strength. A condition without a strength, or several at once, are a curve of one point.
    """

    model: str
    corpus: str
    metric: str
    clean: Point | None
    points: tuple[Point, ...]

    @property
    def kind(self) -> str:
        """The condition, or all of them as they were written where they have no common strength."""
        first = self.points[0]
        return first.label if first.strength is None else first.conditions[0].kind

    @property
    def unit(self) -> str:
        """The unit of the strengths; empty where there are none."""
        first = self.points[0]
        return "" if first.strength is None else first.conditions[0].unit

    def ratio(self, point: Point) -> float | None:
        """Give how many times the clean rate a point's is; None where either is unknown, or nothing was wrong."""
        clean = self.clean.rate if self.clean else None
        return point.rate / clean if clean and point.rate is not None else None


def curves(report: Report) -> tuple[Curve, ...]:
    """Give the curves of a report, in the order of its rows; one point where there is no strength to draw against."""
    clean = {(row.model.id, row.corpus): _point(report, row) for row in report.rows if row.scores}
    points: dict[tuple[str, str, str], list[tuple[Point, Row]]] = defaultdict(list)
    for row in report.rows:
        facts = report.run.corpora.get(row.corpus)
        if facts and facts.clean and row.scores:
            point = _point(report, row)
            kind = point.label if point.strength is None else f"{point.conditions[0].kind}:{point.conditions[0].unit}"
            points[row.model.id, facts.clean, kind].append((point, row))
    return tuple(
        Curve(
            model=model,
            corpus=corpus,
            metric=_metric([row for _, row in found]),
            clean=clean.get((model, corpus)),
            points=tuple(sorted((point for point, _ in found), key=lambda point: point.strength or 0.0)),
        )
        for (model, corpus, _), found in points.items()
    )


def pictures(found: Sequence[Curve]) -> dict[tuple[str, str], tuple[Curve, ...]]:
    """Give the curves of two points or more that share a picture, by clean corpus and condition."""
    shared: dict[tuple[str, str], tuple[Curve, ...]] = {}
    for curve in found:
        if sum(point.rate is not None for point in curve.points) > 1:
            place = (curve.corpus, curve.kind)
            shared[place] = (*shared.get(place, ()), curve)
    return shared


def _point(report: Report, row: Row) -> Point:
    facts = report.run.corpora.get(row.corpus)
    return Point(rate=row.error_rate, interval=row.interval, conditions=facts.conditions if facts else ())


def _metric(rows: Sequence[Row]) -> str:
    return "/".join(sorted({score.metric for row in rows for score in row.scores}))

"""Deployed: what deployment meets, as the page reads it. Durations are seconds, memory bytes, rates fractions."""

from collections.abc import Iterable, Iterator, Sequence
from math import isfinite

import numpy as np

from modellab.records.record import ColdStart
from modellab.records.scenario import Growth, Performance, Stream
from modellab.reporting.deployment import Deployment, Starts
from modellab.reporting.ledger import Place
from modellab.reporting.page.content import Object
from modellab.reporting.performance import Latency, Point, Served
from modellab.reporting.performed import Performed
from modellab.reporting.streaming import Streamed
from modellab.reporting.summary import Report, Row
from modellab.reporting.tradeoff import tradeoff
from modellab.scoring.growth import WARM_UP, Slope
from modellab.scoring.unit import units
from modellab.scoring.wer import metric_for

MOST_STEPS = 200
MOST_STREAMS = 20
MOST_TURNS = 400


def deployed(report: Report, performed: Performed, price: tuple[str, float] | None = None) -> Sequence[Object]:
    """Give one object for each model and corpus of which scenarios tell anything.

    Args:
        report: of the run.
        performed: the facts of scenarios of the same run.
        price: a currency, and what an hour of the machine costs in it; None where nobody knows.
    """
    return [_deployed(row, row.deployment, performed, price) for row in report.rows if row.deployment]


def _deployed(row: Row, own: Deployment, performed: Performed, price: tuple[str, float] | None) -> Object:
    place = Place(row.model.id, row.corpus)
    performances = performed.performances.get(place, ())
    bought = tradeoff(row, performances, price[1] if price else None)
    return {
        "model": place.model,
        "corpus": place.corpus,
        "rtf": bought.rtf,
        "peak_bytes": bought.peak_bytes,
        "core_hours": bought.core_hours,
        "price": bought.price,
        "currency": price[0] if price else "",
        "latency": _latency(own.latency, performances) if own.latency else None,
        "offline": [_point(point) for point in own.offline],
        "best": _point(own.best) if own.best else None,
        "served": _served(own.served) if own.served else None,
        "streamed": _streamed(own.streamed) if own.streamed else None,
        "streams": [_stream(stream) for stream in _shown(performed.streams.get(place, {}).values())],
        "growth": [_growth(growth) for growth in performed.growths.get(place.model, {}).values()],
        "starts": _starts(own.starts),
    }


def _latency(latency: Latency, performances: Iterable[Performance]) -> Object:
    alone = [each for each in performances if each.scenario == "single-stream"]
    line = latency.line
    return {
        "calls": latency.calls,
        "failed": latency.failed,
        "quantiles": {f"p{q * 100:.0f}": latency.value(q) for q in latency.quantiles},
        "fixed_s": line.fixed_s if line else None,
        "marginal_rtf": line.rtf if line else None,
        "steps": _steps([seconds for each in alone for seconds in each.latencies_s]),
    }


def _steps(seconds: Sequence[float]) -> Sequence[tuple[float, float]]:
    """Give at most 200 pairs of seconds and the share of calls that were answered by then, evenly many calls apart."""
    answered = np.sort([each for each in seconds if isfinite(each)])
    if not len(answered):
        return ()
    places = np.unique(np.linspace(0, len(answered) - 1, MOST_STEPS).round().astype(int))
    return [(_short(answered[place]), _short((place + 1) / len(seconds))) for place in places]


def _point(point: Point) -> Object:
    return {
        "setting": dict(point.setting),
        "rtfx": point.rtfx,
        "p50_s": point.p50_s,
        "p95_s": point.p95_s,
        "peak_bytes": point.peak_bytes,
        "core_hours": point.cost.core_hours,
        "failure": f"{point.failure.kind}: {point.failure.message}" if point.failure else None,
    }


def _served(served: Served) -> Object:
    return {
        "bound_s": served.bound_s,
        "quantile": served.quantile,
        "rate_per_s": served.rate_per_s,
        "tried": [
            {"rate_per_s": rate, "p50_s": point.p50_s, "p95_s": point.p95_s, "kept": kept}
            for rate, point, kept in sorted(served.tried, key=lambda tried: tried[0])
        ],
    }


def _streamed(streamed: Streamed) -> Object:
    return {
        "method": streamed.method,
        "step_s": streamed.step_s,
        "utterances": streamed.utterances,
        "failed": streamed.failed,
        "first_partial_s": streamed.first_partial_s,
        "final_s": streamed.final_s,
        "slowest_final_s": streamed.slowest_final_s,
        "stable_s": streamed.stable_s,
        "revisions_per_word": streamed.revisions_per_word,
        "cost": streamed.cost.change if streamed.cost else None,
    }


def _shown(streams: Iterable[Stream]) -> Sequence[Stream]:
    """Give those that took longest after their audio, and before them those that never came to an end."""
    return sorted(streams, key=lambda stream: -_late_s(stream))[:MOST_STREAMS]


def _late_s(stream: Stream) -> float:
    return stream.partials[-1].at_s - stream.audio_duration_s if stream.failure is None else float("inf")


def _stream(stream: Stream) -> Object:
    return {
        "utterance": stream.utterance,
        "duration_s": stream.audio_duration_s,
        "language": stream.language,
        "spaced": metric_for(stream.language) == "wer",
        "reference": stream.reference,
        "failure": f"{stream.failure.kind}: {stream.failure.message}" if stream.failure else None,
        "partials": list(_partials(stream)),
    }


def _partials(stream: Stream) -> Iterator[tuple[float, float, int, int, Sequence[str]]]:
    """Tell each partial by what it changed, since a text that grows would else be told over and over.

    Each is when it was there, how much it had heard, how many words are agreed on, how many of the words before it
    keeps, and those that follow.
    """
    before: tuple[str, ...] = ()
    for partial in stream.partials:
        words = units(partial.text, stream.language)
        kept = next((n for n, pair in enumerate(zip(before, words, strict=False)) if pair[0] != pair[1]), None)
        kept = min(len(before), len(words)) if kept is None else kept
        yield _short(partial.at_s), _short(partial.heard_s), partial.agreed, kept, words[kept:]
        before = words


def _growth(growth: Growth) -> Object:
    slope, turns = Slope.of(growth.resident_bytes), len(growth.resident_bytes)
    step = max(1, -(-turns // MOST_TURNS))
    return {
        "turn": growth.turn,
        "turns": turns,
        "held": [(turn + 1, growth.resident_bytes[turn]) for turn in range(0, turns, step)],
        "warm_up": int(turns * WARM_UP),
        "slope": {"low": slope.low_bytes, "middle": slope.bytes_per_turn, "high": slope.high_bytes} if slope else None,
        "level": slope.level if slope else None,
        "unloaded_bytes": growth.unloaded_bytes,
        "failure": f"{growth.failure.kind}: {growth.failure.message}" if growth.failure else None,
    }


def _starts(starts: Starts) -> Object:
    return {"cold_s": _total_s(starts.cold), "warm_s": _total_s(starts.warm)}


def _total_s(start: ColdStart | None) -> float | None:
    return start.total_s if start else None


def _short(value: float) -> float:
    """Cut a figure to what a picture shows."""
    return float(f"{value:.4g}")

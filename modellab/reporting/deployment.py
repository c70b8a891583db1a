"""Deployment: all that scenarios tell of one model on one corpus."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from modellab.records.record import ColdStart
from modellab.records.scenario import Footprint, Growth, Performance, Stream
from modellab.reporting.performance import Latency, Point, Served, best, latency, point, served
from modellab.reporting.streaming import Streamed, streamed
from modellab.scoring.growth import Slope
from modellab.scoring.score import Score

_CACHED = 0.5  # of the weights: with more in the page cache a start is warm


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """The last start with the weights in the page cache, and the last without; None where there was none."""

    warm: ColdStart | None = None
    cold: ColdStart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What deployment meets. Whatever was not performed is None, or empty.

    Attributes:
        latency: of a single caller.
        offline: each setting under which everything was asked for at once.
        best: the one of these with the most audio a second.
        served: the rate that a server keeps.
        concurrent: several callers, at one worker and at several.
        streamed: utterances heard as they were spoken.
        footprint: of the worker that a single caller asked.
        growth: of a worker's memory with each transcription.
        reloads: of a worker's memory each time that its model was loaded again.
        unloaded_bytes: what a process held when its model was closed.
        starts: of fresh processes.
    """

    latency: Latency | None = None
    offline: tuple[Point, ...] = ()
    best: Point | None = None
    served: Served | None = None
    concurrent: tuple[Point, ...] = ()
    streamed: Streamed | None = None
    footprint: Footprint | None = None
    growth: Slope | None = None
    reloads: Slope | None = None
    unloaded_bytes: int | None = None
    starts: Starts = Starts()


def deployment(
    performances: Sequence[Performance],
    streams: Iterable[Stream],
    growths: Mapping[str, Growth],
    starts: Iterable[ColdStart],
    offline: Mapping[str, Score],
) -> Deployment | None:
    """Give what the facts of one model on one corpus tell; None where there are none of any scenario.

    Args:
        performances: in their order.
        streams: the last of each utterance.
        growths: the last of each turn, by the turn.
        starts: cold starts of the model, in their order.
        offline: the errors in what the model wrote with all of an utterance at hand, by the utterance's id.
    """
    shown = streamed(streams, offline)
    if not (performances or shown or growths):
        return None
    alone = [each for each in performances if each.scenario == "single-stream"]
    steps, loads = growths.get("transcribe"), growths.get("reload")
    return Deployment(
        latency=latency(alone),
        offline=_points(performances, "offline"),
        best=best(performances),
        served=served(performances),
        concurrent=_points(performances, "concurrent"),
        streamed=shown[-1] if shown else None,
        footprint=next((each.memory[0] for each in reversed(alone) if each.memory), None),
        growth=Slope.of(steps.resident_bytes) if steps else None,
        reloads=Slope.of(loads.resident_bytes) if loads else None,
        unloaded_bytes=next((each.unloaded_bytes for each in (steps, loads) if each), None),
        starts=starts_of(starts),
    )


def starts_of(starts: Iterable[ColdStart]) -> Starts:
    """Tell starts with the weights in the page cache from those without; one of which nobody knows counts as with."""
    whole = [start for start in starts if start.failure is None]
    return Starts(
        warm=next((start for start in reversed(whole) if is_warm(start)), None),
        cold=next((start for start in reversed(whole) if not is_warm(start)), None),
    )


def is_warm(start: ColdStart) -> bool:
    """Whether most of the weights lay in the page cache before, or nobody looked."""
    return start.cached_share is None or start.cached_share >= _CACHED


def _points(performances: Iterable[Performance], scenario: str) -> tuple[Point, ...]:
    return tuple(point(each) for each in performances if each.scenario == scenario)

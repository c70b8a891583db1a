"""Front: which of several points no other one beats. Lower is better on both axes."""

from collections.abc import Sequence
from itertools import groupby
from typing import TypeAlias

Pair: TypeAlias = tuple[float | None, float | None]


def front(points: Sequence[Pair]) -> tuple[int, ...]:
    """Give the places of the points on the Pareto front, by rising x.

    A point is beaten by another that is as good on both axes and better on one. Of points that are equal none beats
    the other. A point with a None is on no front.
    """
    known = sorted(((x, y), place) for place, (x, y) in enumerate(points) if x is not None and y is not None)
    found: list[int] = []
    lowest = float("inf")
    for (_, y), alike in groupby(known, key=lambda entry: entry[0]):
        if y < lowest:
            found += [place for _, place in alike]
            lowest = y
    return tuple(found)

"""Ticket: a place in the line of those who want to use a model of a pool."""

from dataclasses import dataclass
from typing import Generic

from modellab.pool.recipe import HostedT, Recipe
from modellab.pool.size import Size
from modellab.pool.slot import Slot


@dataclass(slots=True, kw_only=True, eq=False)
class Ticket(Generic[HostedT]):
    """One wish for a model. Whoever changes it holds the lock of its pool.

    Attributes:
        key: the model's id.
        recipe: how it is made.
        size: the room that it needs, as known when it was asked for.
        asked_s: when that was, by the pool's clock.
        slot: where the model is; None unless it is lent on this ticket now.
        error: why it is not lent; None where nothing is known against it.
    """

    key: str
    recipe: Recipe[HostedT]
    size: Size
    asked_s: float
    slot: Slot[HostedT] | None = None
    error: Exception | None = None

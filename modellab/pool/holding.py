"""Holding: what a pool holds at one moment, for a page that shows it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from modellab.pool.capacity import Capacity
from modellab.pool.size import Size

State: TypeAlias = Literal["loading", "idle", "leased", "closing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One model.

    Attributes:
        key: its id.
        state: loading, idle, leased or closing.
        leases: how many use it.
        size: what it takes; while it loads, what is set aside for it.
        idle_s: seconds since it was last used; None where it is not idle.
    """

    key: str
    state: State
    leases: int
    size: Size
    idle_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """All models of a pool, least recently used first, how much it may hold, and how many leases wait."""

    models: tuple[Held, ...]
    capacity: Capacity
    waiting: int
    open: bool

    @property
    def size(self) -> Size:
        """What all models take together."""
        return sum((model.size for model in self.models), Size(ram_bytes=0))

"""Slot: the place of one model in a pool, from before it is loaded until it is closed."""

from dataclasses import dataclass
from typing import Generic, Literal

from modellab.pool.holding import Held, State
from modellab.pool.recipe import HostedT, Recipe
from modellab.pool.size import Size


@dataclass(slots=True, kw_only=True, eq=False)
class Slot(Generic[HostedT]):
    """A model that is held. Whoever changes it holds the lock of its pool.

    Attributes:
        key: the model's id.
        recipe: how it is made.
        size: what is set aside for it, and once it is loaded what it takes.
        used_s: when it was last loaded, lent or given back, by the pool's clock.
        stage: loading; settling, which is loaded and larger than was set aside; ready; or closing.
        hosted: the model; None before it is made.
        leases: how many use it.
    """

    key: str
    recipe: Recipe[HostedT]
    size: Size
    used_s: float
    stage: Literal["loading", "settling", "ready", "closing"] = "loading"
    hosted: HostedT | None = None
    leases: int = 0

    @property
    def coming(self) -> bool:
        """Whether it is on its way to be ready, with room set aside."""
        return self.stage in {"loading", "settling"}

    @property
    def idle(self) -> bool:
        """Whether it is ready and nobody uses it."""
        return self.stage == "ready" and not self.leases

    @property
    def fit(self) -> bool:
        """Whether it is ready, and its process runs."""
        return self.stage == "ready" and self.hosted is not None and self.hosted.alive

    def held(self, now_s: float) -> Held:
        """Give what there is to see of it."""
        state: State = "closing" if self.stage == "closing" else "leased" if self.leases else "idle"
        return Held(
            key=self.key,
            state="loading" if self.coming else state,
            leases=self.leases,
            size=self.size,
            idle_s=max(0.0, now_s - self.used_s) if self.idle else None,
        )

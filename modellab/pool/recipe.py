"""Recipe: how a pool comes by a model, and what it needs to know of it before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from modellab.machine.accelerator import Accelerator
from modellab.machine.memory import Memory
from modellab.pool.size import Size

KEEP_ALIVE_S = 300.0


class Hosted(Protocol):
    """A model in a process of its own, as a Worker is: it is loaded once, and gone once it is closed."""

    @property
    def alive(self) -> bool:
        """Whether its process runs."""

    @property
    def pid(self) -> int | None:
        """The process; None where there is none."""

    def load(self) -> None:
        """Start the process and load the model in it."""

    def close(self) -> None:
        """End the process, so that its memory is given back; from any thread, and harmless when called again."""

    def memory(self) -> Memory:
        """Give the memory of the process."""


HostedT = TypeVar("HostedT", bound=Hosted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(Generic[HostedT]):
    """How to make a model.

    Attributes:
        make: gives it, not loaded.
        estimate: its size, as long as nobody has measured it.
        keep_alive_s: how long it may be idle before a sweep closes it, in seconds.
        accelerator: the GPU that it runs on; None where it runs on none, or where nobody can ask it.
    """

    make: Callable[[], HostedT]
    estimate: Size
    keep_alive_s: float = KEEP_ALIVE_S
    accelerator: Accelerator | None = None

    def measured(self, hosted: HostedT) -> Size:
        """Give what a loaded model takes; what no sensor tells is as estimated."""
        resident_bytes = hosted.memory().resident_bytes
        pid = hosted.pid
        used_bytes = self.accelerator.used_bytes(pid) if self.accelerator and pid is not None else None
        return Size(
            ram_bytes=self.estimate.ram_bytes if resident_bytes is None else resident_bytes,
            vram_bytes=self.estimate.vram_bytes if used_bytes is None else used_bytes,
        )

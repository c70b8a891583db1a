"""Capacity: how many models may be held at once, and how much memory they may take together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from modellab.backends.device import Device
from modellab.machine.control_group import ROOT, ControlGroup
from modellab.pool.size import Size, mebibytes

MODELS = 3
SHARE = 0.8  # the rest is for this process, and for what a model takes beyond its load


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How much may be held.

    Attributes:
        models: how many at once.
        ram_bytes: of the machine's memory; None for no bound.
        vram_bytes: of a GPU's memory; None for no bound.
    """

    models: int = MODELS
    ram_bytes: int | None = None
    vram_bytes: int | None = None

    @classmethod
    def of_machine(
        cls, device: Device | None = None, *, models: int = MODELS, share: float = SHARE, root: Path = ROOT
    ) -> Self:
        """Give a share of what the machine has, or of what its control group may use where that is less.

        `device` is the GPU that models run on; without one, or where its memory is not known, that is not bounded.
        """
        group = ControlGroup.of(root=root)
        limits = (psutil.virtual_memory().total, group.limit_bytes if group else None)
        vram_bytes = device.memory_bytes if device and device.kind == "cuda" else None
        return cls(
            models=models,
            ram_bytes=int(share * min(limit for limit in limits if limit is not None)),
            vram_bytes=None if vram_bytes is None else int(share * vram_bytes),
        )

    def holds(self, sizes: Sequence[Size]) -> bool:
        """Say whether models of these sizes fit together."""
        whole = sum(sizes, Size(ram_bytes=0))
        return (
            len(sizes) <= self.models
            and (self.ram_bytes is None or whole.ram_bytes <= self.ram_bytes)
            and (self.vram_bytes is None or whole.vram_bytes <= self.vram_bytes)
        )

    def __str__(self) -> str:
        bounds = ((self.ram_bytes, ""), (self.vram_bytes, " of GPU memory"))
        told = [f"{mebibytes(most)}{where}" for most, where in bounds if most is not None]
        return " in ".join([f"{self.models} models", *([" and ".join(told)] if told else [])])

"""Size: the memory that a model takes, on the host and on a GPU."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a model takes of the machine's memory and of its GPU's, in bytes; 0 of a GPU that it does not use."""

    ram_bytes: int
    vram_bytes: int = 0

    def __add__(self, other: Self) -> Self:
        """Give what both take together."""
        return type(self)(ram_bytes=self.ram_bytes + other.ram_bytes, vram_bytes=self.vram_bytes + other.vram_bytes)

    def __str__(self) -> str:
        gpu = f" and {mebibytes(self.vram_bytes)} of GPU memory" if self.vram_bytes else ""
        return f"{mebibytes(self.ram_bytes)}{gpu}"


def mebibytes(count: int) -> str:
    """Give a number of bytes as a person reads it."""
    return f"{count / (1 << 20):,.0f} MiB"

"""Whether loading and unloading leave memory behind: 200 cycles through a pool, beside a control that must grow.

Two models take turns in a pool that holds one, so that every lease loads a worker and ends the one before. After each
use the memory of this process and of all that it started is read. The fake keeps 1 MB a use for as long as its process
lives: in workers nothing of that may stay. The control is the same fake, hosted in this process: it must be seen to
grow, or this measures nothing. Where weights of the model are in the cache, faster-whisper in int8 takes some cycles
too. Growth is from the sixth cycle to the last; caches fill before.

    python benchmarks/pool.py [--cycles N] [--model NAME] [--real-cycles N]
"""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from modellab.backends.base import Backend
from modellab.backends.faster_whisper import FasterWhisper
from modellab.checkpoints.layouts import disk_bytes, is_present, prepare
from modellab.checkpoints.registry import Registry
from modellab.machine.clock import timed
from modellab.machine.memory import Memory, memory
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.worker import Worker
from modellab.pool.capacity import Capacity
from modellab.pool.pool import Pool
from modellab.pool.recipe import Recipe
from modellab.pool.size import Size
from modellab.sources.cache import cache_root
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.testing import FakeBackend

FIXTURES = Path(__file__).parents[1] / "fixtures"
CYCLES = 200
REAL_CYCLES = 10
WARM_UP = 5
PLANTED_BYTES = 1_000_000
GOAL_BYTES = 50_000_000
AUDIO = Audio(samples=np.zeros(3 * SAMPLE_RATE_HZ, np.float32))


@dataclass(kw_only=True)
class Here:
    """The control: a backend in this process, of which closing gives back what Python can."""

    backend: Backend
    alive: bool = False
    pid: int = field(default_factory=os.getpid)

    def load(self) -> None:
        """Load it."""
        self.backend.load()
        self.alive = True

    def close(self) -> None:
        """Close it."""
        self.backend.close()
        self.alive = False

    def memory(self) -> Memory:
        """Give the memory of this process."""
        return memory()

    def transcribe(self, audios: list[Audio]) -> Any:
        """Listen."""
        return self.backend.transcribe(audios, "en")


@dataclass(frozen=True, kw_only=True)
class Held:
    """What is resident at one moment, in bytes: in this process, and in all that it started."""

    own_bytes: int
    others_bytes: int

    @classmethod
    def now(cls) -> "Held":
        """Look."""
        process = psutil.Process()
        others = process.children(recursive=True)
        return cls(own_bytes=process.memory_info().rss, others_bytes=sum(other.memory_info().rss for other in others))


def cycle(recipe: Recipe[Any], cycles: int) -> Iterator[Held]:
    """Load, use and unload so often; give what is held after each use, and at last once the pool is drained."""
    with Pool(lambda _: recipe, Capacity(models=1)) as pool:
        for number in range(cycles):
            with pool.lease(f"model {number % 2}", timeout_s=600) as hosted:
                hosted.transcribe([AUDIO])
                yield Held.now()
    yield Held.now()


def measure(who: str, recipe: Recipe[Any], cycles: int) -> int:
    """Print one row; give by how many bytes all processes together have grown."""
    held, seconds = timed(lambda: list(cycle(recipe, cycles)))
    first, last, drained = held[min(WARM_UP, cycles - 1)], held[-2], held[-1]
    own_bytes, others_bytes = last.own_bytes - first.own_bytes, last.others_bytes - first.others_bytes
    figures = (own_bytes, others_bytes, own_bytes + others_bytes, last.others_bytes, drained.others_bytes)
    row = "".join(f"{figure / 1e6:>12.1f}" for figure in figures)
    sys.stdout.write(f"{who:<34}{cycles:>7}{row}{seconds / cycles:>10.2f}\n")
    sys.stdout.flush()
    return own_bytes + others_bytes


COLUMNS = ("own +MB", "others +MB", "all +MB", "others MB", "drained MB")
HEADER = f"{'':<34}{'cycles':>7}{''.join(f'{column:>12}' for column in COLUMNS)}{'s/cycle':>10}"


def of_fake(leaks_bytes: int) -> Recipe[Worker]:
    """Give the recipe of a worker of the fake."""
    blueprint = Blueprint.of("fake", FakeBackend(leaks_bytes=leaks_bytes))
    return Recipe(make=lambda: Worker(blueprint=blueprint), estimate=Size(ram_bytes=1 << 27))


def of_control(leaks_bytes: int) -> Recipe[Here]:
    """Give the recipe of the fake in this process."""
    return Recipe(make=lambda: Here(backend=FakeBackend(leaks_bytes=leaks_bytes)), estimate=Size(ram_bytes=1 << 27))


def of_model(name: str) -> Recipe[Worker] | None:
    """Give the recipe of a worker of faster-whisper in int8; None where its weights are not in the cache."""
    cache = cache_root(Path(os.environ["MODELLAB_CACHE_DIR"]) if "MODELLAB_CACHE_DIR" in os.environ else None)
    checkpoint = Registry.read(FIXTURES / "models.toml").get(name)
    if not is_present(checkpoint, FasterWhisper.layout, cache):
        return None
    weights = prepare(checkpoint, FasterWhisper.layout, cache)
    blueprint = Blueprint.of("faster-whisper", FasterWhisper(weights=weights, compute_type="int8", threads=1))
    estimate = Size(ram_bytes=disk_bytes(checkpoint, cache))
    return Recipe(make=lambda: Worker(blueprint=blueprint), estimate=estimate)


def main() -> int:
    """Measure and print; give 0 where nothing grows by 50 MB but the control, and that does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=CYCLES)
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--real-cycles", type=int, default=REAL_CYCLES)
    options = parser.parse_args()
    sys.stdout.write(f"{HEADER}\n")
    grown = [measure("fake, 1 MB a use, in workers", of_fake(PLANTED_BYTES), options.cycles)]
    if recipe := of_model(options.model):
        grown.append(measure(f"{options.model}, int8, in workers", recipe, options.real_cycles))
    else:
        sys.stdout.write(f"{options.model:<34} is not in the cache: left out\n")
    control = measure("fake, 1 MB a use, in this process", of_control(PLANTED_BYTES), options.cycles)
    good = max(grown) < GOAL_BYTES < control
    sys.stdout.write(
        f"growth: {max(grown) / 1e6:.1f} MB at most in workers, {control / 1e6:.1f} MB in the control "
        f"(goal: less than {GOAL_BYTES / 1e6:g} MB, and the control more): {'met' if good else 'MISSED'}\n"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

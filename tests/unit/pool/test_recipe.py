"""The measured size of a loaded model: what sensors tell, and the estimate where they do not."""

from types import SimpleNamespace

import pytest

from modellab.machine.memory import Memory
from modellab.pool.recipe import Recipe
from modellab.pool.size import Size


@pytest.mark.parametrize(
    ("resident_bytes", "used_bytes", "pid", "expected"),
    [
        (10, 20, 7, Size(ram_bytes=10, vram_bytes=20)),
        (None, 20, 7, Size(ram_bytes=1, vram_bytes=20)),
        (10, None, 7, Size(ram_bytes=10, vram_bytes=2)),
        (10, 20, None, Size(ram_bytes=10, vram_bytes=2)),
        (10, 0, 7, Size(ram_bytes=10, vram_bytes=0)),
    ],
)
def test_what_is_not_told_is_as_estimated(resident_bytes, used_bytes, pid, expected) -> None:
    """Memory of the process and of the GPU are each measured where a sensor tells."""
    accelerator = SimpleNamespace(used_bytes={7: used_bytes}.get)
    hosted = SimpleNamespace(pid=pid, memory=lambda: Memory(resident_bytes=resident_bytes, peak_bytes=None))
    recipe = Recipe(make=lambda: hosted, estimate=Size(ram_bytes=1, vram_bytes=2), accelerator=accelerator)
    assert recipe.measured(hosted) == expected


def test_without_a_gpu_nobody_asks_one() -> None:
    """A model that runs on no GPU takes what was estimated of one."""
    hosted = SimpleNamespace(pid=7, memory=lambda: Memory(resident_bytes=10, peak_bytes=None))
    assert Recipe(make=lambda: hosted, estimate=Size(ram_bytes=1)).measured(hosted) == Size(ram_bytes=10)

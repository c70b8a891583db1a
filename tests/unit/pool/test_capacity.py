"""How much a pool may hold: bounds that are kept each for itself, and what a machine gives."""

from pathlib import Path

import psutil
import pytest

from modellab.backends.device import Device
from modellab.pool.capacity import Capacity
from modellab.pool.size import Size


@pytest.mark.parametrize(
    ("sizes", "fits"),
    [
        ([], True),
        ([Size(ram_bytes=10, vram_bytes=4)], True),
        ([Size(ram_bytes=11)], False),
        ([Size(ram_bytes=1, vram_bytes=5)], False),
        ([Size(ram_bytes=5), Size(ram_bytes=5)], True),
        ([Size(ram_bytes=5), Size(ram_bytes=6)], False),
        ([Size(ram_bytes=1)] * 3, False),
    ],
)
def test_every_bound_is_kept(sizes: list[Size], fits: bool) -> None:
    """Models, memory and memory of the GPU each have a bound that may be reached and not passed."""
    assert Capacity(models=2, ram_bytes=10, vram_bytes=4).holds(sizes) is fits


def test_no_bound_bounds_nothing() -> None:
    """Without bounds of memory the number of models is all that counts, three by default."""
    huge = Size(ram_bytes=1 << 60, vram_bytes=1 << 60)
    assert Capacity().holds([huge] * 3)
    assert not Capacity().holds([huge] * 4)


def test_a_machine_gives_a_share(tmp_path: Path) -> None:
    """Where no control group is seen, it is a share of the machine's memory; a cpu has no memory of a GPU."""
    found = Capacity.of_machine(Device(name="cpu", kind="cpu", memory_bytes=1), share=0.5, root=tmp_path)
    assert found == Capacity(models=3, ram_bytes=int(0.5 * psutil.virtual_memory().total), vram_bytes=None)


def test_a_control_group_gives_less(tmp_path: Path) -> None:
    """A limit below the machine's memory counts instead, and a share of the GPU's memory with it."""
    for file, words in {
        "proc/self/cgroup": "0::/app\n",
        "proc/self/mountinfo": "30 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "sys/fs/cgroup/app/memory.max": "1000\n",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(words)
    gpu = Device(name="cuda", kind="cuda", memory_bytes=500)
    assert Capacity.of_machine(gpu, models=2, share=0.8, root=tmp_path) == Capacity(
        models=2, ram_bytes=800, vram_bytes=400
    )


def test_a_capacity_reads_well() -> None:
    """Bounds are told as a person reads them."""
    assert (
        str(Capacity(models=2, ram_bytes=3 << 20, vram_bytes=5 << 30))
        == "2 models in 3 MiB and 5,120 MiB of GPU memory"
    )
    assert str(Capacity()) == "3 models"
    assert str(Size(ram_bytes=2 << 20, vram_bytes=1 << 20)) == "2 MiB and 1 MiB of GPU memory"

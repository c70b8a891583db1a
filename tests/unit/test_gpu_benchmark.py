"""The benchmark of a GPU, as far as it can be told without one."""

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from modellab.speech.audio import SAMPLE_RATE_HZ, Audio

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A program of `benchmarks/` as a module; dataclasses look their module up by name."""

    def program(name: str) -> ModuleType:
        spec = spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
        module = module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return program


@pytest.fixture
def gpu(program: Callable[[str], ModuleType]) -> ModuleType:
    """What measures on a GPU."""
    pytest.importorskip("safetensors")
    return program("gpu")


@pytest.fixture
def room_for(gpu: ModuleType) -> Callable[[int], Callable[[int], object]]:
    """What hears batches up to a size and has no memory for larger ones; it keeps what it was asked for."""

    def room_for(largest: int) -> Callable[[int], object]:
        def heard(size: int) -> object:
            heard.asked.append(size)
            if size > largest:
                raise gpu.DoesNotFit
            return gpu.Throughput(batch_size=size, audio_s=10.0, seconds=(1.0, 2.0, 4.0))

        heard.asked = []
        return heard

    return room_for


@pytest.mark.parametrize("largest", [0, 1, 2, 5, 31, 32, 33, 63])
def test_the_largest_batch_that_fits_is_found(gpu: ModuleType, room_for: Callable, largest: int) -> None:
    """Where a batch does not fit, the largest that does is measured, and the one above it is known not to fit."""
    points = {point.batch_size: point for point in gpu.sweep([64, 1, 8, 32], room_for(largest))}
    assert {1, 8, 32, 64} <= points.keys(), "a size that was asked for is not reported"
    fitting = [size for size, point in points.items() if point.seconds]
    assert max(fitting, default=0) == largest
    assert points[largest + 1].rtfx is None
    assert all(point.seconds for size, point in points.items() if size <= largest)


def test_nothing_larger_is_tried_once_memory_ran_out(gpu: ModuleType, room_for: Callable) -> None:
    """A batch larger than one that did not fit is reported and not tried."""
    heard = room_for(4)
    points = gpu.sweep([4, 8, 16, 32], heard)
    assert not {16, 32} & set(heard.asked)
    assert [point.batch_size for point in points if point.seconds is not None and not point.seconds] == [
        5,
        6,
        8,
        16,
        32,
    ]


def test_all_sizes_that_fit_are_heard_once(gpu: ModuleType, room_for: Callable) -> None:
    """With memory enough, each size is heard once; the rate is by the median round."""
    heard = room_for(64)
    points = gpu.sweep([1, 8, 64, 8], heard)
    assert heard.asked == [1, 8, 64]
    assert {point.rtfx for point in points} == {5.0}


def test_batches_are_full(gpu: ModuleType) -> None:
    """Few audios are repeated until there are two full batches, the longest first, each as often as the others."""
    audios = [Audio(samples=np.zeros(length * SAMPLE_RATE_HZ, np.float32)) for length in (3, 2, 1)]
    batches = list(gpu.batched(audios, 4))
    durations = [audio.duration_s for batch in batches for audio in batch]
    assert [len(batch) for batch in batches] == [4, 4, 1]
    assert durations == [3, 3, 3, 2, 2, 2, 1, 1, 1]
    assert [len(batch) for batch in gpu.batched(audios, 1)] == [1, 1, 1]


def test_small_batches_are_not_too_many(gpu: ModuleType) -> None:
    """Of many audios every so manieth is heard, the long and the short alike."""
    audios = [Audio(samples=np.zeros(length, np.float32)) for length in range(95, 0, -1)]
    heard = {size: [a.samples.size for batch in gpu.batched(audios, size) for a in batch] for size in (1, 2, 4)}
    assert {size: len(lengths) for size, lengths in heard.items()} == {1: 24, 2: 48, 4: 95}
    assert heard[1][:3] == [95, 91, 87]
    assert heard[1][-1] == 3


def test_what_a_sensor_does_not_tell_is_absent(gpu: ModuleType) -> None:
    """Numbers are numbers, words are words, and what cannot be read is None, never zero."""
    read = gpu.readings("GPU of ours, 580.1, 81559, [N/A], 345, 1980, [Not Supported], 0.00, N/A, 31, Enabled\n")
    assert read["name"] == "GPU of ours"
    assert (read["memory.total"], read["clocks.sm"], read["power.draw"]) == (81559.0, 345.0, 0.0)
    assert [read[name] for name in ("memory.used", "clocks.mem", "power.limit")] == [None, None, None]
    assert read["persistence_mode"] == "Enabled"
    assert set(gpu.readings("").values()) == {None}


def test_shares_add_up(gpu: ModuleType) -> None:
    """What no part took is the rest."""
    part = gpu.Shares(
        batch_size=1, whole_s=4.0, parts_s={"features": 1.0, "encoder": 0.5, "decoder": 2.0}, decoder_steps=9
    )
    assert [part.share(name) for name in (*gpu.PARTS, "rest")] == [0.25, 0.125, 0.5, 0.125]


def test_tables_say_what_did_not_fit(gpu: ModuleType, room_for: Callable) -> None:
    """A batch that did not fit stands in the table, and a size that only one precision tried is a dash for others."""
    one = gpu.Measured(precision="float32", error_rates={"all": 0.1}, throughput=gpu.sweep([2, 4], room_for(2)))
    two = gpu.Measured(precision="float16", error_rates={"all": None}, throughput=gpu.sweep([2, 4], room_for(4)))
    lines = list(gpu.tables([one, two]))
    assert "| 4 | does not fit | 5 (2 to 10) | - | - |" in lines
    assert "| 3 | does not fit | - | - | - |" in lines
    assert "| float16 | - | 0 |" in lines


def test_without_a_package_or_a_gpu_the_remedy_is_named(gpu: ModuleType, tmp_path: Path) -> None:
    """Where nothing can be measured, what to do is said."""
    assert "make gpu-package" in gpu.missing(tmp_path / "none", "cuda")
    assert "make bench-gpu" in gpu.missing(tmp_path, "cuda:99")


@pytest.fixture
def packing(program: Callable[[str], ModuleType]) -> ModuleType:
    """What packs for such a machine."""
    pytest.importorskip("safetensors")
    return program("gpu_package")


def test_wheels_are_those_that_are_lacking(packing: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is present is left out with what only that needs; what others need too stays."""
    needs = {"modellab": ["numpy", "hub", "soundfile"], "hub": ["httpx"], "soundfile": ["cffi", "numpy"], "cffi": []}
    monkeypatch.setattr(packing, "requirements", lambda name: iter(needs[name]))
    assert packing.needed({"numpy", "hub"}) == ["cffi", "soundfile"]

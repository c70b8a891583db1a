"""Memory: the most that a process ever held, and no other."""

import mmap
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from modellab.machine import memory as module
from modellab.machine.memory import Memory, memory, peak_memory_bytes, trim

MEBIBYTE = 1 << 20


def peak_of_child(work: str) -> int:
    """Give the peak that a child reports after some work."""
    script = f"from modellab.machine.memory import peak_memory_bytes\n{work}\nprint(peak_memory_bytes())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout)


def test_what_was_given_back_still_counts() -> None:
    """A child that once held 200 MiB, and let go of it, reports at least that and not many times as much."""
    idle = peak_of_child("pass")
    peak = peak_of_child("block = bytearray(200 << 20)\nfor at in range(0, len(block), 4096): block[at] = 1\ndel block")
    assert 200 * MEBIBYTE <= peak < idle + 250 * MEBIBYTE


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak comes from getrusage")
def test_the_parents_peak_does_not_count() -> None:
    """A small child of a process that held 400 MiB reports its own few."""
    block = np.ones(400 * MEBIBYTE, np.uint8)
    assert peak_memory_bytes() >= 400 * MEBIBYTE
    child = peak_of_child("pass")
    assert block[0] == 1
    assert child < 200 * MEBIBYTE


def test_what_is_held_now_is_no_more_than_the_peak() -> None:
    """What is resident grows with what is held, by about as much, and is never more than the peak.

    Pages come straight from the system: an allocator may hand out some that were resident already.
    """
    before = memory()
    with mmap.mmap(-1, 64 * MEBIBYTE) as block:
        for at in range(0, len(block), mmap.PAGESIZE):
            block[at] = 1
        now = memory()
    assert before.resident_bytes <= before.peak_bytes
    assert 56 * MEBIBYTE < now.resident_bytes - before.resident_bytes < 96 * MEBIBYTE
    assert now.resident_bytes <= now.peak_bytes


def absent(path: Path) -> None:
    """Leave nothing there."""


def locked(path: Path) -> None:
    """Put something that cannot be read as a file."""
    path.mkdir()


def short(path: Path) -> None:
    """Put a status without sizes, as some kernels have it."""
    path.write_text("Name:\tpython\nVmRSS:\t many kB\nThreads:\t1\n")


@pytest.mark.parametrize("spoil", [absent, locked, short])
def test_another_sensor_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    """Where the kernel's status is not there, cannot be read or has no sizes, the sizes come from elsewhere."""
    spoil(tmp_path / "status")
    monkeypatch.setattr(module, "_STATUS", tmp_path / "status")
    found = memory()
    assert found.resident_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    assert found.peak_bytes is not None
    assert found.peak_bytes >= found.resident_bytes * 0.8


def test_a_machine_without_sensors_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no sensor tells, or tells nothing but zero, a size is None and never zero."""
    monkeypatch.setattr(module, "_STATUS", tmp_path / "status")

    def denied() -> psutil.Process:
        raise psutil.AccessDenied

    class Idle:
        ru_maxrss = 0

    monkeypatch.setattr(module.psutil, "Process", denied)
    monkeypatch.setattr(module.resource, "getrusage", lambda _: Idle)
    assert memory() == Memory(resident_bytes=None, peak_bytes=None)
    assert peak_memory_bytes() is None


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked")
def test_trimming_hands_back_what_was_freed_below_what_is_held() -> None:
    """Of 200 MiB in small pieces, freed all but the last, nearly all is the system's again."""
    script = """
from modellab.machine.memory import memory, trim
before = memory().resident_bytes
pieces = [bytearray(1024) for _ in range(200 << 10)]
del pieces[:-1]
kept = memory().resident_bytes - before
trim()
print(kept, memory().resident_bytes - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    kept, trimmed = map(int, done.stdout.split())
    assert trimmed < 50 * MEBIBYTE < kept


def test_where_nobody_can_be_asked_to_trim_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A C library without `malloc_trim` is left alone."""
    monkeypatch.setattr(module.ctypes, "CDLL", lambda _: object())
    trim()

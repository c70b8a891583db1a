"""Memory: the most that a process ever held, and no other."""

import subprocess
import sys

import numpy as np
import pytest

from modellab.measuring.memory import memory, peak_memory_bytes

MEBIBYTE = 1 << 20


def peak_of_child(work: str) -> int:
    """Give the peak that a child reports after some work."""
    script = f"from modellab.measuring.memory import peak_memory_bytes\n{work}\nprint(peak_memory_bytes())"
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
    """What is resident grows with what is held, by about as much, and is never more than the peak."""
    before = memory()
    block = np.ones(64 * MEBIBYTE, np.uint8)
    now = memory()
    assert block[0] == 1
    assert before.resident_bytes <= before.peak_bytes
    assert 56 * MEBIBYTE < now.resident_bytes - before.resident_bytes < 96 * MEBIBYTE
    assert now.resident_bytes <= now.peak_bytes

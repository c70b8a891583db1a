"""Whether a server leaves memory behind: thousands of requests, and hundreds of models that make room for each other.

A stub model answers 5,000 requests, and then two of them take turns in a pool that holds one, 200 times. The memory of
the server and of all its children is read along the way; growth is from the tenth part of the way to its end, medians
of what was read there. The control is the same with a stub that keeps 20 kB of every request: it must be seen to grow,
or this measures nothing.

    python benchmarks/service_memory.py [--requests N] [--swaps N]
"""

import argparse
import io
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from service import Caller

from modellab.server.process import ServerProcess
from modellab.speech.audio import SAMPLE_RATE_HZ

GOAL_BYTES = 50_000_000
LEAK_BYTES = 20_000
READINGS = 200
CHECKPOINT = """
[checkpoints.%s]
architecture = "whisper"
layout = "ctranslate2"
languages = ["en"]
license = "MIT"
upstream = "nobody/stub"
revision = "1"
files = { "model.bin" = { sha256 = "%064d" } }
sources = [{ kind = "folder", path = "nowhere" }]
"""
BENCH = """
schema = 1
model = ["one", "other"]
backend = ["fake"]
device = ["cpu"]
corpus = ["silence"]
timed_corpus = ["silence"]
[compute_type]
default = ["float32"]
[decode]
beam_size = 1
[options.fake]
leaks_bytes = %d
"""
CORPORA = """
schema = 1
[corpus.silence]
reader = "synthesis"
description = "nobody speaks"
license = "Apache-2.0"
sounds = [{ id = "zeros", sound = "silence", duration_s = 1 }]
"""


def write_fixtures(folder: Path, leaks_bytes: int) -> Path:
    """Write a bench of two stubs that keep so much of every request; give its folder."""
    folder.mkdir(parents=True)
    stubs = "".join(CHECKPOINT % (name, number) for number, name in enumerate(("one", "other")))
    texts = {"models": f"schema = 1\n{stubs}", "bench": BENCH % leaks_bytes, "corpora": CORPORA}
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


def speech() -> bytes:
    """Give three seconds of noise, as a file."""
    written = io.BytesIO()
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, 3 * SAMPLE_RATE_HZ)
    soundfile.write(written, samples, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return written.getvalue()


def growth(server: ServerProcess, turns: int, work: Callable[[int], object]) -> int:
    """Give by how much the memory grows over so many turns, in bytes."""
    readings = []
    every = max(1, turns // READINGS)
    for turn in range(turns):
        work(turn)
        if turn % every == 0:
            readings.append(server.resident_bytes())
    tenth = max(1, len(readings) // 10)
    return round(statistics.median(readings[-tenth:]) - statistics.median(readings[tenth : 2 * tenth]))


def measure(name: str, requests: int, swaps: int, leaks_bytes: int) -> tuple[int, int]:
    """Print and give the growth over the requests, and over the swaps, in bytes."""
    audio = speech()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "FIXTURES": str(write_fixtures(Path(folder) / "fixtures", leaks_bytes)),
            "POOL__MODELS": "1",
            "POOL__REPLICAS": "1",
            "RATE__PER_MINUTE": "1000000",
        }
        with ServerProcess(folder=Path(folder) / "server", settings=settings) as server:
            callers = [Caller(server.url, f"fake:{model}:cpu:float32") for model in ("one", "other")]
            asked = growth(server, requests, lambda _: callers[0].transcribe(audio))
            swapped = growth(server, swaps, lambda turn: callers[turn % 2].transcribe(audio)) if swaps else 0
    sys.stdout.write(
        f"{name}: {asked / 1e6:+.1f} MB over {requests} requests, {swapped / 1e6:+.1f} MB over {swaps} swaps\n"
    )
    return asked, swapped


def main() -> int:
    """Measure and print; give 0 where the goal is met and the control is caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--swaps", type=int, default=200)
    options = parser.parse_args()
    grown = max(measure("service", options.requests, options.swaps, 0))
    caught, _ = measure("leaking control", options.requests, 0, LEAK_BYTES)
    sys.stdout.write(f"growth: {grown / 1e6:+.1f} MB (goal: below {GOAL_BYTES / 1e6:.0f} MB)\n")
    sys.stdout.write(f"the control {'was' if caught > GOAL_BYTES else 'was NOT'} caught\n")
    return 0 if grown < GOAL_BYTES < caught else 1


if __name__ == "__main__":
    sys.exit(main())

"""Whether the generator of the server scenario holds its schedule, beside a plain loop that sleeps until each is due.

Requests arrive by chance at 200 a second, at a worker process whose fake backend answers at once. Prints by how much
requests were sent late, by ours and by the plain loop, taking turns in one run, and the share of each latency that was
not the worker's.

    python benchmarks/schedule.py [--rate N] [--requests N] [--rounds N]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from modellab.machine.clock import MONOTONIC
from modellab.measuring.blueprint import Blueprint
from modellab.scenarios.arrival import poisson
from modellab.scenarios.load import opened
from modellab.scenarios.performing import Ensemble, Piece, batches_of, example_of
from modellab.speech.audio import SAMPLE_RATE_HZ
from modellab.speech.utterance import Corpus, Utterance
from modellab.testing import FakeBackend

GOAL_S = 0.002


def corpus_of(folder: Path) -> Corpus:
    """Give one second of quiet noise."""
    audio = folder / "noise.wav"
    noise = np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE_HZ).astype(np.float32)
    soundfile.write(audio, noise, SAMPLE_RATE_HZ)
    utterance = Utterance(id="noise", audio=audio, duration_s=1.0, reference="", language="en")
    return Corpus(name="noise", utterances=(utterance,), revision="1")


def plain_late_s(due_s: tuple[float, ...]) -> list[float]:
    """Give by how much a loop is late that sleeps until each request is due."""
    started, late = MONOTONIC(), []
    for due in due_s:
        time.sleep(max(0.0, due - (MONOTONIC() - started)))
        late.append(MONOTONIC() - started - due)
    return late


def main() -> int:
    """Measure and print; give 0 where the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second (200)")
    parser.add_argument("--requests", type=int, default=2000, help="a round (2000)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ours: list[float] = []
    plain: list[float] = []
    harness: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        corpus = corpus_of(Path(folder))
        batches = batches_of(corpus.utterances) * options.requests
        ensemble = Ensemble(
            piece=Piece(model="fake", corpus="noise", session=1),
            blueprint=Blueprint.of("fake", FakeBackend()),
            count=1,
            example=example_of(corpus),
        )
        with ensemble:
            for number in range(options.rounds):
                due_s = poisson(options.rate, options.requests, str(number))
                found = ensemble.perform("server", {}, lambda desk, due_s=due_s: opened(desk, batches, due_s))
                ours += [call.late_s for call in found.calls]
                harness += [call.harness_s for call in found.calls if call.harness_s is not None]
                plain += plain_late_s(due_s)
    for name, late in (("ours", ours), ("plain loop", plain)):
        middle, p99 = np.quantile(late, [0.5, 0.99])
        sys.stdout.write(
            f"{name}: {len(late)} requests, late by {middle * 1e3:.3f} ms (p50), {p99 * 1e3:.3f} ms (p99)\n"
        )
    p99 = float(np.quantile(ours, 0.99))
    ratio = p99 / float(np.quantile(plain, 0.99))
    sys.stdout.write(f"pipes, JSON and queue: {np.median(harness) * 1e3:.3f} ms a call (p50)\n")
    sys.stdout.write(
        f"schedule: p99 {p99 * 1e3:.3f} ms (goal: below {GOAL_S * 1e3:g}), {ratio:.2f} of the plain loop's\n"
    )
    return 0 if p99 < GOAL_S else 1


if __name__ == "__main__":
    sys.exit(main())

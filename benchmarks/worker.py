"""What a worker costs: a backend in a child process against the same backend in this one, over the same audio.

First the round trip alone: 10 s of audio go to a backend that does nothing, through a worker, and as a pickle through
a pipe of `multiprocessing`, which is what one would write by hand. Then faster-whisper in int8, loaded here and in a
worker, hears the same utterances by turns, in an order drawn by seed, against several workers one after another.

    python benchmarks/worker.py [--model NAME] [--workers N] [--rounds N] [--threads N]
"""

import argparse
import multiprocessing
import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import numpy as np

from modellab.backends.faster_whisper import FasterWhisper
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.machine.clock import timed
from modellab.measuring.accuracy import listen
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.worker import CALM, Worker
from modellab.records.environment import usable_cores
from modellab.sources.cache import cache_root
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.testing import FakeBackend

FIXTURES = Path(__file__).parents[1] / "fixtures"
GOAL = 1.02
ROUND_TRIPS = 500

Arm = Callable[[Audio], object]


def by_turns(arms: Mapping[str, Arm], audios: Sequence[Audio], random: Random) -> dict[str, list[float]]:
    """Give the seconds of every arm over these audios, the order within a turn drawn by lot."""
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for audio in audios:
        for name in random.sample(sorted(arms), len(arms)):
            seconds[name].append(timed(partial(arms[name], audio))[1])
    return seconds


def listen_to_pickles(pipe: Connection) -> None:
    """Answer each audio that comes as a pickle, in a process written by hand."""
    backend = FakeBackend()
    while (samples := pipe.recv()) is not None:
        pipe.send(listen(backend, [Audio(samples=samples)], "en"))


def round_trips(random: Random) -> None:
    """Print what the way there and back takes, in milliseconds."""
    audio = Audio(samples=np.random.default_rng(0).uniform(-1, 1, 10 * SAMPLE_RATE_HZ).astype(np.float32))
    backend = FakeBackend()
    here, there = multiprocessing.Pipe()
    by_hand = multiprocessing.get_context("spawn").Process(target=listen_to_pickles, args=(there,))
    by_hand.start()

    def pickled(audio: Audio) -> object:
        here.send(audio.samples)
        return here.recv()

    with Worker(blueprint=Blueprint.of("fake", backend)) as worker:
        arms: dict[str, Arm] = {
            "in process": lambda audio: listen(backend, [audio], "en"),
            "worker": lambda audio: worker.listen([audio], "en"),
            "pickle": pickled,
        }
        by_turns(arms, [audio] * 20, random)
        seconds = by_turns(arms, [audio] * ROUND_TRIPS, random)
    here.send(None)
    by_hand.join()
    for name, taken in seconds.items():
        deciles = statistics.quantiles(taken, n=10)
        sys.stdout.write(
            f"round trip of 10 s of audio, {name}: median {statistics.median(taken) * 1e3:.3f} ms, "
            f"nine of ten within {deciles[-1] * 1e3:.3f} ms\n"
        )
    ratio = statistics.median(seconds["worker"]) / statistics.median(seconds["pickle"])
    sys.stdout.write(f"round trip: worker / pickle {ratio:.3f} over {ROUND_TRIPS} turns\n")


def real_speech(model: str, workers: int, rounds: int, threads: int, random: Random) -> float:
    """Print what a worker adds to a real model; give the median ratio of its round trip to its own clock.

    Two processes of one program differ in speed by more than that. So the ratio to the model in this process is
    printed for several workers, and is not what the goal is for.
    """
    cache = cache_root(Path(os.environ["MODELLAB_CACHE_DIR"]) if "MODELLAB_CACHE_DIR" in os.environ else None)
    weights = prepare(Registry.read(FIXTURES / "models.toml").get(model), "ctranslate2", cache)
    corpus = read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), cache)
    audios = [utterance.hear() for utterance in corpus]
    backend = FasterWhisper(weights=weights, compute_type="int8", threads=threads)
    added: list[float] = []
    against: list[float] = []
    with backend:
        for number in range(1, workers + 1):
            with Worker(blueprint=Blueprint.of("faster-whisper", backend)) as worker:
                inside: list[float] = []
                arms: dict[str, Arm] = {
                    "in process": lambda audio: listen(backend, [audio], "en"),
                    "worker": lambda audio, to=worker, kept=inside: kept.append(to.listen([audio], "en")[1]),
                }
                by_turns(arms, audios, random)
                inside.clear()
                seconds = by_turns(arms, audios * rounds, random)
                peak_bytes, import_s, load_s = worker.memory().peak_bytes, worker.import_s, worker.load_s
            added += [there / own for there, own in zip(seconds["worker"], inside, strict=True)]
            ratios = [there / here for there, here in zip(seconds["worker"], seconds["in process"], strict=True)]
            against.append(statistics.median(ratios))
            sys.stdout.write(
                f"{model} int8, {threads} threads, worker {number}: import {import_s:.3f} s, load {load_s:.3f} s, "
                f"peak {peak_bytes >> 20} MiB, in process {statistics.median(seconds['in process']):.4f} s, "
                f"worker {statistics.median(seconds['worker']):.4f} s, median ratio {against[-1]:.4f}\n"
            )
    sys.stdout.write(
        f"worker / in process: median ratio {statistics.median(against):.4f} over {workers} workers, "
        f"{min(against):.4f} to {max(against):.4f}\n"
        f"worker / its own clock: median ratio {statistics.median(added):.4f} over {len(added)} turns "
        f"(goal: at most {GOAL})\n"
    )
    return statistics.median(added)


def main() -> int:
    """Measure and print; give 0 where the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--workers", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ.update(CALM | {"OMP_NUM_THREADS": str(options.threads)})  # this process is an arm like the worker
    random = Random(options.seed)
    round_trips(random)
    added = real_speech(options.model, options.workers, options.rounds, options.threads, random)
    return 0 if added <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())

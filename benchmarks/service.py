"""What the service costs: a transcription over HTTP against a bare loop over the same backend, and many at once.

First one caller: the same files are read and heard by turns in this process and through a server, whose model has one
process with as many threads, in an order drawn by seed, against several servers one after another; the ratio is of
medians. Two processes of one program differ in speed, so the ratio to the model's own clock in the server is printed,
too, and it is what the goal is for. Then eight callers against the best that replicas, threads and batches make of the
same files without a server. Last, /health is asked while a model works.

    python benchmarks/service.py [--model NAME] [--servers N] [--rounds N] [--seconds N]
"""

import argparse
import http.client
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from random import Random
from threading import Event
from urllib.parse import urlsplit

from modellab.backends.faster_whisper import FasterWhisper
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.machine.clock import MONOTONIC, timed
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.worker import Worker
from modellab.records.environment import usable_cores
from modellab.server.process import ServerProcess
from modellab.sources.cache import cache_root
from modellab.speech.audio import read_audio

FIXTURES = Path(__file__).parents[1] / "fixtures"
COST_GOAL = 1.05
SHARE_GOAL = 0.9
HEALTH_GOAL_S = 0.020
CALLERS = 8
BATCHES = (1, 8)
EDGE = b"edge-of-a-form"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, and the seconds that the server says its model worked."""

    status: int
    body: bytes
    model_s: float


class Caller:
    """A client that keeps its connection."""

    def __init__(self, url: str, model: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)
        self._model = model

    def transcribe(self, audio: bytes) -> Answer:
        """Send a file, and give what came back."""
        body = b"".join(
            (
                b"--%s\r\nContent-Disposition: form-data; name=model\r\n\r\n%s\r\n" % (EDGE, self._model.encode()),
                b"--%s\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n" % EDGE,
                audio,
                b"\r\n--%s--\r\n" % EDGE,
            )
        )
        kind = f"multipart/form-data; boundary={EDGE.decode()}"
        self._connection.request("POST", "/v1/audio/transcriptions", body, {"Content-Type": kind})
        answer = self._connection.getresponse()
        told, timing = answer.read(), answer.headers.get("Server-Timing", "model;dur=nan")
        if answer.status != 200:
            raise SystemExit(f"the server answered {answer.status}: {told.decode(errors='replace')}")
        model_ms = timing.partition("model;dur=")[2].partition(",")[0]
        return Answer(status=answer.status, body=told, model_s=float(model_ms) / 1000)

    def get(self, path: str) -> int:
        """Ask a path, and give the status."""
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A model, the files that it hears, and the seconds of audio in each."""

    backend: FasterWhisper
    model: str
    files: tuple[Path, ...]
    lengths_s: tuple[float, ...]

    def server(self, folder: Path, **settings: str) -> ServerProcess:
        """Give a server of this model alone."""
        own = {"FIXTURES": str(FIXTURES), "POOL__SERVE": self.model, "RATE__PER_MINUTE": "1000000"}
        return ServerProcess(folder=folder, settings=own | settings)


def bench_of(checkpoint: str, threads: int) -> Bench:
    """Read what is needed; weights and speech are fetched where they are not there."""
    cache = cache_root(Path(os.environ["MODELLAB_CACHE_DIR"]) if "MODELLAB_CACHE_DIR" in os.environ else None)
    weights = prepare(Registry.read(FIXTURES / "models.toml").get(checkpoint), "ctranslate2", cache)
    corpus = read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), cache)
    files = tuple(utterance.audio for utterance in corpus)
    return Bench(
        backend=FasterWhisper(weights=weights, compute_type="int8", threads=threads),
        model=f"faster-whisper:{checkpoint}:cpu:int8",
        files=files,
        lengths_s=tuple(read_audio(file).duration_s for file in files),
    )


def one_caller(bench: Bench, servers: int, rounds: int, random: Random) -> float:
    """Print what the service adds for one caller; give the median ratio to the model's own clock."""
    against: list[float] = []
    added: list[float] = []
    threads = str(bench.backend.threads)
    with bench.backend, tempfile.TemporaryDirectory() as folder:
        for number in range(1, servers + 1):
            place = Path(folder) / str(number)
            with bench.server(place, POOL__REPLICAS="1", POOL__THREADS=threads) as server:
                caller = Caller(server.url, bench.model)
                by_turns(bench, caller, 1, random)
                bare_s, served_s, model_s = by_turns(bench, caller, rounds, random)
            ratios = [there / here for there, here in zip(served_s, bare_s, strict=True)]
            against.append(statistics.median(ratios))
            added += [all_s / own_s for all_s, own_s in zip(served_s, model_s, strict=True)]
            sys.stdout.write(
                f"one caller, {threads} threads, server {number}: bare loop {statistics.median(bare_s):.4f} s, "
                f"service {statistics.median(served_s):.4f} s, median ratio {against[-1]:.4f}\n"
            )
    sys.stdout.write(
        f"service / bare loop: median ratio {statistics.median(against):.4f} over {servers} servers, "
        f"{min(against):.4f} to {max(against):.4f}\n"
        f"service / its model's own clock: median ratio {statistics.median(added):.4f} over {len(added)} turns "
        f"(goal: at most {COST_GOAL})\n"
    )
    return statistics.median(added)


def by_turns(bench: Bench, caller: Caller, rounds: int, random: Random) -> tuple[list[float], list[float], list[float]]:
    """Give the seconds of the bare loop, of the service, and of the model in the service, over the same files."""
    bare_s: list[float] = []
    served_s: list[float] = []
    model_s: list[float] = []
    for file in bench.files * rounds:
        for served in random.sample((True, False), 2):
            if served:
                answer, took_s = timed(partial(caller.transcribe, file.read_bytes()))
                served_s.append(took_s)
                model_s.append(answer.model_s)
            else:
                bare_s.append(timed(partial(_bare, bench.backend, file))[1])
    return bare_s, served_s, model_s


def _bare(backend: FasterWhisper, file: Path) -> None:
    backend.transcribe([read_audio(file)])


def offline(bench: Bench, seconds: float) -> tuple[float, str]:
    """Print what each setting hears without a server, in seconds of audio a second; give the best, and its name."""
    cores = usable_cores()
    best = (0.0, "")
    for replicas, threads in sorted({(1, cores), (cores, 1)}):
        with ExitStack() as stack:
            blueprint = Blueprint.of("faster-whisper", replace(bench.backend, threads=threads))
            free: SimpleQueue[Worker] = SimpleQueue()
            for _ in range(replicas):
                free.put(stack.enter_context(Worker(blueprint=blueprint)))
            for size in BATCHES:
                hear = partial(_batch, bench, free, size)
                rate = throughput(bench, hear, replicas, seconds, size)
                name = f"{replicas} replicas of {threads} threads, batches of {size}"
                sys.stdout.write(f"offline, {name}: {rate:.2f} s of audio a second\n")
                best = max(best, (rate, name))
    return best


def _batch(bench: Bench, free: "SimpleQueue[Worker]", size: int, at: int) -> None:
    audios = [read_audio(bench.files[(at + step) % len(bench.files)]) for step in range(size)]
    worker = free.get()
    try:
        worker.transcribe(audios)
    finally:
        free.put(worker)


def throughput(bench: Bench, hear: Callable[[int], None], at_once: int, seconds: float, size: int = 1) -> float:
    """Give the seconds of audio a second that are heard by so many threads, each one file or batch after another."""
    turns = count(step=size)
    for _ in range(at_once):
        hear(next(turns))
    start_s = MONOTONIC()

    def work() -> tuple[float, float]:
        done_s = 0.0
        while MONOTONIC() - start_s < seconds:
            at = next(turns)
            hear(at)
            done_s += sum(bench.lengths_s[(at + step) % len(bench.files)] for step in range(size))
        return done_s, MONOTONIC() - start_s

    with ThreadPoolExecutor(at_once) as threads:
        came = [future.result() for future in [threads.submit(work) for _ in range(at_once)]]
    return sum(done_s / took_s for done_s, took_s in came)


def many_callers(bench: Bench, seconds: float, best: float) -> float:
    """Print what a server, set as it is by default, hears for eight callers; give its share of the best."""
    with tempfile.TemporaryDirectory() as folder, bench.server(Path(folder)) as server:
        callers: SimpleQueue[Caller] = SimpleQueue()
        for _ in range(CALLERS):
            callers.put(Caller(server.url, bench.model))
        rate = throughput(bench, partial(_call, bench, callers), CALLERS, seconds)
        sys.stdout.write(f"service, {CALLERS} callers: {rate:.2f} s of audio a second\n")
        worst_s = health(bench, server)
    sys.stdout.write(f"service / best offline: {rate / best:.3f} (goal: at least {SHARE_GOAL})\n")
    return rate / best if worst_s <= HEALTH_GOAL_S else 0.0


def _call(bench: Bench, callers: "SimpleQueue[Caller]", at: int) -> None:
    caller = callers.get()
    try:
        caller.transcribe(bench.files[at % len(bench.files)].read_bytes())
    finally:
        callers.put(caller)


def health(bench: Bench, server: ServerProcess, requests: int = 1000) -> float:
    """Print how long /health takes while the model works for two callers; give the 99th percentile, in seconds."""
    ended = Event()

    def keep_busy() -> None:
        caller = Caller(server.url, bench.model)
        for file in _endless(bench.files):
            if ended.is_set():
                return
            caller.transcribe(file.read_bytes())

    with ThreadPoolExecutor(2) as threads:
        busy = [threads.submit(keep_busy) for _ in range(2)]
        caller = Caller(server.url, bench.model)
        took_s = sorted(timed(partial(caller.get, "/health"))[1] for _ in range(requests))
        ended.set()
        for future in busy:
            future.result()
    worst_s = took_s[int(requests * 0.99)]
    sys.stdout.write(
        f"/health while the model works: median {statistics.median(took_s) * 1e3:.1f} ms, "
        f"p99 {worst_s * 1e3:.1f} ms over {requests} requests (goal: below {HEALTH_GOAL_S * 1e3:.0f} ms)\n"
    )
    return worst_s


def _endless(files: Sequence[Path]) -> Iterator[Path]:
    while True:
        yield from files


def main() -> int:
    """Measure and print; give 0 where the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    bench = bench_of(options.model, usable_cores())
    cost = one_caller(bench, options.servers, options.rounds, Random(0))
    best, name = offline(bench, options.seconds)
    sys.stdout.write(f"best offline: {name}\n")
    share = many_callers(bench, options.seconds, best)
    return 0 if cost <= COST_GOAL and share >= SHARE_GOAL else 1


if __name__ == "__main__":
    sys.exit(main())

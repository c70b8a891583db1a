"""Accuracy and performance on a CUDA machine that needs no network, `make bench-gpu`.

Reads the folder that `make gpu-package` wrote. For every precision: the word error rate; seconds of audio heard in a
second by batch size, the longest first, with a warm-up and the median of several rounds; the share of time that goes
into features, encoder and decoder, from passes of their own; memory, clocks and power. Then the claims, by pytest. Of a
batch that does not fit into memory, the largest that does is looked for. Tables go to the terminal, facts as JSON and
the records of the claims into the folder of results.

    PYTHONPATH=.:build/gpu/site python3 benchmarks/gpu.py [--package FOLDER] [--results FOLDER] [--rounds N]
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from modellab.backends.device import torch_refusal
from modellab.backends.transformers import Transformers
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.packing import unpack
from modellab.checkpoints.registry import Registry
from modellab.checkpoints.weights import Weights
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.errors import ModelLabError
from modellab.machine.clock import timed
from modellab.measuring.accuracy import Place, hear
from modellab.measuring.stages import Stopwatch
from modellab.records.environment import observe, usable_cores
from modellab.records.record import Record
from modellab.reporting.accuracy import pool_scores
from modellab.speech.audio import Audio
from modellab.speech.utterance import Corpus

ROOT = Path(__file__).parents[1]
MODEL, CORPUS = "whisper-tiny.en-int8", "packed"
PRECISIONS = ("float32", "float16", "bfloat16")
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
MOST_BATCHES = 24  # of one size
SHARED_SIZES = (1, 8, 64)  # batches of which the shares are taken
PARTS = ("features", "encoder", "decoder")
SENSORS = (
    "name",
    "driver_version",
    "memory.total",
    "memory.used",
    "clocks.sm",
    "clocks.max.sm",
    "clocks.mem",
    "power.draw",
    "power.limit",
    "temperature.gpu",
    "persistence_mode",
)


class DoesNotFit(Exception):
    """A batch for which the device has too little memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Speech heard in batches of one size: seconds of each round, and the most memory that torch took and held.

    Without seconds the batch did not fit.
    """

    batch_size: int
    audio_s: float
    seconds: tuple[float, ...] = ()
    taken_bytes: int | None = None
    held_bytes: int | None = None

    @property
    def rtfx(self) -> float | None:
        """Seconds of audio heard in a second, by the median round; None where the batch did not fit."""
        return self.audio_s / statistics.median(self.seconds) if self.seconds else None

    def __str__(self) -> str:
        if self.rtfx is None:
            return "does not fit"
        return f"{self.rtfx:.0f} ({self.audio_s / max(self.seconds):.0f} to {self.audio_s / min(self.seconds):.0f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Where the seconds of one pass went; what is left over chose tokens, walked the batches and wrote text."""

    batch_size: int
    whole_s: float
    parts_s: Mapping[str, float]
    decoder_steps: int

    def share(self, part: str) -> float:
        """Give the share of a part, or of the rest."""
        rest_s = self.whole_s - sum(self.parts_s.values())
        return self.parts_s.get(part, rest_s) / self.whole_s


@dataclass(kw_only=True)
class Measured:
    """What was measured of one precision; `unfinished_s` is what the device still had to do when a call returned."""

    precision: str
    error_rates: dict[str, float | None] = field(default_factory=dict)
    failed: int = 0
    throughput: list[Throughput] = field(default_factory=list)
    shares: list[Shares] = field(default_factory=list)
    unfinished_s: float | None = None
    sensors_after: Mapping[str, str | float | None] = field(default_factory=dict)


def main() -> int:
    """Measure, print and write; give 0 where everything was measured and every claim holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, default=ROOT / "build" / "gpu")
    parser.add_argument("--results", type=Path, help="where facts and records go (results/ in the package)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=BATCH_SIZES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-claims", action="store_true", help="measure only")
    options = parser.parse_args()
    refused = missing(options.package, options.device)
    if refused:
        print(refused)
        return 2
    package, results = options.package.resolve(), (options.results or options.package / "results").resolve()
    results.mkdir(parents=True, exist_ok=True)
    try:
        weights, corpus = read(package)
        before = sensors()
        print(f"{before.get('name') or options.device}, {weights.checkpoint}, {corpus}")
        measured: list[Measured] = []
        for precision in options.precisions:
            measured.append(measure(weights, corpus, options.device, precision, options.batch_sizes, options.rounds))
            write(results / "gpu.json", measured, corpus, before)
    except ModelLabError as error:
        print(error)
        return 1
    print("\n".join(tables(measured)))
    claims = 0 if options.without_claims else claim(package, results, options.device, options.precisions)
    return claims or int(any(each.failed for each in measured))


def missing(package: Path, device: str) -> str | None:
    """Say what keeps this from being measured here, and what helps; None where nothing does."""
    if not package.is_dir():
        return f"there is no package at {package}: run `make gpu-package` where there is a network, and carry it here"
    absent = [name for name in ("torch", "transformers") if find_spec(name) is None]
    refused = f"this Python has no {' and no '.join(absent)}" if absent else torch_refusal(device)
    if refused is None:
        return None
    return (
        f"not measured: {refused}. Carry the repository with {package} to a CUDA machine that has torch and "
        "transformers, and run `make bench-gpu` there; docs/gpu.md says how."
    )


def read(package: Path) -> tuple[Weights, Corpus]:
    """Give the weights, dequantised, and the speech that a package holds.

    Raises:
        ModelLabError: when it is not what was packed.
    """
    unpack(package / f"{MODEL}.safetensors", package / "weights")
    fixtures, cache = package / "fixtures", package / "cache"
    weights = prepare(Registry.read(fixtures / "models.toml").get(MODEL), "transformers", cache)
    return weights, read_corpora(fixtures / "corpora.toml").read(Selection(source=CORPUS), cache)


def measure(
    weights: Weights, corpus: Corpus, device: str, precision: str, batch_sizes: Sequence[int], rounds: int
) -> Measured:
    """Give what is to be known of one precision."""
    found = Measured(precision=precision)
    audios = sorted((utterance.hear() for utterance in corpus), key=lambda audio: -audio.duration_s)
    options: dict[str, Any] = {
        "weights": weights,
        "device": device,
        "compute_type": precision,
        "threads": usable_cores(),
    }
    with Transformers(**options) as backend:
        records = list(
            hear(Ready(backend), corpus, Place(model=precision, corpus=corpus.name, lane="accuracy", session=1), 8)
        )
        found.failed = sum(record.failure is not None for record in records)
        found.error_rates = error_rates(records)
        found.unfinished_s = unfinished_s(backend, audios[:8])
        found.throughput = sweep(batch_sizes, partial(throughput, backend, audios, rounds))
        found.sensors_after = sensors()
        fits = {point.batch_size for point in found.throughput if point.seconds}
        found.shares = [shares(backend, audios, size) for size in SHARED_SIZES if size in fits]
    return found


class Ready:
    """A backend that is loaded."""

    def __init__(self, backend: Transformers) -> None:
        self.backend = backend


def error_rates(records: Sequence[Record]) -> dict[str, float | None]:
    """Give the pooled rate of everything, and of each set of speech where it is under no condition."""
    sets: dict[str, list[Record]] = {"all": list(records)}
    for record in records:
        if record.facts.get("condition") == "clean":
            sets.setdefault(record.facts["set"], []).append(record)
    return {name: pool_scores(own)[0].rate for name, own in sets.items()}


def sweep(sizes: Sequence[int], heard: Callable[[int], Throughput]) -> list[Throughput]:
    """Give what was heard at each batch size; above one that does not fit, the largest that does is looked for."""
    points: dict[int, Throughput] = {}
    fits, too_large = 0, 0
    for size in sorted(set(sizes)):
        try:
            points[size] = heard(size) if not too_large else Throughput(batch_size=size, audio_s=0.0)
        except DoesNotFit:
            points[size], too_large = Throughput(batch_size=size, audio_s=0.0), size
        fits = fits if too_large else size
    while too_large - fits > 1:
        size = (fits + too_large) // 2
        try:
            points[size], fits = heard(size), size
        except DoesNotFit:
            points[size], too_large = Throughput(batch_size=size, audio_s=0.0), size
    return [points[size] for size in sorted(points)]


def throughput(backend: Transformers, audios: Sequence[Audio], rounds: int, batch_size: int) -> Throughput:
    """Give the seconds that all audios take in batches of this size, each round whole.

    Raises:
        DoesNotFit: when the device has too little memory for a batch.
    """
    batches = list(batched(audios, batch_size))
    with memory_of(backend.device) as memory:
        transcribe(backend, batches[:2])
        seconds = tuple(timed(lambda: transcribe(backend, batches))[1] for _ in range(rounds))
    audio_s = sum(audio.duration_s for batch in batches for audio in batch)
    return Throughput(batch_size=batch_size, audio_s=audio_s, seconds=seconds, **memory)


def shares(backend: Transformers, audios: Sequence[Audio], batch_size: int) -> Shares:
    """Give where the seconds of one pass over all audios go, after a warm-up, waiting for the device at every seam."""
    batches = list(batched(audios, batch_size))
    transcribe(backend, batches[:1])
    stages = {part: places for part, places in backend.stages().items() if part in PARTS}
    watch, steps = Stopwatch(settle=backend.settle), list[object]()
    (decoder, _), *_ = stages["decoder"]
    counting = decoder.register_forward_hook(lambda *_: steps.append(None))
    try:
        with watch.around(stages), watch.stage("rest"):
            transcribe(backend, batches)
    finally:
        counting.remove()
    whole_s = sum(watch.seconds.values())
    parts_s = {part: watch.seconds[part] for part in PARTS}
    return Shares(batch_size=batch_size, whole_s=whole_s, parts_s=parts_s, decoder_steps=len(steps))


def unfinished_s(backend: Transformers, batch: Sequence[Audio]) -> float:
    """Give how long the device still works when a warm call has returned."""
    for _ in range(2):
        backend.transcribe(batch, "en")
    return timed(backend.settle)[1]


def transcribe(backend: Transformers, batches: Sequence[Sequence[Audio]]) -> None:
    """Hear batches, and wait until the device has done so."""
    for batch in batches:
        backend.transcribe(batch, "en")
    backend.settle()


def batched(audios: Sequence[Audio], size: int) -> Iterator[Sequence[Audio]]:
    """Give batches in order: of many audios every so manieth, so that small batches are not too many.

    Few audios are repeated until there are two full batches at least.
    """
    some = audios[:: -(-len(audios) // (MOST_BATCHES * size))]
    times = -(-2 * size // len(some))
    repeated = [audio for audio in some for _ in range(times)]
    return (repeated[start : start + size] for start in range(0, len(repeated), size))


@contextmanager
def memory_of(device: str) -> Iterator[dict[str, int]]:
    """Give what fills up with the most memory that torch took and held of a device meanwhile.

    Raises:
        DoesNotFit: when it ran out.
    """
    import torch

    most: dict[str, int] = {}
    on_cuda = device.startswith("cuda")
    if on_cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    try:
        yield most
    except torch.OutOfMemoryError as error:
        raise DoesNotFit from error
    if on_cuda:
        most["taken_bytes"] = torch.cuda.max_memory_allocated(device)
        most["held_bytes"] = torch.cuda.max_memory_reserved(device)


def sensors() -> dict[str, str | float | None]:
    """Give what nvidia-smi reads of the first GPU, in its own units; None for what it cannot read."""
    command = ["nvidia-smi", "--query-gpu=" + ",".join(SENSORS), "--format=csv,noheader,nounits"]
    try:
        read = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        read = ""
    return readings(read)


def readings(line: str) -> dict[str, str | float | None]:
    """Give a line of nvidia-smi by the names of its sensors."""
    values = next(csv.reader(line.splitlines(), skipinitialspace=True), [])
    return {name: reading(values[place] if place < len(values) else "") for place, name in enumerate(SENSORS)}


def reading(text: str) -> str | float | None:
    """Give a number, a word, or None for what a sensor does not tell."""
    if not text or text.startswith("[") or text in {"N/A", "Not Supported"}:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def write(path: Path, measured: Sequence[Measured], corpus: Corpus, before: Mapping[str, str | float | None]) -> None:
    """Write every fact as JSON."""
    facts = {
        "environment": asdict(observe(ROOT)),
        "corpus": {"revision": corpus.revision, "utterances": len(corpus), "duration_s": corpus.duration_s},
        "sensors_before": before,
        "measured": [asdict(each) for each in measured],
    }
    path.write_text(json.dumps(facts, indent=1, default=str))


def tables(measured: Sequence[Measured]) -> Iterator[str]:
    """Give the figures as Markdown."""
    yield from ("", "Word error rate", "")
    sets = list(measured[0].error_rates)
    yield from heading("precision", *sets, "failed")
    for each in measured:
        rates = (shown(each.error_rates.get(name), ".2%") for name in sets)
        yield row(each.precision, *rates, str(each.failed))
    yield from (
        "",
        "Seconds of audio heard in a second (RTFx), median round (slowest to quickest); the most memory torch took",
        "",
    )
    yield from heading("batch", *(f"{each.precision}" for each in measured), *(f"{m.precision} MiB" for m in measured))
    sizes = sorted({point.batch_size for each in measured for point in each.throughput})
    for size in sizes:
        points = [next((p for p in each.throughput if p.batch_size == size), None) for each in measured]
        speeds = ("-" if point is None else str(point) for point in points)
        memory = (shown(p.taken_bytes / 2**20 if p and p.taken_bytes else None, ".0f") for p in points)
        yield row(str(size), *speeds, *memory)
    yield from ("", "Shares of the time, the device waited for at every seam", "")
    yield from heading("precision", "batch", *PARTS, "rest", "decoder steps", "whole")
    for each in measured:
        for part in each.shares:
            portions = (f"{part.share(name):.0%}" for name in (*PARTS, "rest"))
            yield row(each.precision, str(part.batch_size), *portions, str(part.decoder_steps), f"{part.whole_s:.2f} s")
    yield ""
    for each in measured:
        yield f"{each.precision}: {shown(each.unfinished_s, '.6f')} s left to do when a call had returned"
        yield f"{each.precision}, sensors after: {each.sensors_after}"


def heading(*cells: str) -> tuple[str, str]:
    """Give the first two lines of a table."""
    return row(*cells), row(*("---" for _ in cells))


def row(*cells: str) -> str:
    """Give a line of a table."""
    return f"| {' | '.join(cells)} |"


def shown(value: float | None, form: str) -> str:
    """Give a figure as text, and a dash for one that is absent."""
    return "-" if value is None else format(value, form)


def claim(package: Path, results: Path, device: str, precisions: Sequence[str]) -> int:
    """Run the claims of both lanes into one run; give the graver exit status of the two."""
    common = [
        *(sys.executable, "-m", "pytest", "benchmarks", "-W", "default"),
        *("-o", f"modellab_fixtures={package / 'fixtures'}", "--cache-dir", str(package / "cache"), "--no-cache"),
        *("--device", device, "--compute-type", ",".join(precisions), "--run-dir", str(results / "run")),
    ]
    environment = os.environ | {"TRANSFORMERS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    lanes = (["-m", "accuracy"], ["-m", "timing", "-n", "0"])
    return max(subprocess.run([*common, *lane], cwd=ROOT, env=environment, check=False).returncode for lane in lanes)


if __name__ == "__main__":
    sys.exit(main())

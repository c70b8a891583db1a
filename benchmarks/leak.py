"""Whether memory grows: 200 transcriptions and 20 reloads of every runtime, beside a bare loop and a planted leak.

Each runtime listens in a worker, as the scenarios have it, and in a bare loop in a process of its own: what one would
write by hand with the runtime alone. A runtime that grows where its bare loop does not would be our leak. The fake
that keeps 1 MB a call is the control: it must be found within 100 calls.

    python benchmarks/leak.py [--model NAME] [--backends NAME ...] [--turns N] [--reloads N] [--series FILE]
"""

import argparse
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from modellab.backends.registry import backend_class
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.checkpoints.weights import Weights
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.machine.memory import Memory, memory
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.worker import CALM, Worker
from modellab.scenarios.growth import RELOADS, TRANSCRIPTIONS, grow_by_listening, grow_by_reloading
from modellab.scoring.growth import FEWEST_TURNS, SMALLEST_BYTES, Slope, leaks
from modellab.sources.cache import cache_root
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.testing import FakeBackend

FIXTURES = Path(__file__).parents[1] / "fixtures"
COMPUTE_TYPES = {"faster-whisper": "int8", "openai-whisper": "float32", "transformers": "float32"}
PLANTED_BYTES = 1_000_000
WITHIN = 100

Hear = Callable[[Audio], object]


def faster_whisper(folder: Path, threads: int) -> Hear:
    """Load with faster-whisper by hand; give how to hear."""
    from faster_whisper import WhisperModel

    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)

    def hear(audio: Audio) -> str:
        segments, _ = model.transcribe(
            audio.samples, language="en", beam_size=1, temperature=[0.0], condition_on_previous_text=False,
            without_timestamps=True, max_new_tokens=224,
        )  # fmt: skip
        return "".join(segment.text for segment in segments)

    return hear


def openai_whisper(folder: Path, threads: int) -> Hear:
    """Load with openai-whisper by hand; give how to hear."""
    import torch
    import whisper

    torch.set_num_threads(threads)
    model = whisper.load_model(str(folder / "model.pt"), device="cpu")

    def hear(audio: Audio) -> object:
        return model.transcribe(
            audio.samples, language="en", temperature=(0.0,), condition_on_previous_text=False,
            without_timestamps=True, sample_len=224, fp16=False,
        )["text"]  # fmt: skip

    return hear


def transformers(folder: Path, threads: int) -> Hear:
    """Load with transformers by hand; give how to hear."""
    import torch
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    torch.set_num_threads(threads)
    model = WhisperForConditionalGeneration.from_pretrained(str(folder), dtype=torch.float32).eval()
    processor = WhisperProcessor.from_pretrained(str(folder))

    def hear(audio: Audio) -> object:
        inputs = processor(audio.samples, sampling_rate=16_000, return_tensors="pt", return_attention_mask=True)
        with torch.inference_mode():
            tokens = model.generate(inputs.input_features, attention_mask=inputs.attention_mask, max_new_tokens=224)
        return processor.batch_decode(tokens, skip_special_tokens=True)

    return hear


BY_HAND: Mapping[str, Callable[[Path, int], Hear]] = {
    "faster-whisper": faster_whisper,
    "openai-whisper": openai_whisper,
    "transformers": transformers,
}


def bare_listening(load: Callable[[], Hear], audios: Sequence[Audio], turns: int) -> Iterator[Memory]:
    """Give what this process holds once the model is loaded, and after each transcription."""
    hear = load()
    yield memory()
    for audio in islice(cycle(audios), turns):
        hear(audio)
        yield memory()
    del hear
    gc.collect()
    yield memory()


def bare_reloading(load: Callable[[], Hear], audios: Sequence[Audio], turns: int) -> Iterator[Memory]:
    """Give what this process holds once a model was loaded and used, and after each reload and use."""
    for _ in range(turns + 1):
        hear = load()
        hear(audios[0])
        yield memory()
        del hear
        gc.collect()
    yield memory()


BARE = {"transcribe": bare_listening, "reload": bare_reloading}


def of_model(name: str, backend: str) -> tuple[Weights, list[Audio]]:
    """Give the weights for a runtime, and what it shall hear."""
    cache = cache_root(Path(os.environ["MODELLAB_CACHE_DIR"]) if "MODELLAB_CACHE_DIR" in os.environ else None)
    weights = prepare(Registry.read(FIXTURES / "models.toml").get(name), backend_class(backend).layout, cache)
    corpus = read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), cache)
    return weights, [utterance.hear() for utterance in corpus]


@dataclass(frozen=True, kw_only=True)
class Found:
    """One row: who took turns at what, and what was held, in bytes."""

    who: str
    turn: str
    resident_bytes: Sequence[int] = ()
    loaded_bytes: int | None = None
    peak_bytes: int | None = None
    unloaded_bytes: int | None = None
    failure: str = ""

    @property
    def slope(self) -> Slope | None:
        """The slope of the sizes; None where there are too few."""
        return Slope.of(self.resident_bytes)

    @property
    def leaks(self) -> bool:
        """Whether it grows."""
        return self.slope is not None and self.slope.leaks()

    def __str__(self) -> str:
        start = f"{self.who:<24}{self.turn:<11}{len(self.resident_bytes):>6}"
        if self.failure or self.slope is None:
            return f"{start}  FAILED: {self.failure or 'too few turns'}"
        slope = self.slope
        kilobytes = (slope.bytes_per_turn, slope.low_bytes, slope.high_bytes, slope.late_low_bytes)
        sizes = (self.loaded_bytes, self.peak_bytes, self.unloaded_bytes)
        figures = "".join(f"{figure / 1e3:>10.1f}" for figure in kilobytes)
        held = "".join(f"{'-' if size is None else size >> 20:>10}" for size in sizes)
        return f"{start}{figures}{held}  {'LEAKS' if self.leaks else 'steady'}"


HEADER = (
    f"{'':<24}{'turn':<11}{'turns':>6}{'kB/turn':>10}{'low':>10}{'high':>10}{'late low':>10}"
    f"{'loaded':>10}{'peak':>10}{'unloaded':>10}  (MiB)"
)


class Watched(Worker):
    """A worker that remembers the most it was seen to have held."""

    peak_bytes: int | None = None

    def memory(self) -> Memory:
        """Give the memory of the process, and keep the peak."""
        found = super().memory()
        self.peak_bytes = found.peak_bytes
        return found


def in_worker(who: str, blueprint: Blueprint, turn: str, audios: Sequence[Audio], turns: int) -> Found:
    """Have a worker take the turns as the scenarios have it."""
    worker = Watched(blueprint=blueprint)
    told: dict[str, Any] = {"model": who, "session": 1, "language": "en", "turns": turns}
    growth = (
        grow_by_listening(worker, audios, **told)
        if turn == "transcribe"
        else grow_by_reloading(worker, audios[0], **told)
    )
    return Found(
        who=who,
        turn=turn,
        resident_bytes=growth.resident_bytes,
        loaded_bytes=growth.loaded_bytes,
        peak_bytes=worker.peak_bytes,
        unloaded_bytes=growth.unloaded_bytes,
        failure=growth.failure.message if growth.failure else "",
    )


def in_bare_loop(backend: str, turn: str, turns: int, model: str, threads: int) -> Found:
    """Have a loop written by hand take the turns, in a fresh process."""
    command = [
        sys.executable,
        __file__,
        "--bare",
        backend,
        turn,
        str(turns),
        "--model",
        model,
        "--threads",
        str(threads),
    ]
    env = os.environ | CALM | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    who = f"{backend}, by hand"
    if done.returncode:
        return Found(who=who, turn=turn, failure=(done.stderr.strip().splitlines() or ["no words"])[-1])
    first, *between, last = (Memory(**sizes) for sizes in json.loads(done.stdout.splitlines()[-1]))
    return Found(
        who=who,
        turn=turn,
        resident_bytes=tuple(sizes.resident_bytes for sizes in between),
        loaded_bytes=first.resident_bytes,
        peak_bytes=last.peak_bytes,
        unloaded_bytes=last.resident_bytes,
    )


def bare(backend: str, turn: str, turns: int, options: argparse.Namespace) -> None:
    """Be the process of a bare loop: print its sizes as one line of JSON."""
    weights, audios = of_model(options.model, backend)
    load = partial(BY_HAND[backend], weights.folder, options.threads)
    sizes = [asdict(found) for found in BARE[turn](load, audios, turns)]
    sys.stdout.write(json.dumps(sizes) + "\n")


def first_found(resident_bytes: Sequence[int]) -> int | None:
    """Give after how many turns a leak was first seen; None where it never was."""
    return next((n for n in range(FEWEST_TURNS, len(resident_bytes) + 1) if leaks(resident_bytes[:n])), None)


def say(found: Found, kept: list[Found]) -> Found:
    """Print a row at once, and keep it."""
    sys.stdout.write(f"{found}\n")
    sys.stdout.flush()
    kept.append(found)
    return found


def planted(turns: Mapping[str, int], kept: list[Found]) -> bool:
    """Measure a fake that leaks and one that does not; say whether the one is found in time and the other is not."""
    audios = [Audio(samples=np.zeros(seconds * SAMPLE_RATE_HZ, np.float32)) for seconds in (3, 9, 15, 6)]
    good = True
    for who, leaked in ((f"fake, {PLANTED_BYTES / 1e6:g} MB a call", PLANTED_BYTES), ("fake", 0)):
        blueprint = Blueprint.of("fake", FakeBackend(leaks_bytes=leaked))
        for turn, times in turns.items():
            found = say(in_worker(who, blueprint, turn, audios, times), kept)
            at = first_found(found.resident_bytes)
            good &= not found.failure and (at is not None and at <= WITHIN) == bool(leaked)
            if leaked:
                sys.stdout.write(f"{'':<24}first seen after {at} turns (goal: at most {WITHIN})\n")
    return good


def real(options: argparse.Namespace, turns: Mapping[str, int], kept: list[Found]) -> bool:
    """Measure every installed runtime beside its bare loop; say whether none leaks that does not leak there."""
    good = True
    for backend in options.backends:
        if not all(find_spec(module.partition(".")[0]) for module in backend_class(backend).modules):
            sys.stdout.write(f"{backend:<24}not installed\n")
            continue
        weights, audios = of_model(options.model, backend)
        compute_type = COMPUTE_TYPES[backend]
        made = backend_class(backend)(weights=weights, compute_type=compute_type, threads=options.threads)
        for turn, times in turns.items():
            ours = say(in_worker(backend, Blueprint.of(backend, made), turn, audios, times), kept)
            bare = say(in_bare_loop(backend, turn, times, options.model, options.threads), kept)
            good &= not (ours.failure or bare.failure) and bare.leaks >= ours.leaks
    return good


def main() -> int:
    """Measure and print; give 0 where the planted leak is found, and no other that a bare loop has not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--backends", nargs="*", choices=COMPUTE_TYPES, default=tuple(COMPUTE_TYPES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=TRANSCRIPTIONS)
    parser.add_argument("--reloads", type=int, default=RELOADS)
    parser.add_argument("--series", type=Path, help="where every size is written, as JSON")
    parser.add_argument("--bare", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        backend, turn, turns = options.bare
        bare(backend, turn, int(turns), options)
        return 0
    turns_of = {"transcribe": options.turns, "reload": options.reloads}
    kept: list[Found] = []
    sys.stdout.write(f"{HEADER}\n")
    good = planted(turns_of, kept) & real(options, turns_of, kept)
    if options.series:
        options.series.write_text(json.dumps([asdict(found) for found in kept]))
    sys.stdout.write(
        f"leaks: the planted one {'is' if good else 'is not, or others are,'} found; a turn leaks that keeps more than "
        f"{SMALLEST_BYTES / 1e3:g} kB\n"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

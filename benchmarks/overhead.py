"""What the harness costs, in this process and in a worker, against a bare loop over the same utterances.

Three arms take turns in one run, in an order drawn by seed. The bare arm is what one would write by hand with
faster-whisper: call the model, join its segments. The harness's arm does, with the same loaded model, what the timing
lane does for a round: options mapped, the clock, a finished transcript, a record written to disk. The worker's arm asks
a process of its own, which holds the model again. Prints a line a turn; the median ratio of harness to bare; how far
the two medians are apart; and what either way of ours takes beside the seconds that it writes down.

    python benchmarks/overhead.py [--model NAME] [--rounds N] [--threads N]
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

from faster_whisper import WhisperModel

from modellab.backends.faster_whisper import FasterWhisper
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.checkpoints.weights import Weights
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.machine.clock import timed
from modellab.measuring.accuracy import Place
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.latency import LatencyTrial
from modellab.measuring.worker import Worker
from modellab.records.environment import usable_cores
from modellab.records.store import Store
from modellab.sources.cache import cache_root
from modellab.speech.audio import read_audio
from modellab.speech.utterance import Corpus, Utterance

FIXTURES = Path(__file__).parents[1] / "fixtures"
GOAL = 1.02
P50_APART = 0.02
SHARE, COST_S = 0.01, 0.001


class Lent(FasterWhisper):
    """The harness's backend over a model that is loaded already, so that both arms share it."""

    def lend(self, model: WhisperModel) -> None:
        """Use this model in place of loading one."""
        self._model = model


def bare_arm(model: WhisperModel, corpus: Corpus) -> Callable[[Utterance], object]:
    """Give what one would write by hand to hear an utterance, its audio read before."""
    samples = {utterance.id: read_audio(utterance.audio).samples for utterance in corpus}

    def listen(utterance: Utterance) -> str:
        segments, _ = model.transcribe(
            samples[utterance.id],
            language=utterance.language,
            beam_size=1,
            temperature=[0.0],
            condition_on_previous_text=False,
            without_timestamps=True,
            max_new_tokens=224,
        )
        return "".join(segment.text for segment in segments)

    return listen


def harness_arm(model: WhisperModel, weights: Weights, corpus: Corpus, store: Store) -> Callable[[Utterance], object]:
    """Give the same through the harness, with a record written."""
    backend = Lent(weights=weights)
    backend.lend(model)
    place = Place(model="overhead", corpus=corpus.name, lane="timing", session=1)
    trials = {
        utterance.id: LatencyTrial(
            backend=backend,
            corpus=Corpus(name=corpus.name, utterances=(utterance,), revision=corpus.revision),
            place=place,
        )
        for utterance in corpus
    }

    def listen(utterance: Utterance) -> float:
        trials[utterance.id].hear(utterance)
        (record,) = trials[utterance.id].records()
        store.append(record)
        return record.transcribe_s[-1]

    return listen


def worker_arm(worker: Worker, corpus: Corpus) -> Callable[[Utterance], object]:
    """Give the same in a process of its own, which answers with the seconds by its own clock."""
    audios = {utterance.id: utterance.hear() for utterance in corpus}
    return lambda utterance: worker.listen([audios[utterance.id]], utterance.language or None)[1]


class Turn(NamedTuple):
    """What an arm took for an utterance, and what it answered."""

    seconds: float
    answer: object


def alternate(
    arms: Mapping[str, Callable[[Utterance], object]], utterance: Utterance, order: Sequence[str]
) -> dict[str, Turn]:
    """Have every arm hear an utterance, in this order."""
    told = {}
    for name in order:
        answer, seconds = timed(partial(arms[name], utterance))
        told[name] = Turn(seconds, answer)
    return told


def report(turns: Sequence[Mapping[str, Turn]]) -> bool:
    """Print what the harness costs in this process and in another; say whether all goals are met."""
    bare, ours = ([turn[name].seconds for turn in turns] for name in ("bare", "harness"))
    ratios = [own / alone for own, alone in zip(ours, bare, strict=True)]
    quartiles, median = statistics.quantiles(ratios), statistics.median(ratios)
    sys.stdout.write(
        f"overhead: median ratio {median:.4f} over {len(ratios)} turns (goal: at most {GOAL}), "
        f"quartiles {quartiles[0]:.4f} to {quartiles[2]:.4f}\n"
    )
    written = [float(str(turn["harness"].answer)) for turn in turns]
    apart = statistics.median(written) / statistics.median(bare)
    sys.stdout.write(f"p50: {apart:.4f} of the bare loop's (goal: within {P50_APART:.0%})\n")
    good = [median <= GOAL, abs(apart - 1) <= P50_APART]
    for name in ("harness", "worker"):
        own = [turn[name].seconds - float(str(turn[name].answer)) for turn in turns]
        share = statistics.median(cost / turn[name].seconds for cost, turn in zip(own, turns, strict=True))
        cost_s = statistics.median(own)
        sys.stdout.write(
            f"{name}: {1e3 * cost_s:.3f} ms a call beside what it measured, {share:.3%} of it "
            f"(goal: under {SHARE:.0%} or {1e3 * COST_S:g} ms)\n"
        )
        good.append(share < SHARE or cost_s < COST_S)
    return all(good)


def main() -> int:
    """Measure and print; give 0 where the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cache = cache_root(Path(os.environ["MODELLAB_CACHE_DIR"]) if "MODELLAB_CACHE_DIR" in os.environ else None)
    weights = prepare(Registry.read(FIXTURES / "models.toml").get(options.model), "ctranslate2", cache)
    corpus = read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), cache)
    model = WhisperModel(str(weights.folder), device="cpu", compute_type="int8", cpu_threads=options.threads)
    apart = FasterWhisper(weights=weights, compute_type="int8", threads=options.threads)
    turns, random = [], Random(options.seed)
    with tempfile.TemporaryDirectory() as folder, Worker(blueprint=Blueprint.of("faster-whisper", apart)) as worker:
        arms = {
            "bare": bare_arm(model, corpus),
            "harness": harness_arm(model, weights, corpus, Store(Path(folder))),
            "worker": worker_arm(worker, corpus),
        }
        for warm_up in arms.values():
            warm_up(corpus.utterances[0])
        for utterance in corpus.utterances * options.rounds:
            turns.append(alternate(arms, utterance, random.sample(sorted(arms), len(arms))))
            told = ", ".join(f"{name} {turn.seconds:.4f} s" for name, turn in turns[-1].items())
            sys.stdout.write(f"{len(turns):3d} {utterance.id}: {told}\n")
    return 0 if report(turns) else 1


if __name__ == "__main__":
    sys.exit(main())

"""What the harness costs: the timing lane's path against a bare loop, over the same utterances and loaded model.

Both arms take turns in one process, in an order drawn by seed. The bare arm is what one would write by hand with
faster-whisper: call the model, join its segments. The harness's arm does what the timing lane does for a round:
options mapped, the clock, a finished transcript, a record written to disk. Prints a line a turn and the median ratio.

    python benchmarks/overhead.py [--model NAME] [--rounds N] [--threads N]
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random

from faster_whisper import WhisperModel

from modellab.backends.faster_whisper import FasterWhisper
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.checkpoints.weights import Weights
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.measuring.accuracy import Place
from modellab.measuring.clock import timed
from modellab.measuring.latency import LatencyTrial
from modellab.records.environment import usable_cores
from modellab.records.store import Store
from modellab.sources.cache import cache_root
from modellab.speech.audio import read_audio
from modellab.speech.utterance import Corpus, Utterance

FIXTURES = Path(__file__).parents[1] / "fixtures"
GOAL = 1.02


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

    def listen(utterance: Utterance) -> None:
        trials[utterance.id].hear(utterance)
        for record in trials[utterance.id].records():
            store.append(record)

    return listen


def alternate(
    bare: Callable[[Utterance], object],
    harness: Callable[[Utterance], object],
    turns: Sequence[Utterance],
    random: Random,
) -> list[float]:
    """Give the ratio harness / bare of every turn, the order within a turn drawn by lot."""
    arms = {"bare": bare, "harness": harness}
    ratios = []
    for number, utterance in enumerate(turns, start=1):
        order = random.sample(sorted(arms), 2)
        seconds = {name: timed(partial(arms[name], utterance))[1] for name in order}
        ratios.append(seconds["harness"] / seconds["bare"])
        sys.stdout.write(
            f"{number:3d} {utterance.id}: bare {seconds['bare']:.4f} s, harness {seconds['harness']:.4f} s, "
            f"ratio {ratios[-1]:.4f}, {order[0]} first\n"
        )
    return ratios


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
    with tempfile.TemporaryDirectory() as folder:
        arms = bare_arm(model, corpus), harness_arm(model, weights, corpus, Store(Path(folder)))
        for warm_up in arms:
            warm_up(corpus.utterances[0])
        ratios = alternate(*arms, corpus.utterances * options.rounds, Random(options.seed))
    median = statistics.median(ratios)
    sys.stdout.write(
        f"overhead: median ratio {median:.4f} over {len(ratios)} turns (goal: at most {GOAL}), "
        f"quartiles {statistics.quantiles(ratios)[0]:.4f} to {statistics.quantiles(ratios)[2]:.4f}\n"
    )
    return 0 if median <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())

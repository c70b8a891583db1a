"""How much sooner a corpus is heard by the accuracy lane than by a plain loop, `make bench-throughput`.

The plain loop hears one utterance after another with all cores, as the scripts do that people copy. The lane chooses
its crew by short trials, once, and is timed with what it chose, from loaded models on both sides.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from modellab.backends.base import Backend
from modellab.backends.registry import backend_class, weights_for
from modellab.checkpoints.layouts import disk_bytes
from modellab.checkpoints.registry import Registry
from modellab.conditions.registry import read_conditions
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection, parse_selection
from modellab.measuring.accuracy import Place, hear
from modellab.measuring.arranging import Arrangements, Arranger, candidates
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.crew import Crew
from modellab.records.environment import usable_cores
from modellab.records.record import Arrangement, Record
from modellab.reporting.accuracy import pool_scores
from modellab.sources.cache import cache_root
from modellab.speech.utterance import Corpus, Utterance, corpus_of

FIXTURES = Path(__file__).parents[1] / "fixtures"
COPIES = 12  # of the small corpus, each in other noise, so that there is something to hear
BATCH = 8


class Ready:
    """A backend that is loaded."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend


def main() -> int:
    """Print the seconds and the error rate of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--backend", default="faster-whisper")
    parser.add_argument("--compute-type", default="int8")
    parser.add_argument("--corpus", help=f"a corpus by name or path (librivox, {COPIES} times in faint noise)")
    options = parser.parse_args()
    cache, cores = cache_root(None), usable_cores()
    corpus = speech(options.corpus, cache)
    checkpoint = Registry.read(FIXTURES / "models.toml").get(options.model)

    def build(threads: int) -> Backend:
        weights = weights_for(options.backend, options.compute_type, checkpoint, cache)
        return backend_class(options.backend)(weights=weights, compute_type=options.compute_type, threads=threads)

    place = Place(
        model=f"{options.backend}:{options.model}:cpu:{options.compute_type}",
        corpus=corpus.name,
        lane="accuracy",
        session=1,
    )
    print(f"{place.model} on {corpus}, {cores} cores")
    plain_s, plain = plainly(build(cores), corpus, place)
    report("plain loop", f"1 replica of {cores} threads, batches of 1", plain_s, plain, corpus)

    def hire(replicas: int, threads: int) -> Crew:
        return Crew(Blueprint.of(options.backend, build(threads)), replicas)

    with tempfile.TemporaryDirectory() as folder:
        arranger = Arranger(
            hire=hire,
            options=candidates(cores, disk_bytes(checkpoint, cache)),
            known=Arrangements(Path(folder)),
            key="here",
        )
        started_s = perf_counter()
        facts = list(arranger.hear(corpus, place, BATCH, None))
        whole_s = perf_counter() - started_s
        (chosen,) = (fact for fact in facts if isinstance(fact, Arrangement))
    for trial in chosen.trials:
        print(f"  trial: {trial.replicas} x {trial.threads} threads: {trial.rtfx:.2f} s of audio a second")
    crew_s, crew = together(hire(chosen.replicas, chosen.threads), corpus, place)
    report("the lane", f"{chosen.replicas} x {chosen.threads} threads, batches of {BATCH}", crew_s, crew, corpus)
    heard = [fact for fact in facts if isinstance(fact, Record)]
    report("the first time", "with trials and loading", whole_s, heard, corpus)
    print(f"ratio: {plain_s / crew_s:.2f} times the plain loop's throughput ({plain_s / whole_s:.2f} the first time)")
    same = {r.utterance: r.transcript for r in plain}
    changed = [r.utterance for r in crew if r.transcript != same[r.utterance]]
    print(f"transcripts that differ: {len(changed)} of {len(corpus)} {changed[:5] if changed else ''}")
    return 0


def speech(named: str | None, cache: Path) -> Corpus:
    """Give the corpus that was named, or copies of the small one, each in noise of its own."""
    corpora = read_corpora(FIXTURES / "corpora.toml")
    if named:
        return corpora.read(parse_selection(named), cache)
    small = corpora.read(Selection(source="librivox"), cache)
    effects = read_conditions(FIXTURES / "conditions.toml").effects(("noise:30dB",), small)
    copies = (small.under(effects, seed) for seed in range(COPIES))
    return corpus_of("librivox-copies", tuple(renamed(u, n) for n, copy in enumerate(copies) for u in copy))


def renamed(utterance: Utterance, number: int) -> Utterance:
    """Give the utterance under an id of its own."""
    return replace(utterance, id=f"{utterance.id}-{number}")


def plainly(backend: Backend, corpus: Corpus, place: Place) -> tuple[float, list[Record]]:
    """Hear one utterance after another, in the order of the corpus, with a model that is loaded."""
    with backend:
        started_s = perf_counter()
        records = [record for each in corpus for record in hear(Ready(backend), [each], place, 1)]
        return perf_counter() - started_s, records


def together(crew: Crew, corpus: Corpus, place: Place) -> tuple[float, list[Record]]:
    """Hear by a crew that is loaded."""
    with crew:
        crew.load()
        started_s = perf_counter()
        records = list(crew.hear(corpus, place, BATCH))
        return perf_counter() - started_s, records


def report(who: str, how: str, seconds: float, records: list[Record], corpus: Corpus) -> None:
    """Print a line."""
    rates = [score.rate for score in pool_scores(records) if score.rate is not None]
    wer = f"{rates[0]:.2%}" if len(rates) == 1 else "several metrics"
    failed = sum(record.failure is not None for record in records)
    lost = f", {failed} failed" if failed else ""
    print(f"{who}: {seconds:.1f} s, {corpus.duration_s / seconds:.2f} s of audio a second, WER {wer}{lost} ({how})")


if __name__ == "__main__":
    sys.exit(main())

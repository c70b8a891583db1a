"""What a large run costs: writing its records, and summarising them, against holding them all and scoring one by one.

The records are made by seed: several models, corpora and speakers, references of twenty invented words that are as
frequent as Zipf's law has them, and transcripts with words exchanged and dropped. Each summary is made in a fresh
process, whose peak of resident memory is told. The baseline summarises the first tenth, since it holds all it reads;
both say what a record costs.

    python benchmarks/store.py [--records N] [--seed N] [--folder PATH]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from random import Random
from time import process_time

from modellab.machine.clock import timed
from modellab.machine.memory import peak_memory_bytes
from modellab.records.environment import observe
from modellab.records.record import Record
from modellab.records.run import Run
from modellab.records.store import Store
from modellab.reporting.accuracy import judge_utterance, latest, pool
from modellab.reporting.summary import summarize
from modellab.scoring.score import Score
from modellab.speech.transcript import Segment, Transcript

GOAL_S, GOAL_MIB = 60.0, 1024.0
GOAL_RECORDS = 1_000_000
SHARE = 10  # the baseline takes one record in so many
WORDS, VOCABULARY = 20, 60_000
EXCHANGED, DROPPED = 0.05, 0.02
CORPORA, SPEAKERS = 4, 200
MODELS = tuple(
    f"{runtime}:{checkpoint}:cpu:{precision}"
    for runtime in ("faster-whisper", "openai-whisper")
    for checkpoint in ("whisper-tiny.en", "whisper-base")
    for precision in ("float32", "int8")
)
_MEBIBYTE = 1024 * 1024

Rates = Mapping[str, float | None]


class Speech:
    """Invented sentences: the same number gives the same reference to every model."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        random = Random(seed)
        self._words = [
            "".join(random.choices("abcdefghiklmnoprstuvwy", k=random.randint(2, 9))) for _ in range(VOCABULARY)
        ]
        self._shares = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))

    def reference(self, number: int) -> list[str]:
        """Give the words of an utterance."""
        return Random(f"{self._seed} {number}").choices(self._words, cum_weights=self._shares, k=WORDS)

    def misheard(self, said: list[str], random: Random) -> str:
        """Give what a model writes: most of the words, as a sentence."""
        kept = [word for word in said if random.random() >= DROPPED]
        words = [self._any(random) if random.random() < EXCHANGED else word for word in kept]
        return f"{' '.join(words).capitalize()}."

    def _any(self, random: Random) -> str:
        return random.choices(self._words, cum_weights=self._shares)[0]


def make_records(count: int, seed: int) -> Iterator[Record]:
    """Give records of every model in turn, each over the same utterances."""
    speech, random = Speech(seed), Random(seed)
    each = -(-count // len(MODELS))
    for place in range(count):
        model, number = MODELS[place // each], place % each
        said = speech.reference(number)
        text, duration_s = speech.misheard(said, random), round(random.uniform(3, 15), 2)
        speaker = f"speaker-{number % SPEAKERS:03}"
        yield Record(
            model=model,
            corpus=f"corpus-{number % CORPORA}",
            utterance=f"{speaker}-{number:07}",
            audio_duration_s=duration_s,
            reference=" ".join(said),
            lane="accuracy",
            session=1,
            language="en",
            speaker=speaker,
            transcript=Transcript(
                text=text, segments=(Segment(text=text, start_s=0.0, end_s=duration_s),), language="en"
            ),
            transcribe_s=(random.uniform(0.1, 2),),
            batch_size=8,
        )


def write(store: Store, records: Iterator[Record]) -> float:
    """Append the records; give the seconds that appending took, making them not counted."""
    seconds = 0.0
    for record in records:
        _, took_s = timed(lambda record=record: store.append(record))
        seconds += took_s
    store.close()
    return seconds


def streamed(store: Store, records: int) -> Rates:
    """Summarise as the report does."""
    run = Run(id="bench", created_at="2026-01-01T00:00:00+00:00", environment=observe(store.folder))
    report = summarize(run, islice(store.lines(), records))
    return {f"{row.model.id} on {row.corpus}": row.error_rate for row in report.rows}


def held(store: Store, records: int) -> Rates:
    """Summarise as one would by hand: hold every record, align and score one after another, and pool."""
    groups: dict[str, list[Score]] = {}
    for record in latest(islice(store.records(), records)):
        groups.setdefault(f"{record.model} on {record.corpus}", []).append(judge_utterance(record).score)
    return {place: pool(scores)[0].rate for place, scores in groups.items()}


WAYS: Mapping[str, Callable[[Store, int], Rates]] = {"streamed": streamed, "held": held}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one summary took in a process of its own, and the rates that it came to."""

    records: int
    seconds: float
    cpu_s: float
    peak_mib: float
    rates: Rates

    def __str__(self) -> str:
        each = f"{self.cpu_s / self.records * 1e6:.1f} us and {self.peak_mib * 1024 / self.records:.2f} KiB a record"
        took = f"{self.seconds:.1f} s ({self.cpu_s:.1f} s of one CPU)"
        return f"{self.records} records in {took}, peak {self.peak_mib:.0f} MiB: {each}"


def cost(way: str, folder: Path, records: int) -> Cost:
    """Give what a way of summarising costs in a fresh process."""
    command = [sys.executable, __file__, "--child", way, "--folder", str(folder), "--records", str(records)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own script
    return Cost(**json.loads(done.stdout))


def tell(way: str, folder: Path, records: int) -> None:
    """Summarise in this process and print what it took."""
    (rates, cpu_s), seconds = timed(lambda: timed(lambda: WAYS[way](Store(folder), records), process_time))
    told = {
        "records": records,
        "seconds": seconds,
        "cpu_s": cpu_s,
        "peak_mib": peak_memory_bytes() / _MEBIBYTE,
        "rates": rates,
    }
    sys.stdout.write(json.dumps(told))


def compare(folder: Path, records: int, seed: int) -> int:
    """Write a run, measure both ways and print; give 0 where they agree and the goal is met."""
    store = Store(folder)
    seconds, size_mib = write(store, make_records(records, seed)), store.records_path.stat().st_size / _MEBIBYTE
    print_line(f"append:   {records} records in {seconds:.1f} s, {records / seconds:.0f} a second, {size_mib:.0f} MiB")
    ours = cost("streamed", folder, records)
    print_line(f"streamed: {ours}")
    fewer = max(1, records // SHARE)
    plain, same = cost("held", folder, fewer), cost("streamed", folder, fewer)
    print_line(f"held:     {plain}")
    print_line(f"streamed: {same}")
    ratio = plain.cpu_s / plain.records / (ours.cpu_s / ours.records)
    print_line(f"ratio:    {ratio:.1f} in CPU time a record, {plain.peak_mib / same.peak_mib:.1f} in memory on {fewer}")
    print_line(f"rates:    {'equal' if plain.rates == same.rates else 'DIFFERENT'} in {len(same.rates)} rows of both")
    share = records / GOAL_RECORDS
    print_line(f"goal:     at most {GOAL_S * share:.1f} s and {GOAL_MIB:.0f} MiB for {records} records")
    return 0 if plain.rates == same.rates and ours.seconds <= GOAL_S * share and ours.peak_mib <= GOAL_MIB else 1


def print_line(text: str) -> None:
    """Print a line at once: the next may take a minute."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Measure and print; give 0 where both ways agree and the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=GOAL_RECORDS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to write the run; a temporary folder, removed, by default")
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        tell(options.child, options.folder, options.records)
        return 0
    with tempfile.TemporaryDirectory(prefix="modellab-store-") as temporary:
        return compare(options.folder or Path(temporary), options.records, options.seed)


if __name__ == "__main__":
    sys.exit(main())

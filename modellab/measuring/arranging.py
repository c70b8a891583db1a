"""Arranging: how many replicas of a model, with how many threads each, hear a corpus soonest on this machine."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock

from modellab.machine.clock import MONOTONIC, Clock
from modellab.measuring.accuracy import Place, recall
from modellab.measuring.crew import Crew
from modellab.records.record import Arrangement, Record, Trial
from modellab.records.transcripts import TranscriptCache
from modellab.speech.utterance import Utterance
from modellab.whole import replacing

WORTHWHILE_S = 120.0  # of audio: a corpus that lasts less is heard before replicas are loaded
SHARE = 2  # utterances of a trial, for each replica
_FILE = "arrangements.json"
_OVERHEAD_BYTES = 512 * 1024 * 1024  # of a process with its runtime, besides the weights
_COPIES = 3  # of the weights, at most, while they are read


def candidates(cores: int, weights_bytes: int) -> tuple[tuple[int, int], ...]:
    """Give pairs of replicas and threads that use all cores and fit in the memory that is free: 1, 2, 4 … replicas."""
    a_replica_bytes = _OVERHEAD_BYTES + _COPIES * weights_bytes
    room = max(1, psutil.virtual_memory().available // a_replica_bytes)
    counts = [2**power for power in range(cores.bit_length()) if 2**power <= cores]
    return tuple((count, cores // count) for count in counts if count <= room)


def shares(waiting: Sequence[Utterance], sizes: Sequence[int]) -> tuple[list[list[Utterance]], list[Utterance]]:
    """Give for each trial so many utterances of middling duration, dealt out in turn, and all that are left.

    Trials are compared by seconds of audio heard in a second, so their utterances need to be alike, not the same.
    """
    middle = sorted(waiting, key=lambda u: u.duration_s)
    start = max(0, (len(middle) - sum(sizes)) // 2)
    dealt: list[list[Utterance]] = [[] for _ in sizes]
    taken = set()
    for utterance in middle[start:]:
        least = [place for place, size in enumerate(sizes) if len(dealt[place]) < size]
        if not least:
            break
        place = min(least, key=lambda each: len(dealt[each]) / sizes[each])
        dealt[place].append(utterance)
        taken.add(utterance.id)
    return dealt, [utterance for utterance in waiting if utterance.id not in taken]


@dataclass(frozen=True, kw_only=True)
class Arranger:
    """Hears a corpus by a crew, after short trials where nobody knows which crew is best.

    Attributes:
        hire: gives a crew of so many replicas with so many threads each.
        options: the pairs of replicas and threads to choose from.
        known: what was best before.
        key: what the choice depends on.
    """

    hire: Callable[[int, int], Crew]
    options: Sequence[tuple[int, int]]
    known: "Arrangements"
    key: str
    clock: Clock = MONOTONIC

    def hear(
        self, utterances: Iterable[Utterance], place: Place, batch_size: int, cache: TranscriptCache | None
    ) -> Iterator[Record | Arrangement]:
        """Give the records of all utterances, those of the trials among them, and how the crew was arranged."""
        unknown: list[Utterance] = []
        for utterance, record in recall(utterances, place, cache):
            if record:
                yield record
            else:
                unknown.append(utterance)
        if not unknown:
            return
        trials: list[Trial] = []
        best = self.known.recall(self.key)
        if best is None or best not in self.options:
            dealt, unknown = shares(unknown, [SHARE * replicas for replicas, _ in self.options])
            for option, share in zip(self.options, dealt, strict=True):
                records, trial = self._try_out(option, share, place)
                trials.append(trial)
                yield from records
            fastest = max(trials, key=lambda trial: trial.rtfx)
            best = (fastest.replicas, fastest.threads)
            self.known.keep(self.key, best)
        replicas, threads = best
        yield Arrangement(
            model=place.model,
            corpus=place.corpus,
            session=place.session,
            replicas=replicas,
            threads=threads,
            trials=tuple(trials),
        )
        with self.hire(replicas, threads) as crew:
            yield from crew.hear(unknown, place, batch_size, cache=cache)

    def _try_out(
        self, option: tuple[int, int], share: Sequence[Utterance], place: Place
    ) -> tuple[tuple[Record, ...], Trial]:
        """Hear a share one by one, so that every replica has work; the crew is loaded before the clock starts."""
        with self.hire(*option) as crew:
            crew.load()
            started_s = self.clock()
            records = tuple(crew.hear(share, place, 1))
            work_s = self.clock() - started_s
        audio_s = sum(record.audio_duration_s for record in records if record.transcript)
        return records, Trial(replicas=option[0], threads=option[1], audio_s=audio_s, work_s=work_s)


class Arrangements:
    """What was found best, by what it depends on; a file that cannot be read or written is found out again."""

    def __init__(self, cache: Path) -> None:
        self._path = cache / _FILE

    def recall(self, key: str) -> tuple[int, int] | None:
        """Give replicas and threads; None where nobody knows."""
        found = self._read().get(key)
        return (int(found[0]), int(found[1])) if found else None

    def keep(self, key: str, best: tuple[int, int]) -> None:
        """Remember what was best."""
        with suppress(OSError), FileLock(self._path.with_suffix(".lock")):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._path) as fresh:
                fresh.write_text(json.dumps(self._read() | {key: list(best)}, indent=1, sort_keys=True))

    def _read(self) -> dict[str, list[int]]:
        try:
            return dict(json.loads(self._path.read_text()))
        except (OSError, ValueError, TypeError):
            return {}

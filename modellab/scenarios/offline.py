"""Offline: everything is asked for at once, under one setting after the other, to find which is done first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from modellab.errors import MeasurementRefused, ModelLabError
from modellab.records.scenario import Performance, Setting
from modellab.scenarios.load import at_once
from modellab.scenarios.performing import Ensemble, Piece, batches_of, unperformed
from modellab.speech.utterance import Utterance

MEMORY = frozenset({"MemoryError", "OutOfMemory", "OutOfMemoryError", "SIGKILL"})
"""Kinds of failures that a smaller batch may not have. A kernel that runs out of memory kills without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arranged:
    """How a corpus is dealt out: replicas, threads of each, utterances a batch, and whether like lengths meet."""

    replicas: int = 1
    threads: int = 1
    batch_size: int = 1
    by_length: bool = True

    def __post_init__(self) -> None:
        if min(self.replicas, self.threads, self.batch_size) < 1:
            raise MeasurementRefused(
                f"replicas, threads and batch_size must be 1 or more, not {self.replicas}, {self.threads} "
                f"and {self.batch_size}"
            )

    @property
    def setting(self) -> Setting:
        """As a performance has it."""
        return {
            "replicas": self.replicas,
            "threads": self.threads,
            "batch_size": self.batch_size,
            "by_length": self.by_length,
        }


Hire = Callable[[int, int], Ensemble]


def arrangements(cores: int, replicas: Sequence[int], batch_sizes: Sequence[int]) -> tuple[Arranged, ...]:
    """Give the settings worth a try on so many cores: all of them shared out, and one replica with a single thread.

    Like lengths meet in each; the largest batch is dealt out in the corpus's order, too.
    """
    shared = {(count, max(1, cores // count)) for count in replicas if count <= cores} | {(1, 1)}
    largest = max(batch_sizes)
    orders = [(size, True) for size in batch_sizes] + [(largest, False)] * (largest > 1)
    return tuple(
        Arranged(replicas=count, threads=threads, batch_size=size, by_length=by_length)
        for count, threads in sorted(shared)
        for size, by_length in orders
    )


def sweep(
    hire: Hire, piece: Piece, utterances: Sequence[Utterance], settings: Sequence[Arranged]
) -> Iterator[Performance]:
    """Give a performance of each setting; `hire` gives so many replicas of so many threads.

    A batch that does not fit in memory is a performance that says so. Larger ones are then left out, and the largest
    that fits is looked for between it and the largest that did.
    """
    ordered = sorted(settings, key=lambda s: (s.replicas, s.threads, s.by_length, s.batch_size))
    for (replicas, threads), group in groupby(ordered, key=lambda s: (s.replicas, s.threads)):
        own = tuple(group)
        try:
            with hire(replicas, threads) as ensemble:
                for by_length in sorted({each.by_length for each in own}, reverse=True):
                    sizes = [each.batch_size for each in own if each.by_length == by_length]
                    yield from _sizes(ensemble, utterances, sizes, by_length=by_length)
        except ModelLabError as error:
            yield unperformed(piece, "offline", own[0].setting, error)


def _sizes(
    ensemble: Ensemble, utterances: Sequence[Utterance], sizes: Sequence[int], *, by_length: bool
) -> Iterator[Performance]:
    fits = 0
    for size in sizes:
        yield (performance := _at_once(ensemble, utterances, size, by_length=by_length))
        if _is_too_large(performance):
            yield from _bisected(ensemble, utterances, fits, size, by_length=by_length)
            return
        fits = size


def _bisected(
    ensemble: Ensemble, utterances: Sequence[Utterance], fits: int, too_large: int, *, by_length: bool
) -> Iterator[Performance]:
    while too_large - fits > 1:
        size = (fits + too_large) // 2
        yield (performance := _at_once(ensemble, utterances, size, by_length=by_length))
        if _is_too_large(performance):
            too_large = size
        else:
            fits = size


def _at_once(ensemble: Ensemble, utterances: Sequence[Utterance], size: int, *, by_length: bool) -> Performance:
    batches = batches_of(_ordered(utterances, by_length=by_length), size)
    return ensemble.perform(
        "offline", {"batch_size": size, "by_length": by_length}, lambda desk: at_once(desk, batches)
    )


def _ordered(utterances: Sequence[Utterance], *, by_length: bool) -> Sequence[Utterance]:
    """Give the longest first, so that like lengths meet and no long one is begun last, or the order they are in."""
    return sorted(utterances, key=lambda u: (u.language, -u.duration_s)) if by_length else utterances


def _is_too_large(performance: Performance) -> bool:
    return any(call.failure and call.failure.kind.rpartition(".")[2] in MEMORY for call in performance.calls)

"""Repetition: the same few words over and over, as a model writes them into noise and silence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modellab.scoring.normalize import Normalizer
from modellab.scoring.wer import align

# How long a phrase may be to be found again, in units of the metric. A sentence that Whisper repeats in Japanese has
# more than a dozen characters.
LONGEST_PHRASE = {"wer": 8, "cer": 32}
LOOP_TIMES = 4
LOOP_UNITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A phrase written several times in a row, and the index of the unit where its first time begins."""

    phrase: tuple[str, ...]
    times: int
    start: int

    @property
    def units(self) -> int:
        """Units from the first time to the last."""
        return len(self.phrase) * self.times

    @property
    def repeated(self) -> int:
        """Units beyond the first time."""
        return len(self.phrase) * (self.times - 1)

    @property
    def is_loop(self) -> bool:
        """Whether no one speaks like that: four times or more in a row, over eight units or more.

        `no no no` and `thank you, thank you, thank you` are speech; so is a word said seven times. Somebody who does
        say a thing that often is mistaken for a loop, so compare with what the reference itself holds.
        """
        return self.times >= LOOP_TIMES and self.units >= LOOP_UNITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """How much of what was written is repeated, in units of the metric. `a + b` pools.

    `repeated` counts units beyond the first time of each run, `looped` those of loops alone, and `loops` the loops.
    """

    units: int = 0
    repeated: int = 0
    looped: int = 0
    loops: int = 0

    @property
    def looped_share(self) -> float | None:
        """The part of all units that only repeats a loop, as a fraction; None where nothing was written."""
        return self.looped / self.units if self.units else None

    def __add__(self, other: "Repetition") -> "Repetition":
        return Repetition(
            units=self.units + other.units,
            repeated=self.repeated + other.repeated,
            looped=self.looped + other.looped,
            loops=self.loops + other.loops,
        )


def repetition(text: str, normalizer: Normalizer, metric: str = "wer") -> Repetition:
    """Give how much of a text is repeated: words of it, or characters for the metric `cer`.

    Rules that write numbers in digits make one word of `one one one one`, so `basic` finds more than they do.
    """
    units = _units(text, normalizer, metric)
    found = runs(units, LONGEST_PHRASE[metric])
    loops = [run for run in found if run.is_loop]
    return Repetition(
        units=len(units),
        repeated=sum(run.repeated for run in found),
        looped=sum(run.repeated for run in loops),
        loops=len(loops),
    )


def longest_run(text: str, normalizer: Normalizer, metric: str = "wer") -> Run | None:
    """Give the run over most units, of two the one with the shorter phrase, then the first; None where none is."""
    every = _every_run(_units(text, normalizer, metric), LONGEST_PHRASE[metric])
    return min(every, key=_shortest_phrase_of_most, default=None)


def runs(units: Sequence[str], longest: int = LONGEST_PHRASE["wer"]) -> tuple[Run, ...]:
    """Give the runs of phrases of up to `longest` units, in order and without overlap.

    Where two overlap, a loop goes before what is none, then the one over more units; the other is left out. The time
    it takes grows with the number of units times `longest`.
    """
    taken, kept = bytearray(len(units)), []
    for run in sorted(_every_run(units, longest), key=lambda run: (not run.is_loop, *_shortest_phrase_of_most(run))):
        end = run.start + run.units
        if not any(taken[run.start : end]):
            taken[run.start : end] = b"\x01" * run.units
            kept.append(run)
    return tuple(sorted(kept, key=lambda run: run.start))


def _every_run(units: Sequence[str], longest: int) -> Iterator[Run]:
    """Give the runs of each length of phrase: where a unit is the one so many before it, for that many or more."""
    for length in range(1, min(longest, len(units) // 2) + 1):
        same = 0
        for end in range(length, len(units) + 1):
            if end < len(units) and units[end] == units[end - length]:
                same += 1
                continue
            if same >= length:
                start = end - same - length
                phrase = tuple(units[start : start + length])
                yield Run(phrase=phrase, times=same // length + 1, start=start)
            same = 0


def _shortest_phrase_of_most(run: Run) -> tuple[int, int, int]:
    return -run.units, len(run.phrase), run.start


def _units(text: str, normalizer: Normalizer, metric: str) -> tuple[str, ...]:
    """Give the units of a text as an alignment with nothing has them."""
    edits = align("", text, normalizer, metric)
    return edits[0].hypothesis if edits else ()

"""Sheet: every utterance of a run in a table small enough to hold: its errors, and where its record is."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from modellab.records.record import Lane, Record
from modellab.reporting.outcome import Outcome, Scorer
from modellab.scoring.score import Score

Sort = Literal["id", "-id", "wer", "-wer", "errors", "-errors", "duration", "-duration"]
Rows: TypeAlias = npt.NDArray[np.intp]

LANES: tuple[Lane, ...] = get_args(Lane)
_AT_ONCE = 50_000
_NAMED = ("model", "corpus", "utterance", "variation", "speaker", "rules")
_KEY = ("corpus", "utterance", "model", "variation", "lane")
_COLUMNS = np.dtype(
    [
        ("place", np.int64),
        *((name, np.int32) for name in _NAMED),
        ("lane", np.int8),
        ("hits", np.int32),
        ("substitutions", np.int32),
        ("deletions", np.int32),
        ("insertions", np.int32),
        ("duration_s", np.float64),
        ("failed", np.bool_),
        ("digest", "S8"),
    ]
)


class Spot(NamedTuple):
    """Where an utterance stands in an order: what it is ordered by, None where that is absent, and what names it."""

    value: float | None
    corpus: str
    utterance: str
    model: str
    variation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which utterances: those of a lane of which everything that is not None is true."""

    lane: Lane = "accuracy"
    model: str | None = None
    corpus: str | None = None
    failed: bool | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """The last record of each model, corpus, utterance, lane and variation of a run.

    Names are numbered in their order, so that numbers are ordered as names are.

    Attributes:
        columns: one row an utterance.
        names: of models, corpora, utterances, variations, speakers (empty where unknown) and metrics with normalisers.
    """

    columns: np.ndarray
    names: Mapping[str, tuple[str, ...]]
    _orders: dict[Sort, Rows] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.columns)

    def choose(self, choice: Choice, sort: Sort) -> Rows:
        """Give the numbers of the rows that are wanted, in an order; what has no such value comes last."""
        wanted = self.columns["lane"] == LANES.index(choice.lane)
        for name in ("model", "corpus"):
            if (asked := getattr(choice, name)) is not None:
                wanted &= self.columns[name] == self._numbers[name].get(asked, -1)
        if choice.failed is not None:
            wanted &= self.columns["failed"] == choice.failed
        order = self._order(sort)
        return np.asarray(order[wanted[order]])

    def places(self, rows: Rows) -> tuple[int, ...]:
        """Give the bytes that the lines of rows start at."""
        return tuple(self.columns["place"][rows].tolist())

    def spot(self, row: int, sort: Sort) -> Spot:
        """Give where a row stands in an order."""
        own, value = self.columns[row], float(_values(self.columns[row : row + 1], sort)[0])
        named = (self.names[name][own[name]] for name in ("corpus", "utterance", "model", "variation"))
        return Spot(None if value == inf else value, *named)

    def after(self, rows: Rows, spot: Spot, sort: Sort) -> Rows:
        """Give those of some rows, in their order, that stand after a spot."""
        sought = _comparable(spot)

        def stands_after(row: int) -> bool:
            found = _comparable(self.spot(row, sort))
            return found < sought if sort == "-id" else found > sought

        return rows[bisect_left(rows, True, key=stands_after) :]

    def score(self, row: int) -> Score:
        """Give the score of a row."""
        own = self.columns[row]
        metric, _, normalizer = self.names["rules"][own["rules"]].partition(" ")
        counts = {name: int(own[name]) for name in ("hits", "substitutions", "deletions", "insertions")}
        return Score(metric=metric, normalizer=normalizer, **counts)

    def heard(self, model: str, corpus: str) -> Mapping[str, int]:
        """Give the row of each utterance that a model gave a transcript of in the accuracy lane, by its id."""
        rows = self.choose(Choice(model=model, corpus=corpus, failed=False), "id")
        return {self.names["utterance"][self.columns["utterance"][row]]: int(row) for row in rows}

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Give which models were heard on which corpora in the accuracy lane."""
        heard = self.columns[(self.columns["lane"] == LANES.index("accuracy")) & ~self.columns["failed"]]
        found = np.unique(heard[["model", "corpus"]])
        return tuple((self.names["model"][model], self.names["corpus"][corpus]) for model, corpus in found)

    @cached_property
    def _numbers(self) -> Mapping[str, Mapping[str, int]]:
        return {
            name: {written: number for number, written in enumerate(self.names[name])} for name in ("model", "corpus")
        }

    def _order(self, sort: Sort) -> Rows:
        if sort not in self._orders:
            keys = [self.columns[name] for name in _KEY]
            if sort == "-id":
                keys = [-key.astype(np.int64) for key in keys]
            self._orders[sort] = np.lexsort([*reversed(keys), _values(self.columns, sort)])
        return self._orders[sort]


class SheetWriter:
    """Makes a sheet of records as they are read; none of them is held."""

    def __init__(self) -> None:
        self._scorer = Scorer()
        self._numbers: dict[str, dict[str, int]] = {name: {} for name in _NAMED}
        self._waiting: list[tuple[Any, ...]] = []
        self._written: list[np.ndarray] = []

    def watch(self, lines: Iterable[tuple[int, Any]]) -> Iterator[Any]:
        """Give lines, each with the byte that it starts at, on without it, writing down the records among them."""
        for place, line in lines:
            if isinstance(line, Record):
                self.enter(place, line)
            yield line

    def enter(self, place: int, record: Record) -> None:
        """Add a record, whose line starts at a byte of its file."""
        outcome: Outcome = self._scorer.outcome(record, record.failure)
        score = outcome.score
        named = {
            "model": record.model,
            "corpus": record.corpus,
            "utterance": record.utterance,
            "variation": record.variation,
            "speaker": record.speaker or "",
            "rules": f"{score.metric} {score.normalizer}",
        }
        numbers = (self._numbers[name].setdefault(text, len(self._numbers[name])) for name, text in named.items())
        counts = (score.hits, score.substitutions, score.deletions, score.insertions)
        lane, failed = LANES.index(record.lane), record.failure is not None
        self._waiting.append((place, *numbers, lane, *counts, record.audio_duration_s, failed, outcome.digest))
        if len(self._waiting) == _AT_ONCE:
            self._put_down()

    def sheet(self) -> Sheet:
        """Give the sheet of what was entered."""
        self._put_down()
        columns = np.concatenate(self._written) if self._written else np.empty(0, _COLUMNS)
        self._written = [columns]
        names: dict[str, tuple[str, ...]] = {}
        for name, numbers in self._numbers.items():
            names[name] = tuple(sorted(numbers))
            rank = np.empty(len(numbers), dtype=np.int32)
            rank[[numbers[text] for text in names[name]]] = np.arange(len(numbers), dtype=np.int32)
            columns[name] = rank[columns[name]]
        return Sheet(columns=_last_of_each(columns), names=names)

    def _put_down(self) -> None:
        self._written.append(np.array(self._waiting, dtype=_COLUMNS))
        self._waiting = []


def _values(columns: np.ndarray, sort: Sort) -> np.ndarray:
    """Give what an order goes by before it goes by names, falling ones negated; infinite where there is no such."""
    errors = (columns["substitutions"] + columns["deletions"] + columns["insertions"]).astype(float)
    length = columns["hits"] + columns["substitutions"] + columns["deletions"]
    found = {
        "id": np.zeros(len(columns)),
        "duration": columns["duration_s"],
        "errors": errors,
        "wer": errors / np.maximum(length, 1),
    }[sort.removeprefix("-")]
    absent = (length == 0) & (sort.removeprefix("-") == "wer")
    return np.where(absent, inf, -found if sort.startswith("-") else found)


def _comparable(spot: Spot) -> tuple[float, str, str, str, str]:
    return (inf if spot.value is None else spot.value, *spot[1:])


def _last_of_each(columns: np.ndarray) -> np.ndarray:
    """Give the last row of each utterance: a resumed run may hold several."""
    order = np.lexsort([columns["place"], *(columns[name] for name in reversed(_KEY))])
    ordered = columns[order]
    last = np.ones(len(ordered), dtype=bool)
    if len(ordered):
        last[:-1] = np.any([ordered[name][1:] != ordered[name][:-1] for name in _KEY], axis=0)
    return np.asarray(ordered[last])

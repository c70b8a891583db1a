"""Ledger: what the facts of a run come to, entered one at a time. No record is held once it has been entered."""

from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import NamedTuple, TypeVar

from modellab.records.failure import Failure
from modellab.records.record import Arrangement, ColdStart, Lane, Record
from modellab.records.scenario import Growth, Performance, Stream
from modellab.records.store import Line, Torn
from modellab.reporting.outcome import Outcome, Scorer
from modellab.reporting.timing import Timed, Timing
from modellab.reporting.varied import Other, other

Held = TypeVar("Held", bound=Hashable)


class Place(NamedTuple):
    """One model on one corpus."""

    model: str
    corpus: str


class Ledger:
    """What each utterance came to. Of several records of one the last counts: a resumed run may hold them.

    Attributes:
        heard: the outcome of each utterance in the accuracy lane, by model and corpus.
        timed: the seconds of each utterance in the timing lane, by model and corpus.
        varied: what was heard in another way, by model and corpus and by the way.
        arrangements: the crews that heard much speech.
        performances: the scenarios that were performed, by model and corpus, of the last session that tried each.
        streams: the utterances that were streamed, by model and corpus.
        growths: how memory grew, by model and by what was done over and over.
        starts: the cold starts by model, of the last session that tried any: a resumed run measures them anew.
        models: the models of which there is a fact.
        torn: how many lines were cut short.
    """

    def __init__(self) -> None:
        self.heard: dict[Place, dict[str, Outcome]] = defaultdict(dict)
        self.timed: dict[Place, dict[str, Timed]] = defaultdict(dict)
        self.starts: dict[str, tuple[ColdStart, ...]] = {}
        self.models: set[str] = set()
        self.torn = 0
        self.varied: dict[tuple[Place, str], dict[str, Other]] = defaultdict(dict)
        self.arrangements: list[Arrangement] = []
        self.performances: dict[Place, list[Performance]] = defaultdict(list)
        self.streams: dict[Place, dict[str, Stream]] = defaultdict(dict)
        self.growths: dict[str, dict[str, Growth]] = defaultdict(dict)
        self._scorer = Scorer()
        self._utterances = _Shared[str]()
        self._failures = _Shared[Failure]()

    def enter(self, line: Line) -> None:
        """Add what a line of a run's file says."""
        if isinstance(line, Torn):
            self.torn += 1
            return
        self.models.add(line.model)
        if isinstance(line, ColdStart):
            before = self.starts.get(line.model, ())
            same = before and before[-1].session == line.session
            self.starts[line.model] = (*before, line) if same else (line,)
        elif isinstance(line, Record):
            self._enter(line)
        elif isinstance(line, Performance):
            self._perform(line)
        elif isinstance(line, Stream):
            self.streams[Place(line.model, line.corpus)][line.utterance] = line
        elif isinstance(line, Growth):
            self.growths[line.model][line.turn] = line
        else:
            self.arrangements.append(line)

    @property
    def performed(self) -> tuple[Place, ...]:
        """Which models performed any scenario on which corpora."""
        return tuple(dict.fromkeys((*self.performances, *self.streams)))

    def _perform(self, line: Performance) -> None:
        own = self.performances[Place(line.model, line.corpus)]
        own[:] = [each for each in own if each.scenario != line.scenario or each.session == line.session]
        own.append(line)

    def _enter(self, record: Record) -> None:
        place, utterance = Place(record.model, record.corpus), self._utterances[record.utterance]
        failure = self._failures[record.failure] if record.failure else None
        if record.lane == "accuracy":
            self.heard[place][utterance] = self._scorer.outcome(record, failure)
        elif record.lane == "timing":
            self.timed[place][utterance] = Timed(
                audio_duration_s=record.audio_duration_s,
                transcribe_s=record.transcribe_s,
                batch_size=record.batch_size,
                failure=failure,
            )
        else:
            self.varied[place, record.variation][utterance] = other(record, failure)

    def timings(self, place: Place) -> tuple[Timing, ...]:
        """Give the timings of what one model heard of one corpus alone."""
        return tuple(
            Timing(
                model=place.model,
                corpus=place.corpus,
                utterance=utterance,
                audio_duration_s=timed.audio_duration_s,
                transcribe_s=timed.transcribe_s,
            )
            for utterance, timed in self.timed.get(place, {}).items()
            if timed.alone
        )

    def failures(self) -> Iterator[tuple[Place, str, Lane, Failure]]:
        """Give every utterance that failed, with its lane and why."""
        for place, heard in self.heard.items():
            yield from ((place, name, "accuracy", of.failure) for name, of in heard.items() if of.failure)
        for place, timed in self.timed.items():
            yield from ((place, name, "timing", of.failure) for name, of in timed.items() if of.failure)
        for (place, _), varied in self.varied.items():
            yield from ((place, name, "variation", of.failure) for name, of in varied.items() if of.failure)


class _Shared(dict[Held, Held]):
    """One object for all that are equal."""

    def __missing__(self, held: Held) -> Held:
        self[held] = held
        return held

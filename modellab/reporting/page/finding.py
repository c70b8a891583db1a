"""Findings: what the page shows beside the report's own figures, found in the records one at a time."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from modellab.records.record import Record
from modellab.reporting.accuracy import Judged, is_silence, judge_utterance
from modellab.reporting.ledger import Place
from modellab.reporting.page.listing import MOST_RECORDS, Heard, Listing, heard
from modellab.reporting.slices import Slicing, Spoken, slices, spoken
from modellab.scoring.confusion import Confusions, confusions
from modellab.scoring.normalize import normalizer
from modellab.scoring.repetition import Repetition, repetition
from modellab.scoring.wer import Edit
from modellab.scoring.writing import Writing, writing

# Gives the records of a run from the start each time it is called.
Records: TypeAlias = Callable[[], Iterable[Record]]

_ALIGNMENTS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a model writes: capitals and marks, and phrases repeated without end."""

    writing: Writing = field(default_factory=Writing)
    repetition: Repetition = field(default_factory=Repetition)

    def __add__(self, other: "Style") -> "Style":
        return Style(writing=self.writing + other.writing, repetition=self.repetition + other.repetition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found in the accuracy lane, by model and corpus, and the listing of utterances."""

    slicings: tuple[Slicing, ...]
    confusions: Mapping[Place, Confusions]
    styles: Mapping[Place, Style]
    listing: Listing


def find(records: Records, most: int = MOST_RECORDS) -> Findings:
    """Give the findings of a run.

    Of several records of an utterance the last counts. Where there are more than `most`, the listing has the utterances
    in which some model made the most errors, and counts the others.
    """
    last = _last(records)
    pages = _Findings(whole=sum(map(len, last.values())) <= most)
    for record in _only_last(records, last):
        pages.enter(judge_utterance(record))
    if not pages.whole:
        _list_worst(pages, _only_last(records, last), most)
    return pages.finish()


class _Findings:
    """The sums so far. Of a record, only what the sums are made of is held, and its row of the listing."""

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.listing = Listing()
        self.errors: Counter[Heard] = Counter()
        self.models: Counter[Heard] = Counter()
        self._spoken: list[Spoken] = []
        self._facts: dict[Heard, Mapping[str, str]] = {}
        self._styles: dict[Place, Style] = defaultdict(Style)
        self._confusions: dict[Place, Confusions] = defaultdict(Confusions)
        self._alignments: dict[Place, list[tuple[Edit, ...]]] = defaultdict(list)

    def enter(self, judged: Judged) -> None:
        record, key = judged.record, heard(judged.record)
        style = style_of(judged)
        self._styles[_place(record)] += style
        if not is_silence(record):
            one = spoken(record, judged.score)
            self._spoken.append(one._replace(facts=self._facts.setdefault(key, one.facts)))
            self._confuse(_place(record), judged.edits if record.transcript else ())
        if self.whole:
            self.listing.enter(judged, style.repetition.loops)
        else:
            self.errors[key] = max(self.errors[key], judged.score.errors)
            self.models[key] += 1

    def finish(self) -> Findings:
        for place in self._alignments:
            self._flush(place)
        return Findings(
            slicings=slices(self._spoken), confusions=self._confusions, styles=self._styles, listing=self.listing
        )

    def _confuse(self, place: Place, edits: tuple[Edit, ...]) -> None:
        self._alignments[place].append(tuple(edit for edit in edits if edit.operation != "equal"))
        if len(self._alignments[place]) >= _ALIGNMENTS_AT_ONCE:
            self._flush(place)

    def _flush(self, place: Place) -> None:
        self._confusions[place] += confusions(self._alignments[place])
        self._alignments[place].clear()


def style_of(judged: Judged) -> Style:
    """Give how one utterance is written: capitals and marks where something was said, loops in any case."""
    record, metric = judged.record, judged.score.metric
    if record.transcript is None:
        return Style()
    text = record.transcript.text
    return Style(
        writing=Writing() if is_silence(record) else writing(record.reference, text, metric),
        repetition=repetition(text, normalizer("basic"), metric),
    )


def _list_worst(pages: _Findings, records: Iterable[Record], most: int) -> None:
    chosen, held = set[Heard](), 0
    for key in sorted(pages.errors, key=lambda key: (-pages.errors[key], key)):
        held += pages.models[key]
        if held > most:
            break
        chosen.add(key)
    for record in records:
        if heard(record) in chosen:
            judged = judge_utterance(record)
            pages.listing.enter(judged, style_of(judged).repetition.loops)
    pages.listing.left_out = len(pages.errors) - len(chosen)


def _last(records: Records) -> Mapping[Place, Mapping[str, int]]:
    """Give by utterance the number of the record that counts."""
    last: dict[Place, dict[str, int]] = defaultdict(dict)
    for number, record in enumerate(records()):
        if record.lane == "accuracy":
            last[_place(record)][record.utterance] = number
    return last


def _only_last(records: Records, last: Mapping[Place, Mapping[str, int]]) -> Iterator[Record]:
    for number, record in enumerate(records()):
        if record.lane == "accuracy" and last[_place(record)][record.utterance] == number:
            yield record


def _place(record: Record) -> Place:
    return Place(record.model, record.corpus)

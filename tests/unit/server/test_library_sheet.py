"""The sheet of a run: it scores as the report does, and its pages leave nothing out."""

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modellab.records.failure import Failure
from modellab.records.record import Record
from modellab.reporting.accuracy import judge_utterance, latest
from modellab.server.http.part import Stretch, stretch_of
from modellab.server.library.sheet import Choice, Sheet, SheetWriter, Sort, Spot
from modellab.speech.transcript import Transcript

WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).map(" ".join)
SORTS: tuple[Sort, ...] = ("id", "-id", "wer", "-wer", "errors", "-errors", "duration", "-duration")


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Give records of few names, so that many are of one utterance."""
    heard = draw(st.none() | WORDS)
    lane = draw(st.sampled_from(["accuracy", "accuracy", "timing", "variation"]))
    return Record(
        model=draw(st.sampled_from(["m2", "m1"])),
        corpus=draw(st.sampled_from(["c2", "c1"])),
        utterance=draw(st.sampled_from(["u2", "u10", "ü", "u1"])),
        audio_duration_s=draw(st.sampled_from([1.0, 2.5, 0.1])),
        reference=draw(WORDS),
        lane=lane,
        session=1,
        language="en",
        speaker=draw(st.sampled_from([None, "s"])),
        transcript=None if heard is None else Transcript(text=heard),
        failure=Failure(stage="load", kind="E", message="") if heard is None else None,
        variation=draw(st.sampled_from(["w", "v"])) if lane == "variation" else "",
    )


def sheet_of(written: list[Record]) -> Sheet:
    """Give the sheet of records, as many bytes apart as their number."""
    writer = SheetWriter()
    for place, record in enumerate(written):
        writer.enter(place, record)
    return writer.sheet()


@given(written=st.lists(records(), max_size=30))
@settings(deadline=None, max_examples=60)
def test_it_holds_the_last_of_each(written: list[Record]) -> None:
    """Of each utterance the last record is found again by its place, with the score that the report gives it."""
    sheet = sheet_of(written)
    kept = [written[place] for place in sheet.places(np.arange(len(sheet)))]
    assert sorted(map(repr, kept)) == sorted(map(repr, latest(written)))
    for row, record in enumerate(kept):
        assert sheet.score(row) == judge_utterance(record).score


@given(
    written=st.lists(records(), max_size=30), sort=st.sampled_from(SORTS), failed=st.sampled_from([None, True, False])
)
@settings(deadline=None, max_examples=100)
def test_orders_and_pages(written: list[Record], sort: Sort, failed: bool | None) -> None:
    """Every order is total, and what stands after a spot is what comes after it in the whole."""
    sheet = sheet_of(written)
    rows = sheet.choose(Choice(failed=failed, model="m1"), sort)
    chosen = [written[place] for place in sheet.places(rows)]
    assert all(record.lane == "accuracy" and record.model == "m1" for record in chosen)
    assert failed is None or all((record.failure is not None) == failed for record in chosen)
    expected = sum(
        record.lane == "accuracy" and record.model == "m1" and failed in {None, record.failure is not None}
        for record in latest(written)
    )
    assert len(rows) == expected
    for position, row in enumerate(rows):
        rest = sheet.after(rows, sheet.spot(int(row), sort), sort)
        assert rest.tolist() == rows[position + 1 :].tolist()
    if sort in {"id", "-id"}:
        named = [(record.corpus, record.utterance) for record in chosen]
        assert named == sorted(named, reverse=sort == "-id")


def test_a_spot_of_what_is_gone() -> None:
    """A page goes on from where an utterance stood that is not there any more."""
    plain = {"corpus": "c", "audio_duration_s": 1.0, "reference": "", "lane": "accuracy", "session": 1, "model": "m"}
    sheet = sheet_of([Record(utterance=name, transcript=Transcript(text=""), **plain) for name in ("a", "c", "d")])  # type: ignore[arg-type]
    rows = sheet.choose(Choice(), "id")
    left = sheet.after(rows, Spot(0.0, "c", "b", "m", ""), "id")
    assert [sheet.spot(int(row), "id").utterance for row in left] == ["c", "d"]


def test_an_empty_sheet() -> None:
    """A run without records has no rows, under any order."""
    sheet = sheet_of([])
    assert (len(sheet), sheet.pairs(), sheet.heard("m", "c")) == (0, (), {})
    assert all(sheet.choose(Choice(), sort).tolist() == [] for sort in SORTS)


@given(written=st.lists(records(), max_size=30))
@settings(deadline=None, max_examples=40)
def test_who_heard_what(written: list[Record]) -> None:
    """The pairs of model and corpus are those with a transcript in the accuracy lane, and all their utterances."""
    expected: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in latest(written):
        if record.lane == "accuracy" and record.transcript:
            expected[record.model, record.corpus].add(record.utterance)
    sheet = sheet_of(written)
    assert {pair: set(sheet.heard(*pair)) for pair in sheet.pairs()} == expected


@settings(deadline=None)
@given(size=st.integers(0, 50), first=st.integers(0, 60), last=st.integers(0, 60))
def test_stretches_of_bytes(size: int, first: int, last: int) -> None:
    """A stretch lies within the bytes, whatever is asked for, and holds what a slice does."""
    whole = list(range(size))
    for header, expected in (
        (f"bytes={first}-{last}", whole[first : last + 1] if last >= first else None),
        (f"bytes={first}-", whole[first:]),
        (f"bytes=-{last}", whole[-last:] if last else []),
    ):
        found = stretch_of(header, size)
        if expected is None:
            assert found is None
        else:
            assert found is not None
            assert 0 <= found.start <= size
            assert found.end <= size
            assert whole[found.start : found.end] == expected, header


@settings(deadline=None)
@given(header=st.text())
def test_headers_that_are_none(header: str) -> None:
    """Whatever else a Range header says is passed over or a stretch, and raises nothing."""
    found = stretch_of(header, 10)
    assert found is None or isinstance(found, Stretch)

"""Utterances: what was heard in a run, with where the errors are, and what it sounds like."""

from statistics import median
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field, TypeAdapter

from modellab.records.record import Lane, Record
from modellab.reporting.accuracy import judge_utterance
from modellab.server.http.access import needs
from modellab.server.http.part import give
from modellab.server.http.problem import answers
from modellab.server.library.cursor import read_cursor, write_cursor
from modellab.server.library.result import Body, ScoreBody
from modellab.server.library.sheet import Choice, Sort, Spot
from modellab.server.routes.documented import in_parts
from modellab.server.routes.parameters import Cursor, Limit, Name, OptionalName, RunId
from modellab.server.service import Served
from modellab.server.upload.peaks import peaks as peaks_of
from modellab.speech.audio import SAMPLE_RATE_HZ

router = APIRouter(prefix="/api/runs/{run}/utterances", dependencies=[needs("read")], tags=["runs"])

_SPOT: TypeAdapter[tuple[float | None, str, str, str, str]] = TypeAdapter(
    tuple[Annotated[float, Field(allow_inf_nan=False)] | None, str, str, str, str]
)


class StretchBody(Body):
    """A stretch of a transcript, in seconds from the start of the audio."""

    text: str
    start_s: float
    end_s: float


class EditBody(Body):
    """A run of equal or differing units, normalised: words, or characters where the metric is cer."""

    operation: Literal["equal", "substitute", "delete", "insert"]
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]


class UtteranceFailureBody(Body):
    """Why there is no transcript."""

    stage: str
    kind: str
    message: str


class UtteranceBody(Body):
    """One utterance and one model. A failure counts as having written nothing.

    `error_rate` is a fraction, None where nothing is said. `work_s` is the median of the rounds, None where it was
    heard in a batch, whose seconds `transcribe_s` are.
    """

    model: str
    corpus: str
    utterance: str
    lane: Lane
    variation: str
    language: str
    speaker: str | None
    audio_duration_s: float
    reference: str
    hypothesis: str | None
    error_rate: float | None
    score: ScoreBody
    alignment: tuple[EditBody, ...]
    segments: tuple[StretchBody, ...]
    transcribe_s: tuple[float, ...]
    batch_size: int
    work_s: float | None
    cached: bool
    failure: UtteranceFailureBody | None

    @classmethod
    def of(cls, record: Record) -> "UtteranceBody":
        """Give the body of a record, with where its errors are."""
        judged, heard = judge_utterance(record), record.transcript
        alone = record.batch_size == 1 and record.transcribe_s
        return cls(
            model=record.model,
            corpus=record.corpus,
            utterance=record.utterance,
            lane=record.lane,
            variation=record.variation,
            language=record.language,
            speaker=record.speaker,
            audio_duration_s=record.audio_duration_s,
            reference=record.reference,
            hypothesis=heard.text if heard else None,
            error_rate=judged.score.rate,
            score=ScoreBody.of(judged.score),
            alignment=tuple(map(EditBody.model_validate, judged.edits)),
            segments=tuple(map(StretchBody.model_validate, heard.segments)) if heard else (),
            transcribe_s=record.transcribe_s,
            batch_size=record.batch_size,
            work_s=median(record.transcribe_s) if alone else None,
            cached=record.cached,
            failure=UtteranceFailureBody.model_validate(record.failure) if record.failure else None,
        )


class UtterancesBody(Body):
    """A page of utterances; `total` are wanted in all."""

    utterances: tuple[UtteranceBody, ...]
    total: int
    next_cursor: str | None


class PeaksBody(Body):
    """The least and the greatest sample of each of equal stretches of an utterance, in [-1, 1]."""

    peaks: list[list[float]]
    duration_s: float
    sample_rate_hz: int


@router.get("", responses=answers(400, 404, 422))
def list_utterances(
    service: Served,
    run: RunId,
    *,
    cursor: Cursor = None,
    limit: Limit = 50,
    sort: Sort = "id",
    lane: Lane = "accuracy",
    model: OptionalName = None,
    corpus: OptionalName = None,
    failed: bool | None = None,
) -> UtterancesBody:
    """List what was heard, with where the errors are; of a model that heard an utterance twice, the last."""
    entry = service.library.find(run)
    spot = Spot(*read_cursor(cursor, sort, _SPOT)) if cursor else None
    sheet = service.library.reading(entry).sheet
    rows = sheet.choose(Choice(lane=lane, model=model, corpus=corpus, failed=failed), sort)
    left = sheet.after(rows, spot, sort) if spot else rows
    shown = left[:limit]
    last = sheet.spot(int(shown[-1]), sort) if len(left) > limit else None
    return UtterancesBody(
        utterances=tuple(map(UtteranceBody.of, service.library.records(entry, sheet.places(shown)))),
        total=len(rows),
        next_cursor=write_cursor(sort, last) if last else None,
    )


@router.get(
    "/audio",
    response_class=Response,
    responses=answers(404, 416, 422) | in_parts(["audio/wav"]),
)
def hear_utterance(request: Request, service: Served, run: RunId, corpus: Name, utterance: Name) -> Response:
    """Give what the models heard, as wav: 16 kHz, mono, 16 bit. There is none where its corpus is not on this disk."""
    recording = service.library.hear(run, corpus, utterance)
    wav = recording.wav
    return give(
        request,
        lambda start, end: (wav[start:end],),
        size_bytes=len(wav),
        tag=f'"{recording.tag}"',
        media_type="audio/wav",
        headers={},
    )


@router.get("/peaks", responses=answers(404, 422))
def draw_utterance(
    service: Served,
    run: RunId,
    corpus: Name,
    utterance: Name,
    count: Annotated[int, Query(ge=1, le=4096)] = 800,
) -> PeaksBody:
    """Give what is needed to draw the wave of what the models heard."""
    audio = service.library.hear(run, corpus, utterance).audio
    return PeaksBody(
        peaks=list(map(list, peaks_of(audio.samples, count))),
        duration_s=audio.duration_s,
        sample_rate_hz=SAMPLE_RATE_HZ,
    )

"""Runs: which there are, what each came to, what was heard in it, and its files."""

from collections.abc import Mapping
from hashlib import sha256
from statistics import median
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, TypeAdapter

from modellab.backends.base import JsonValue
from modellab.errors import BadDefinition, BadRecord, Refused
from modellab.records.record import Lane, Record
from modellab.records.run import Run
from modellab.reporting.accuracy import judge_utterance
from modellab.server.http.access import needs
from modellab.server.http.conditional import NO_CACHE, named, tag_of, unchanged
from modellab.server.http.part import give
from modellab.server.http.problem import answers
from modellab.server.library.artefacts import MEDIA_TYPES, NAME, artefact, artefacts, read_stretch
from modellab.server.library.cursor import MOST_CHARACTERS, read_cursor, write_cursor
from modellab.server.library.entry import RUN_ID, Entry, State
from modellab.server.library.index import Sort, Wanted
from modellab.server.library.labels import Tags
from modellab.server.library.result import Body, ScoreBody, Summary
from modellab.server.library.sheet import Choice, Spot
from modellab.server.library.sheet import Sort as UtteranceSort
from modellab.server.service import Served
from modellab.server.upload.peaks import peaks as peaks_of
from modellab.speech.audio import SAMPLE_RATE_HZ

router = APIRouter(prefix="/api/runs", dependencies=[needs("read")], tags=["runs"])

MOST_UNREAD = 100
_WITHOUT_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
_SANDBOX = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}
_SPOT: TypeAdapter[tuple[float | None, str, str, str, str]] = TypeAdapter(
    tuple[Annotated[float, Field(allow_inf_nan=False)] | None, str, str, str, str]
)

RunId = Annotated[str, Path(pattern=RUN_ID, description="the id in run.json")]
Cursor = Annotated[str | None, Query(min_length=1, max_length=MOST_CHARACTERS, description="`next_cursor` of a page")]
Limit = Annotated[int, Query(ge=1, le=200)]
Name = Annotated[str, Query(min_length=1, max_length=500, pattern=_WITHOUT_CONTROLS)]
OptionalName = Annotated[str | None, Query(min_length=1, max_length=500, pattern=_WITHOUT_CONTROLS)]

_WITH_TAG: dict[int | str, dict[str, Any]] = {304: {"description": "Not Modified: it is what If-None-Match names"}}


class RunBody(Body):
    """A run, as the index knows it.

    `state` is `running` where a session has not said how it ended: it is under way, or its process died. `utterances`
    were planned.
    """

    id: str
    folder: str
    created_at: str
    state: State
    models: tuple[str, ...]
    corpora: tuple[str, ...]
    languages: tuple[str, ...]
    utterances: int
    records_bytes: int
    size_bytes: int
    pinned: bool
    tags: tuple[str, ...]

    @classmethod
    def of(cls, entry: Entry) -> "RunBody":
        """Give the body of an entry."""
        return cls(**_facts_of(entry))


class UnreadBody(Body):
    """A folder that is not among the runs though it holds something of one, and why."""

    folder: str
    reason: str


class RunsBody(Body):
    """A page of runs; `total` are wanted in all. `complete` says whether every folder was looked at since the start."""

    runs: tuple[RunBody, ...]
    total: int
    next_cursor: str | None
    complete: bool
    unread: tuple[UnreadBody, ...]
    unread_total: int


class CorpusFactsBody(Body):
    """Which speech a run heard; `revision` is a hash of its audio and references."""

    revision: str
    utterances: int
    duration_s: float
    languages: tuple[str, ...]
    clean: str
    selection: str
    conditions: tuple[str, ...]


class ModelFactsBody(Body):
    """A model of a run, with its options and the decode options that its runtime cannot follow."""

    backend: str
    runtime_version: str | None
    environment: str | None
    options: Mapping[str, JsonValue]
    not_honoured: tuple[str, ...]


class SkippedBody(Body):
    """What was asked for and not run, and why; an empty corpus means all of them."""

    model: str
    corpus: str
    reason: str


class SessionBody(Body):
    """One call of pytest. Times are ISO 8601 in UTC."""

    number: int
    argv: tuple[str, ...]
    started_at: str
    ended_at: str | None
    outcome: str
    workers: int
    seed: int
    limit: int | None
    planned_utterances: int
    resumes: tuple[int, ...]
    skipped: tuple[SkippedBody, ...]


class EnvironmentBody(Body):
    """The machine and the versions that a run was made with."""

    python: str
    platform: str
    machine: str
    processor: str
    cores: int
    memory_bytes: int
    packages: Mapping[str, str]
    git_commit: str | None
    git_dirty: bool | None
    devices: tuple[str, ...]
    unreadable: Mapping[str, str]


class RunDetailBody(RunBody):
    """A run, and what it came to.

    `summary` is None while it is worked out, where `summary_pending`, and where it cannot be, as `summary_error` says.
    """

    sessions: tuple[SessionBody, ...]
    environment: EnvironmentBody
    corpus_facts: Mapping[str, CorpusFactsBody]
    model_facts: Mapping[str, ModelFactsBody]
    budgets: tuple[Mapping[str, JsonValue], ...]
    summary: Summary | None
    summary_pending: bool
    summary_error: str | None


class LabelsBody(BaseModel):
    """What is to be said of a run; what is left out stays."""

    model_config = {"extra": "forbid"}

    pinned: bool | None = None
    tags: Tags | None = None


class SegmentBody(Body):
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
    segments: tuple[SegmentBody, ...]
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
            segments=tuple(map(SegmentBody.model_validate, heard.segments)) if heard else (),
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


class ArtefactBody(Body):
    """A file of a run's folder."""

    name: str
    media_type: str
    size_bytes: int


class ArtefactsBody(Body):
    """The files of a run's folder that are for reading, by name."""

    artefacts: tuple[ArtefactBody, ...]


@router.get("", response_model=RunsBody, responses=answers(400, 422) | _WITH_TAG)
def list_runs(
    request: Request,
    service: Served,
    *,
    cursor: Cursor = None,
    limit: Limit = 50,
    sort: Sort = "-created_at",
    model: OptionalName = None,
    corpus: OptionalName = None,
    outcome: State | None = None,
    tag: OptionalName = None,
    pinned: bool | None = None,
    q: OptionalName = None,
) -> Response:
    """List the runs. `q` stands in a folder's name, an id, a model's, a corpus's or a tag, in any case."""
    library = service.library
    unread = library.unread
    tag_of_page = tag_of(library.index.revision(), library.complete, unread, request.url.query)
    known = unchanged(request, tag_of_page)
    if known:
        return known
    wanted = Wanted(model=model, corpus=corpus, tag=tag, state=outcome, pinned=pinned, words=q)
    page = library.index.page(wanted, sort, cursor, limit)
    body = RunsBody(
        runs=tuple(map(RunBody.of, page.entries)),
        total=page.total,
        next_cursor=page.next,
        complete=library.complete,
        unread=tuple(map(UnreadBody.model_validate, unread[:MOST_UNREAD])),
        unread_total=len(unread),
    )
    return _tagged(body, tag_of_page)


@router.get("/{run}", response_model=RunDetailBody, responses=answers(404, 422) | _WITH_TAG)
def read_run(request: Request, service: Served, run: RunId) -> Response:
    """Tell what a run is, and what it came to."""
    library = service.library
    entry = library.find(run)
    known = unchanged(request, _tag(entry))
    if known:
        return known
    summary, error, current = None, None, False
    try:
        reading = library.reading(entry)
        summary, current = reading.summary, reading.signature == entry.of_records
    except Refused as refused:
        if refused.code != "being_read":
            raise
    except (BadRecord, BadDefinition) as refused:
        error, current = str(refused), True
    body = RunDetailBody(
        **_facts_of(entry),
        **_stated(library.run(entry)),
        summary=summary,
        summary_pending=summary is None and error is None,
        summary_error=error,
    )
    return _tagged(body, _tag(entry) if current else tag_of(entry.signature, "pending"))


@router.patch(
    "/{run}", response_model=RunBody, dependencies=[needs("evaluate")], responses=answers(404, 409, 412, 422, 507)
)
def label_run(
    service: Served,
    run: RunId,
    labels: LabelsBody,
    if_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> Response:
    """Pin a run, so that nothing deletes it, or tag it; with If-Match, only as it was read."""
    asked = named(if_match)
    only_if = None if if_match is None or "*" in asked else {tag.strip('"').partition(".")[0] for tag in asked}
    entry = service.library.label(run, pinned=labels.pinned, tags=labels.tags, only_if=only_if)
    return _tagged(RunBody.of(entry), _tag(entry))


@router.get("/{run}/utterances", responses=answers(400, 404, 422))
def list_utterances(
    service: Served,
    run: RunId,
    *,
    cursor: Cursor = None,
    limit: Limit = 50,
    sort: UtteranceSort = "id",
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
    "/{run}/utterances/audio",
    response_class=Response,
    responses=answers(404, 416, 422)
    | _WITH_TAG
    | {
        200: {"description": "all of it", "content": {"audio/wav": {}}},
        206: {"description": "the part that Range names", "content": {"audio/wav": {}}},
    },
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
        headers={"X-Content-Type-Options": "nosniff"},
    )


@router.get("/{run}/utterances/peaks", responses=answers(404, 422))
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


@router.get("/{run}/artefacts", responses=answers(404, 422))
def list_artefacts(service: Served, run: RunId) -> ArtefactsBody:
    """List the files of a run's folder that are for reading."""
    store = service.library.store(service.library.find(run))
    return ArtefactsBody(artefacts=tuple(map(ArtefactBody.model_validate, artefacts(store.folder))))


@router.get(
    "/{run}/artefacts/{name}",
    response_class=Response,
    responses=answers(404, 416, 422)
    | _WITH_TAG
    | {
        status: {"description": told, "content": {kind.partition(";")[0]: {} for kind in MEDIA_TYPES.values()}}
        for status, told in ((200, "all of it"), (206, "the part that Range names"))
    },
)
def read_artefact(request: Request, service: Served, run: RunId, name: Annotated[str, Path(pattern=NAME)]) -> Response:
    """Give a file. A page is shown as one that nobody vouches for: it runs no script and is of no origin."""
    store = service.library.store(service.library.find(run))
    found = artefact(store.folder, name)
    return give(
        request,
        lambda start, end: read_stretch(found.open(), start, end),
        size_bytes=found.size_bytes,
        tag=tag_of(found.mtime_ns, found.size_bytes, name),
        media_type=found.media_type,
        headers={**_SANDBOX, "Content-Disposition": f'inline; filename="{name}"'},
    )


def _tag(entry: Entry) -> str:
    """Give the tag of a run: before the point that of its labels, which is all that a change of these looks at."""
    return f'"{entry.labels.revision}.{sha256(entry.signature.encode()).hexdigest()[:12]}"'


def _tagged(body: BaseModel, tag: str) -> Response:
    headers = {"ETag": tag, "Cache-Control": NO_CACHE}
    return Response(body.model_dump_json(), media_type="application/json", headers=headers)


def _facts_of(entry: Entry) -> Mapping[str, Any]:
    own = {name: getattr(entry, name) for name in RunBody.model_fields if hasattr(entry, name)}
    return own | {"pinned": entry.labels.pinned, "tags": entry.labels.tags}


def _stated(run: Run) -> Mapping[str, Any]:
    """Give what run.json says."""
    corpora = {
        name: CorpusFactsBody(
            revision=facts.revision,
            utterances=facts.utterances,
            duration_s=facts.duration_s,
            languages=facts.languages,
            clean=facts.clean,
            selection=facts.selection,
            conditions=tuple(map(str, facts.conditions)),
        )
        for name, facts in run.corpora.items()
    }
    environment = {name: getattr(run.environment, name) for name in EnvironmentBody.model_fields if name != "devices"}
    return {
        "sessions": tuple(map(SessionBody.model_validate, run.sessions)),
        "environment": EnvironmentBody(
            **environment, devices=tuple(facts.device.name for facts in run.environment.devices)
        ),
        "corpus_facts": corpora,
        "model_facts": {
            name: ModelFactsBody.model_validate(facts)
            for session in run.sessions
            for name, facts in session.models.items()
        },
        "budgets": run.budgets,
    }

"""Runs: which there are, what each came to, and what people say of it."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel

from modellab.backends.base import JsonValue
from modellab.errors import BadDefinition, BadRecord, Refused
from modellab.records.run import Run
from modellab.server.http.access import needs
from modellab.server.http.conditional import NO_CACHE, named, tag_of, unchanged
from modellab.server.http.problem import answers
from modellab.server.library.entry import Entry, State
from modellab.server.library.index import Sort, Wanted
from modellab.server.library.labels import Tags
from modellab.server.library.result import Body, Summary
from modellab.server.routes.documented import WITH_TAG
from modellab.server.routes.parameters import Cursor, Limit, OptionalName, RunId
from modellab.server.service import Served

router = APIRouter(prefix="/api/runs", dependencies=[needs("read")], tags=["runs"])

MOST_UNREAD = 100


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
    label: str
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


@router.get("", response_model=RunsBody, responses=answers(400, 422) | WITH_TAG)
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


@router.get("/{run}", response_model=RunDetailBody, responses=answers(404, 422) | WITH_TAG)
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


def _tag(entry: Entry) -> str:
    """Give the tag of a run: before the point that of its labels, which is all that a change of these looks at."""
    return f'"{entry.labels.revision}.{sha256(entry.signature.encode()).hexdigest()[:12]}"'


def _tagged(body: BaseModel, tag: str) -> Response:
    headers = {"ETag": tag, "Cache-Control": NO_CACHE}
    return Response(body.model_dump_json(), media_type="application/json", headers=headers)


def _facts_of(entry: Entry) -> Mapping[str, Any]:
    own = {name: getattr(entry, name) for name in RunBody.model_fields if hasattr(entry, name)}
    return own | {"pinned": entry.labels.pinned, "label": entry.labels.label, "tags": entry.labels.tags}


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

"""Evaluations: bench runs that are started over HTTP, watched, and cancelled."""

from collections.abc import AsyncIterable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field, TypeAdapter

from modellab.server.http.access import needs
from modellab.server.http.problem import answers
from modellab.server.jobs.check import checked
from modellab.server.jobs.events import follow
from modellab.server.jobs.job import Job, State, Verdict
from modellab.server.jobs.order import Order
from modellab.server.library.cursor import read_cursor, write_cursor
from modellab.server.library.entry import RUN_ID
from modellab.server.routes.parameters import Cursor, Limit
from modellab.server.service import Served

router = APIRouter(prefix="/api/evaluations", dependencies=[needs("read")], tags=["evaluations"])

BODY_BYTES = 64 << 10
_MOST = 2**31 - 1
_NEWEST = "newest"
_PLACE = TypeAdapter(Annotated[list[Annotated[int, Field(ge=1, le=_MOST)]], Field(min_length=1, max_length=1)])

Id = Annotated[str, Path(pattern=RUN_ID, description="a ULID")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]+$",
        description="A word that stands for this order: sent again with it, it starts nothing anew.",
    ),
]


class EvaluationBody(BaseModel):
    """An evaluation. `verdict` says whether every claim held; `reason` why it is not complete, or waits again."""

    id: str
    state: State
    order: Order
    run: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    planned_utterances: int | None
    recorded_facts: int | None
    verdict: Verdict | None
    reason: str | None
    last_lines: list[str]
    cancel_asked: bool


class EvaluationsBody(BaseModel):
    """Evaluations, the newest first; `next_cursor` asks for those before them, and is null where there are none."""

    evaluations: list[EvaluationBody]
    next_cursor: str | None


class EvaluationEvent(BaseModel):
    """What became of an evaluation: a new state, or how far its run has come."""

    state: State
    at: datetime
    attempt: int
    planned_utterances: int | None
    recorded_facts: int | None
    verdict: Verdict | None
    reason: str | None


def _found(id: Id, service: Served) -> Job:  # noqa: A002
    return service.jobs.queue.get(id)


Found = Annotated[Job, Depends(_found)]


@router.post(
    "",
    status_code=202,
    dependencies=[needs("evaluate")],
    responses=answers(409),
    max_body_size=BODY_BYTES,
)
def start_evaluation(
    order: Order, request: Request, response: Response, service: Served, key: Key = None
) -> EvaluationBody:
    """Put an evaluation into the queue."""
    whose = request.state.principal.key_id or ""
    asked = checked(order, service.definitions)
    placed = service.jobs.queue.add(asked, key and f"{whose}:{key}")
    service.jobs.runner.wake()
    response.headers["Location"] = f"{router.prefix}/{placed.job.id}"
    if placed.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return _body(placed.job)


@router.get("", responses=answers())
def list_evaluations(
    service: Served,
    state: State | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> EvaluationsBody:
    """Give the evaluations, the newest first."""
    before = None if cursor is None else read_cursor(cursor, _NEWEST, _PLACE)[0]
    jobs = service.jobs.queue.page(size=limit + 1, before=before, state=state)
    more = len(jobs) > limit
    return EvaluationsBody(
        evaluations=[_body(job) for job in jobs[:limit]],
        next_cursor=write_cursor(_NEWEST, (jobs[limit - 1].number,)) if more else None,
    )


@router.get("/{id}", responses=answers(404))
def read_evaluation(job: Found) -> EvaluationBody:
    """Give one evaluation."""
    return _body(job)


@router.post("/{id}/cancel", status_code=202, dependencies=[needs("evaluate")], responses=answers(404, 409))
def cancel_evaluation(job: Found, service: Served) -> EvaluationBody:
    """Cancel an evaluation; what it has recorded is kept."""
    return _body(service.jobs.queue.cancel(job.id))


@router.get("/{id}/log", response_class=PlainTextResponse, responses=answers(404))
def read_evaluation_log(job: Found, service: Served, lines: Annotated[int, Query(ge=1, le=1000)] = 100) -> str:
    """Give the last lines that an evaluation has printed; nothing before it began."""
    return "".join(f"{line}\n" for line in service.jobs.place.log(job.id).tail(lines))


@router.get("/{id}/events", response_class=EventSourceResponse, responses=answers(404))
async def follow_evaluation(
    job: Found,
    service: Served,
    last_event_id: Annotated[int, Header(alias="Last-Event-ID", ge=0, le=_MOST)] = 0,
) -> AsyncIterable[ServerSentEvent]:
    """Tell what becomes of an evaluation, beyond an event or from its beginning, until it has ended.

    Events are called `state` and `progress`; that of a state in which it has ended is the last.
    """
    async for event in follow(service.jobs.queue, job.id, last_event_id, service.stopping):
        told = EvaluationEvent(
            state=event.state,
            at=datetime.fromisoformat(event.at),
            attempt=event.attempt,
            planned_utterances=event.planned,
            recorded_facts=event.heard,
            verdict=event.verdict,
            reason=event.reason,
        )
        yield ServerSentEvent(data=told, event=event.kind, id=str(event.number))


def _body(job: Job) -> EvaluationBody:
    return EvaluationBody(
        id=job.id,
        state=job.state,
        order=job.order,
        run=job.run,
        created_at=datetime.fromisoformat(job.created_at),
        started_at=_time(job.started_at),
        ended_at=_time(job.ended_at),
        attempts=job.attempts,
        planned_utterances=job.planned,
        recorded_facts=job.heard,
        verdict=job.verdict,
        reason=job.reason,
        last_lines=list(job.last_lines),
        cancel_asked=job.cancel_asked,
    )


def _time(at: str | None) -> datetime | None:
    return None if at is None else datetime.fromisoformat(at)

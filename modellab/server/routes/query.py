"""Query: SQL over the records of all runs, which changes nothing."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from modellab.records.view import VIEWS
from modellab.server.http.access import needs
from modellab.server.http.problem import answers
from modellab.server.library.entry import RUN_ID
from modellab.server.service import Served

router = APIRouter(prefix="/api/query", dependencies=[needs("read")], tags=["query"])


class QuestionBody(BaseModel):
    """One SELECT over the views that GET /api/query/views lists, and how many of its rows are wanted.

    `runs` names the runs that are asked about; without it, it is all of them, which takes long where they are many.
    """

    model_config = ConfigDict(extra="forbid")

    sql: Annotated[str, Field(min_length=1, max_length=20_000)]
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    runs: Annotated[list[Annotated[str, Field(pattern=RUN_ID)]] | None, Field(min_length=1, max_length=1000)] = None


class AnswerBody(BaseModel):
    """What it gave.

    `more` rows were left out; `passed_over` lines hold no fact, as one that a crash cut short; `unread` says which runs
    have no row in `runs`, and why.
    """

    columns: list[str]
    rows: list[list[Any]]
    more: int
    passed_over: int
    unread: list[str]


class ColumnBody(BaseModel):
    """A column of a view."""

    name: str
    type: str
    meaning: str


class ViewBody(BaseModel):
    """What can be asked: a view, what a row of it is, and its columns."""

    name: str
    row: str
    columns: list[ColumnBody]


class ViewsBody(BaseModel):
    """All views."""

    views: list[ViewBody]


@router.post("", response_model=AnswerBody, responses=answers(400, 404, 422))
def query_records(service: Served, question: QuestionBody) -> Response:
    """Ask. It takes ten seconds, eight megabytes and a thousand rows at most."""
    only = None if question.runs is None else {service.library.find(run).folder for run in question.runs}
    told = service.library.questions.ask(question.sql, question.limit, only)
    body = AnswerBody(
        columns=list(told.columns),
        rows=list(map(list, told.rows)),
        more=told.more,
        passed_over=told.passed_over,
        unread=list(told.unread),
    )
    return Response(body.model_dump_json(), media_type="application/json")


@router.get("/views", responses=answers())
def list_views() -> ViewsBody:
    """List what can be asked."""
    return ViewsBody(
        views=[
            ViewBody(
                name=view.name,
                row=view.row,
                columns=[
                    ColumnBody(name=column.name, type=column.type, meaning=column.meaning) for column in view.columns
                ],
            )
            for view in VIEWS
        ]
    )

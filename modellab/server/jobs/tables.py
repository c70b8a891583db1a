"""Tables: how jobs and what became of them lie in the database."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    Row,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from modellab.server.database import METADATA
from modellab.server.jobs.job import ENDED, Job, JobEvent
from modellab.server.jobs.order import Order

Now: TypeAlias = Callable[[], datetime]

_ULID = String(26)
_TIME = String(40)

jobs = Table(
    "jobs",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", _ULID, nullable=False, unique=True),
    Column("state", String(16), nullable=False, index=True),
    Column("asked", JSON, nullable=False),
    Column("idempotency_key", String(320), unique=True),
    Column("fingerprint", String(64), nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("started_at", _TIME),
    Column("ended_at", _TIME),
    Column("run", _ULID),
    Column("attempts", Integer, nullable=False, default=0),
    Column("planned", Integer),
    Column("heard", Integer),
    Column("verdict", String(16)),
    Column("reason", Text),
    Column("last_lines", JSON, nullable=False, default=list),
    Column("cancel_asked", Boolean, nullable=False, default=False),
    Column("events", Integer, nullable=False, default=0),
    Column("lease", _ULID),
    Column("beat", Integer, nullable=False, default=0),
    Column("holder", JSON(none_as_null=True)),
    Column("child", JSON(none_as_null=True)),
)
"""`events` is the number of the newest. `lease` is drawn anew for each who runs it, and `beat` counts the signs of life
of its `holder`; `child` is the process that was started last. Both are Whereabouts."""

job_events = Table(
    "job_events",
    METADATA,
    Column("job", _ULID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("said", JSON, nullable=False),
)


def job_of(row: Row[Any]) -> Job:
    """Give the job of a row of `jobs`."""
    return Job(
        id=row.id,
        number=row.number,
        state=row.state,
        order=Order.model_validate(row.asked),
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        run=row.run,
        attempts=row.attempts,
        planned=row.planned,
        heard=row.heard,
        verdict=row.verdict,
        reason=row.reason,
        last_lines=tuple(row.last_lines),
        cancel_asked=row.cancel_asked,
    )


def find(connection: Connection, id: str) -> Job | None:  # noqa: A002
    """Give the job of an id; None where there is none."""
    row = connection.execute(select(jobs).where(jobs.c.id == id)).one_or_none()
    return job_of(row) if row else None


def change(connection: Connection, condition: Any, **values: Any) -> bool:  # noqa: ANN401 - SQLAlchemy's
    """Change the one job of which a condition holds; say whether there was one."""
    return connection.execute(update(jobs).where(condition).values(**values)).rowcount == 1


def tell(connection: Connection, id: str, kind: str, at: datetime, **said: Any) -> None:  # noqa: A002, ANN401
    """Add an event of a job, as it is now; whoever tells another of the same job waits for this one."""
    connection.execute(update(jobs).where(jobs.c.id == id).values(events=jobs.c.events + 1))
    row = connection.execute(select(jobs.c.events, jobs.c.state, jobs.c.attempts).where(jobs.c.id == id)).one()
    event = {"kind": kind, "at": written(at), "state": row.state, "attempt": row.attempts, **said}
    connection.execute(insert(job_events).values(job=id, number=row.events, said=event))


def ended_before(connection: Connection, at: datetime) -> frozenset[str]:
    """Give the ids of the jobs that ended before a time."""
    asked = select(jobs.c.id).where(jobs.c.state.in_(ENDED), jobs.c.ended_at < written(at))
    return frozenset(connection.scalars(asked))


def forget(connection: Connection, ids: Collection[str]) -> None:
    """Delete jobs, with their events."""
    if ids:
        connection.execute(delete(jobs).where(jobs.c.id == bindparam("gone")), [{"gone": each} for each in ids])


def event_of(row: Row[Any]) -> JobEvent:
    """Give the event of a row of `job_events`."""
    return JobEvent(number=row.number, **row.said)


def written(at: datetime) -> str:
    """Give a time as it is kept, to the millisecond."""
    return at.isoformat(timespec="milliseconds")

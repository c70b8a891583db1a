"""Queue: what clients do with jobs: ask for one, look at them, and cancel."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError
from ulid import ULID

from modellab.errors import Refused
from modellab.server.database import Database
from modellab.server.jobs.job import ENDED, Job, JobEvent, State
from modellab.server.jobs.order import Order
from modellab.server.jobs.tables import Now, change, event_of, find, job_events, job_of, jobs, tell, written

RETRY_S = 60.0
EVENTS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A job in the queue; `replayed` where it was there before, under the same key."""

    job: Job
    replayed: bool


class JobQueue:
    """The jobs of a database. All methods may be called from any thread; each raises DatabaseUnavailable."""

    def __init__(self, database: Database, *, max_queued: int, now: Now) -> None:
        self._database = database
        self._max_queued = max_queued
        self._now = now

    def add(self, order: Order, key: str | None = None) -> Placed:
        """Put an order into the queue, unless it is there under this key.

        Two servers that add at the same moment may both take the last place.

        Raises:
            Refused: 409 when the key stands for another order, 503 when the queue is full.
        """
        with suppress(IntegrityError):  # another has just used the same key
            return self._add(order, key)
        return self._add(order, key)

    def get(self, id: str) -> Job:  # noqa: A002
        """Give a job.

        Raises:
            Refused: 404 when there is none.
        """
        with self._database.reading() as connection:
            return _known(connection, id)

    def page(self, *, size: int, before: int | None = None, state: State | None = None) -> tuple[Job, ...]:
        """Give the newest jobs, the newest first: those with a number below `before`, or in a state."""
        asked = select(jobs).order_by(jobs.c.number.desc()).limit(size)
        if before is not None:
            asked = asked.where(jobs.c.number < before)
        if state is not None:
            asked = asked.where(jobs.c.state == state)
        with self._database.reading() as connection:
            return tuple(map(job_of, connection.execute(asked)))

    def counts(self) -> Mapping[str, int]:
        """Give how many jobs there are in each state that has some."""
        with self._database.reading() as connection:
            rows = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state))
            return {row.state: row[1] for row in rows}

    def cancel(self, id: str) -> Job:  # noqa: A002
        """Cancel a job: at once where it waits; where it runs, whoever runs it is told.

        Raises:
            Refused: 404 when there is none, 409 when it has ended.
        """
        with self._database.writing() as connection:
            now = self._now()
            ended = {"state": "cancelled", "ended_at": written(now), "cancel_asked": True}
            if change(connection, (jobs.c.id == id) & (jobs.c.state == "queued"), **ended):
                tell(connection, id, "state", now)
            elif not change(connection, (jobs.c.id == id) & (jobs.c.state == "running"), cancel_asked=True):
                job = _known(connection, id)
                raise Refused(f"evaluation {id} has ended: it is {job.state}", status=409, code="ended")
            return _known(connection, id)

    def events(self, id: str, after: int = 0) -> tuple[tuple[JobEvent, ...], bool]:  # noqa: A002
        """Give the events of a job beyond a number, EVENTS_AT_ONCE at most, and whether none comes after them."""
        asked = select(job_events).where(job_events.c.job == id, job_events.c.number > after)
        with self._database.reading() as connection:
            state = connection.scalar(select(jobs.c.state).where(jobs.c.id == id))
            rows = connection.execute(asked.order_by(job_events.c.number).limit(EVENTS_AT_ONCE))
            events = tuple(map(event_of, rows))
        return events, state in ENDED and len(events) < EVENTS_AT_ONCE

    def _add(self, order: Order, key: str | None) -> Placed:
        with self._database.writing() as connection:
            if known := self._replayed(connection, order, key):
                return Placed(job=known, replayed=True)
            waiting = connection.scalar(select(func.count()).where(jobs.c.state == "queued")) or 0
            if waiting >= self._max_queued:
                raise Refused(
                    f"{waiting} evaluations wait already: try again later, or cancel one",
                    status=503,
                    code="queue_full",
                    retry_after_s=RETRY_S,
                )
            now = self._now()
            id = str(ULID.from_datetime(now))  # noqa: A001
            asked = {"asked": order.model_dump(mode="json"), "fingerprint": order.fingerprint}
            row = {"id": id, "state": "queued", "created_at": written(now), "idempotency_key": key}
            connection.execute(insert(jobs).values(**row, **asked))
            tell(connection, id, "state", now)
            return Placed(job=_known(connection, id), replayed=False)

    def _replayed(self, connection: Connection, order: Order, key: str | None) -> Job | None:
        if key is None:
            return None
        row = connection.execute(select(jobs).where(jobs.c.idempotency_key == key)).one_or_none()
        if row is None:
            return None
        if row.fingerprint != order.fingerprint:
            raise Refused(
                f"this Idempotency-Key stands for evaluation {row.id}, whose body was another: use a key once",
                status=409,
                code="key_reused",
                param="Idempotency-Key",
            )
        return job_of(row)


def _known(connection: Connection, id: str) -> Job:  # noqa: A002
    if job := find(connection, id):
        return job
    raise Refused(f"there is no evaluation {id}", status=404, code="not_found")

"""Leases: who may run a job. One at a time, and never for longer than signs of life come."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import and_, select
from ulid import ULID

from modellab.machine.clock import Clock
from modellab.server.database import Database
from modellab.server.jobs.job import Job, State, Verdict
from modellab.server.jobs.progress import Progress
from modellab.server.jobs.tables import Now, change, find, jobs, tell, written
from modellab.server.jobs.whereabouts import Whereabouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to run a job, for whoever knows its `token`; `before` is the process of whoever had it before."""

    job: Job
    token: str
    before: Whereabouts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A lease as others see it: it is the same as long as neither its token nor its beat is another."""

    id: str
    token: str
    beat: int
    holder: Whereabouts


class Watch:
    """Tells which leases have run out, by what this process has seen of them and by its own clock.

    No time of another machine is compared, and none that anybody can set: a clock that jumps moves nothing.
    """

    def __init__(self, lease_s: float, clock: Clock) -> None:
        self._lease_s = lease_s
        self._clock = clock
        self._since_s: dict[Held, float] = {}

    def expired(self, held: Sequence[Held]) -> tuple[Held, ...]:
        """Give those whose holder has died, or has given no sign of life since they were first seen, for too long."""
        now_s = self._clock()
        self._since_s = {lease: self._since_s.get(lease, now_s) for lease in held}
        return tuple(
            lease for lease, since_s in self._since_s.items() if now_s - since_s >= self._lease_s or lease.holder.gone
        )


class Leases:
    """The leases of a database. All methods may be called from any thread; each raises DatabaseUnavailable."""

    def __init__(self, database: Database, *, holder: Whereabouts, now: Now) -> None:
        self._database = database
        self._holder = holder
        self._now = now

    def next(self) -> Lease | None:
        """Take the job that has waited longest; None where none waits, or others are quicker."""
        waiting = select(jobs).where(jobs.c.state == "queued").order_by(jobs.c.number).limit(1)
        with self._database.reading() as connection:  # whoever finds nothing to do keeps nobody from writing
            row = connection.execute(waiting).one_or_none()
        if row is None:
            return None
        with self._database.writing() as connection:
            return self._take(connection, row, and_(jobs.c.id == row.id, jobs.c.state == "queued"))

    def held(self) -> tuple[Held, ...]:
        """Give the leases of the jobs that run."""
        asked = select(jobs.c.id, jobs.c.lease, jobs.c.beat, jobs.c.holder).where(jobs.c.state == "running")
        with self._database.reading() as connection:
            rows = connection.execute(asked).all()
        return tuple(Held(id=row.id, token=row.lease, beat=row.beat, holder=Whereabouts(**row.holder)) for row in rows)

    def take(self, held: Held) -> Lease | None:
        """Take a lease that has run out; None where it has been renewed, taken or ended meanwhile."""
        with self._database.writing() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == held.id)).one()
            same = and_(jobs.c.id == held.id, jobs.c.lease == held.token, jobs.c.beat == held.beat)
            return self._take(connection, row, same)

    def renew(self, lease: Lease) -> bool:
        """Give a sign of life; say whether the lease is still ours."""
        with self._database.writing() as connection:
            return change(connection, _of(lease), beat=jobs.c.beat + 1)

    def cancel_asked(self, lease: Lease) -> bool:
        """Whether somebody has cancelled the job."""
        with self._database.reading() as connection:
            return bool(connection.scalar(select(jobs.c.cancel_asked).where(_of(lease))))

    def begin(self, lease: Lease) -> bool:
        """Count one more attempt; say whether the lease is still ours."""
        with self._database.writing() as connection:
            now = self._now()
            started_at = lease.job.started_at or written(now)
            ours = change(connection, _of(lease), attempts=jobs.c.attempts + 1, started_at=started_at, reason=None)
            if ours:
                tell(connection, lease.job.id, "state", now)
            return ours

    def started(self, lease: Lease, child: Whereabouts) -> None:
        """Note the process that runs the job."""
        with self._database.writing() as connection:
            change(connection, _of(lease), child=asdict(child))

    def progress(self, lease: Lease, progress: Progress) -> None:
        """Say how far it has come."""
        so_far = {"planned": progress.planned, "heard": progress.heard}
        with self._database.writing() as connection:
            if change(connection, _of(lease), run=progress.run, **so_far):
                tell(connection, lease.job.id, "progress", self._now(), **so_far)

    def end(
        self,
        lease: Lease,
        state: State,
        *,
        verdict: Verdict | None = None,
        reason: str | None = None,
        last_lines: Sequence[str] = (),
    ) -> None:
        """Say what became of the job; where the lease is another's by now, it is not ours to say."""
        with self._database.writing() as connection:
            now = self._now()
            outcome = {"verdict": verdict, "reason": reason}
            ended = {"state": state, "ended_at": written(now), "last_lines": list(last_lines), **outcome}
            if change(connection, _of(lease), **_GIVEN_BACK, **ended):
                tell(connection, lease.job.id, "state", now, **outcome)

    def give_back(self, lease: Lease, *, reason: str, counts: bool) -> None:
        """Put the job back into the queue, before all that came later; `counts` says whether it was begun in vain."""
        with self._database.writing() as connection:
            attempts = jobs.c.attempts - (0 if counts else 1)
            if change(connection, _of(lease), **_GIVEN_BACK, state="queued", attempts=attempts, reason=reason):
                tell(connection, lease.job.id, "state", self._now(), reason=reason)

    def _take(self, connection: Any, row: Any, condition: Any) -> Lease | None:  # noqa: ANN401 - SQLAlchemy's
        token = str(ULID())
        taken = change(
            connection,
            condition,
            state="running",
            lease=token,
            beat=0,
            holder=asdict(self._holder),
        )
        if not taken:
            return None
        job = find(connection, row.id)
        assert job is not None
        return Lease(job=job, token=token, before=Whereabouts(**row.child) if row.child else None)


_GIVEN_BACK = {"lease": None, "holder": None, "child": None}


def _of(lease: Lease) -> Any:  # noqa: ANN401 - SQLAlchemy's
    return and_(jobs.c.id == lease.job.id, jobs.c.lease == lease.token, jobs.c.state == "running")

"""Jobs: the evaluations of a server: the queue, and who runs what is in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import getpid
from threading import Event
from typing import Self

from modellab.machine.clock import now_utc
from modellab.server.database import Database
from modellab.server.definitions import Definitions
from modellab.server.jobs.attempt import Place
from modellab.server.jobs.command import Bench, environment
from modellab.server.jobs.leases import Leases
from modellab.server.jobs.queue import JobQueue
from modellab.server.jobs.runner import Runner
from modellab.server.jobs.whereabouts import Whereabouts
from modellab.server.settings import ServerSettings


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """A queue, a runner of its jobs, and where they run."""

    queue: JobQueue
    runner: Runner
    place: Place
    drain_s: float

    @classmethod
    def of(cls, settings: ServerSettings, definitions: Definitions, database: Database) -> Self:
        """Make the jobs of a server; nothing runs yet."""
        own = settings.jobs
        bench = Bench(benchmarks=settings.benchmarks, fixtures=settings.fixtures, definitions=definitions)
        place = Place(
            command=bench.command,
            cwd=bench.cwd,
            env=environment(),
            runs=settings.runs,
            logs=settings.data / "jobs",
            lease_s=own.lease_s,
            attempts=own.attempts,
            stop_s=own.stop_s,
        )
        leases = Leases(database, holder=Whereabouts.of(getpid()), now=now_utc)
        return cls(
            queue=JobQueue(database, max_queued=own.max_queued, now=now_utc),
            runner=Runner(leases, place, max_running=own.max_running),
            place=place,
            drain_s=settings.drain_s,
        )

    @contextmanager
    def running(self, stopping: Event) -> Iterator[Self]:
        """Run jobs until the body ends, or `stopping` is set; those that run go on when a server is started again."""
        with self.runner.running(self.drain_s, stopping):
            yield self

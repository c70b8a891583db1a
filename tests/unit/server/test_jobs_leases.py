"""Leases of jobs: one runner at a time, whatever the clocks say; time is moved by hand."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from os import getpid
from pathlib import Path

import pytest

from modellab.errors import Refused
from modellab.server.database import Database
from modellab.server.jobs.leases import Leases, Watch
from modellab.server.jobs.order import Order
from modellab.server.jobs.queue import JobQueue
from modellab.server.jobs.whereabouts import Whereabouts

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LEASE_S = 30.0
ELSEWHERE = Whereabouts(place="another machine", pid=7, after_s=7.0)
ORDER = Order(models=("toy",))


class Clocks:
    """A clock that only goes on, and one that anybody can set."""

    def __init__(self) -> None:
        self.seconds, self.wall = 0.0, NOON

    def __call__(self) -> float:
        """Give the seconds of the first."""
        return self.seconds

    def now(self) -> datetime:
        """Give the time of the second."""
        return self.wall


@pytest.fixture
def clocks() -> Clocks:
    """Give the clocks of a test."""
    return Clocks()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path):
    """Give an empty database of each kind."""
    url = f"sqlite:///{tmp_path}/jobs.db" if request.param == "sqlite" else request.getfixturevalue("postgresql")
    opened = Database.open(url)
    with opened.writing() as connection:
        for table in ("job_events", "jobs"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    yield opened
    opened.close()


@pytest.fixture
def queue(database: Database, clocks: Clocks) -> JobQueue:
    """Give the queue of a database."""
    return JobQueue(database, max_queued=100, now=clocks.now)


@pytest.fixture
def leases(database: Database, clocks: Clocks) -> Callable[[Whereabouts], Leases]:
    """Give a maker of the leases of a holder."""
    return lambda holder=ELSEWHERE: Leases(database, holder=holder, now=clocks.now)


def states(queue: JobQueue, id: str) -> list[str]:  # noqa: A002
    """Give the states that were told of a job."""
    return [event.state for event in queue.events(id)[0] if event.kind == "state"]


def test_many_runners_take_each_job_once(queue: JobQueue, leases) -> None:
    """Runners that ask at once never get the same job, and leave none."""
    ids = {queue.add(ORDER).job.id for _ in range(20)}
    runners = [leases() for _ in range(4)]

    def take(runner: Leases) -> list[str]:
        taken = []
        while set(queue.counts()) != {"running"}:
            if lease := runner.next():
                taken.append(lease.job.id)
        return taken

    with ThreadPoolExecutor(len(runners)) as threads:
        taken = [job for each in threads.map(take, runners) for job in each]
    assert (len(taken), set(taken)) == (20, ids)


def test_many_clients_with_one_key_get_one_job(queue: JobQueue) -> None:
    """A key that is sent several times at once stands for one job."""
    with ThreadPoolExecutor(8) as threads:
        placed = list(threads.map(lambda _: queue.add(ORDER, "key"), range(8)))
    assert len({each.job.id for each in placed}) == 1
    assert sorted(each.replayed for each in placed) == [False] + 7 * [True]


def test_events_are_numbered_without_a_gap(queue: JobQueue, leases) -> None:
    """Whoever tells what becomes of a job at the same time as others, its events are numbered one by one."""
    job = queue.add(ORDER).job
    lease = leases().next()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: leases().begin(lease), range(12)))
    events, whole = queue.events(job.id)
    assert [event.number for event in events] == list(range(1, 14))
    assert not whole


def test_a_lease_runs_out_without_signs_of_life(queue: JobQueue, leases, clocks: Clocks) -> None:
    """It is taken once it was seen unchanged for so long; until then, and after any sign of life, it is not."""
    queue.add(ORDER)
    first, second, watch = leases(), leases(), Watch(LEASE_S, clocks)
    lease = first.next()
    assert watch.expired(second.held()) == ()
    clocks.seconds = LEASE_S - 1
    assert watch.expired(second.held()) == ()
    assert first.renew(lease)
    clocks.seconds = LEASE_S + 1
    assert watch.expired(second.held()) == ()
    clocks.seconds = 2 * LEASE_S + 1
    (held,) = watch.expired(second.held())
    taken = second.take(held)
    assert taken.job.id == lease.job.id
    assert second.take(held) is None
    assert not first.renew(lease)


def test_a_sign_of_life_at_the_last_moment_keeps_the_lease(queue: JobQueue, leases, clocks: Clocks) -> None:
    """What was renewed after it was found to have run out is not taken."""
    queue.add(ORDER)
    first, second, watch = leases(), leases(), Watch(0.0, clocks)
    lease = first.next()
    (held,) = watch.expired(second.held())
    assert first.renew(lease)
    assert second.take(held) is None
    assert first.renew(lease)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_moves_no_lease(queue: JobQueue, leases, clocks: Clocks, hours: int) -> None:
    """An hour forward takes no job from who runs it; an hour back leaves none with who died; the order stays."""
    first, second, watch = leases(), leases(), Watch(LEASE_S, clocks)
    queue.add(ORDER)
    lease = first.next()
    watch.expired(second.held())
    clocks.wall += timedelta(hours=hours)
    clocks.seconds += LEASE_S / 2
    assert watch.expired(second.held()) == ()
    assert first.renew(lease)
    clocks.seconds += LEASE_S / 2
    watch.expired(second.held())
    clocks.seconds += LEASE_S
    (held,) = watch.expired(second.held())
    assert second.take(held) is not None
    ids = [queue.add(ORDER).job.id]
    clocks.wall -= timedelta(hours=2)
    ids.append(queue.add(ORDER).job.id)
    assert [second.next().job.id, second.next().job.id] == ids
    assert [job.id for job in queue.page(size=2)] == ids[::-1]


def test_the_lease_of_a_process_that_died_here_has_run_out(queue: JobQueue, leases, clocks: Clocks) -> None:
    """Where it can be seen that the holder is gone, nobody waits; another process of its number is another."""
    queue.add(ORDER)
    alive = Whereabouts.of(getpid())
    leases(alive).next()
    assert Watch(LEASE_S, clocks).expired(leases().held()) == ()
    (held,) = leases().held()
    reused = replace(held, holder=replace(alive, after_s=alive.after_s - 60))
    assert Watch(LEASE_S, clocks).expired([reused]) == (reused,)


def test_what_another_runs_is_not_ours_to_end(queue: JobQueue, leases, clocks: Clocks) -> None:
    """Who has lost a lease changes nothing any more."""
    job = queue.add(ORDER).job
    first, second = leases(), leases()
    lost = first.next()
    taken = second.take(first.held()[0])
    first.end(lost, "failed", reason="late")
    first.give_back(lost, reason="late", counts=True)
    assert not first.begin(lost)
    assert queue.get(job.id).state == "running"
    assert second.begin(taken)
    second.end(taken, "complete", verdict="passed")
    ended = queue.get(job.id)
    assert (ended.state, ended.verdict, ended.attempts) == ("complete", "passed", 1)
    assert states(queue, job.id) == ["queued", "running", "complete"]
    assert queue.events(job.id)[1]


def test_what_is_given_back_comes_before_what_came_later(queue: JobQueue, leases) -> None:
    """A job that was cut short is the next; an attempt is counted where it was in vain."""
    first, second = queue.add(ORDER).job, queue.add(ORDER).job
    own = leases()
    for counts, attempts in ((False, 0), (True, 1)):
        lease = own.next()
        assert lease.job.id == first.id
        own.begin(lease)
        own.give_back(lease, reason="cut short", counts=counts)
        assert queue.get(first.id).attempts == attempts
    own.end(own.next(), "failed")
    assert own.next().job.id == second.id
    assert own.next() is None


def test_cancelling_is_told_to_who_runs_it(queue: JobQueue, leases) -> None:
    """A job that waits is cancelled at once, one that runs by who runs it, one that ended not at all."""
    running, waiting = queue.add(ORDER).job, queue.add(ORDER).job
    own = leases()
    lease = own.next()
    assert not own.cancel_asked(lease)
    assert queue.cancel(running.id).state == "running"
    assert own.cancel_asked(lease)
    assert queue.cancel(waiting.id).state == "cancelled"
    assert states(queue, waiting.id) == ["queued", "cancelled"]
    with pytest.raises(Refused, match="has ended"):
        queue.cancel(waiting.id)
    assert queue.counts() == {"running": 1, "cancelled": 1}

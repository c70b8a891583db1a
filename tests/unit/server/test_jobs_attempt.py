"""Attempts at jobs: what becomes of a job when its process ends, dies or lingers; real small processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from os import getpid
from pathlib import Path
from threading import Event, Thread
from threading import enumerate as threads
from typing import Any

import psutil
import pytest

from modellab.errors import DatabaseUnavailable
from modellab.machine.clock import MONOTONIC
from modellab.machine.oom import OomWatch
from modellab.server.database import Database
from modellab.server.jobs.attempt import Attempt, Place
from modellab.server.jobs.job import Job
from modellab.server.jobs.leases import Leases
from modellab.server.jobs.order import Order
from modellab.server.jobs.queue import JobQueue
from modellab.server.jobs.runner import Runner
from modellab.server.jobs.whereabouts import Whereabouts
from modellab.server.library.labels import Labels

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LEASE_S = 30.0
PATIENCE_S = 30.0
RECORD = "mkdir -p {folder} && echo '{{}}' >> {folder}/records.jsonl && "
STUBBORN = "trap '' INT; echo ready; while true; do sleep 0.05; done"


class Lab:
    """A queue, whoever runs what is in it, a clock that is moved by hand, and a time of day that nobody can set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds = 0.0
        self.database = Database.open(f"sqlite:///{folder}/jobs.db")
        now: Callable[[], datetime] = lambda: NOON + timedelta(seconds=MONOTONIC())  # noqa: E731
        self.queue = JobQueue(self.database, max_queued=9, now=now)
        self.leases = Leases(self.database, holder=Whereabouts.of(getpid()), now=now)
        self.script = "true"

    def place(self, **changed: Any) -> Place:
        """Give a place where a job is the script, in a shell."""

        def command(order: Order, folder: Path) -> list[str]:
            return ["sh", "-c", self.script.format(folder=folder)]

        known = {
            "cwd": self.folder,
            "env": {"PATH": "/usr/bin:/bin"},
            "runs": self.folder,
            "logs": self.folder / "logs",
        }
        limits = {"lease_s": LEASE_S, "attempts": 2, "stop_s": 10.0, "tick_s": 0.01}
        return Place(**{"command": command, **known, **limits, **changed})

    def attempt(self, **changed: Any) -> Attempt:
        """Give a try at the next job."""
        lease = self.leases.next()
        assert lease
        return Attempt(lease, self.leases, self.place(**changed), lambda: self.seconds)

    def ran(self, script: str, **changed: Any) -> Job:
        """Run a new job that is a script, once, and give what became of it."""
        self.script = script
        job = self.queue.add(Order()).job
        self.attempt(**changed).run()
        return self.queue.get(job.id)

    def printed(self, id: str) -> str:  # noqa: A002
        """Give what a job has printed."""
        return "\n".join(self.place().log(id).tail(99))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Give an empty lab, in which whom the kernel kills meanwhile is no matter."""
    monkeypatch.setattr(OomWatch, "struck", False)
    made = Lab(tmp_path)
    yield made
    made.database.close()


def until(found: Callable[[], Any]) -> Any:
    """Wait for something to be found, and give it."""
    waiting = Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        if value := found():
            return value
        waiting.wait(0.02)
    pytest.fail("it did not come")


def begun(attempt: Attempt) -> Thread:
    """Begin an attempt beside this test."""
    thread = Thread(target=attempt.run, daemon=True)
    thread.start()
    return thread


def ended(thread: Thread) -> None:
    """Wait for the end of an attempt."""
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


OUTCOMES = [
    (RECORD + "exit 0", "complete", "passed", None),
    (RECORD + "exit 1", "complete", "failed", None),
    ("exit 0", "failed", None, "nothing was measured"),
    (RECORD + "exit 2", "failed", None, "could not be read"),
    (RECORD + "exit 3", "failed", None, "failed itself"),
    ("exit 4", "failed", None, "did not understand its call"),
    ("exit 5", "failed", None, "no claim"),
    ("exit 77", "failed", None, "ended with 77"),
    ("kill -KILL $$", "queued", None, "SIGKILL"),
    ("kill -SEGV $$", "queued", None, "SIGSEGV"),
]


@pytest.mark.parametrize(("script", "state", "verdict", "reason"), OUTCOMES)
def test_what_becomes_of_a_job(lab: Lab, *, script: str, state: str, verdict: str | None, reason: str | None) -> None:
    """How its process ended decides; one that was killed is begun again; why it failed stands beside it."""
    job = lab.ran(f"echo last words; {script}")
    assert (job.state, job.verdict, job.attempts) == (state, verdict, 1)
    assert (reason or "") in (job.reason or "")
    assert job.last_lines == (("last words",) if state == "failed" else ())


def labels_of(lab: Lab, make_run: Callable[..., Path], **labelled: Any) -> Labels:
    """Run a job that writes a run into a folder, which may have labels before; give the labels it has then."""
    lab.script = "cp run/* {folder}"
    make_run(lab.folder / "run", datetime(2026, 1, 1, tzinfo=UTC))
    job = lab.queue.add(Order(label="nightly", tags=("b", "a", "b"))).job
    (lab.folder / job.id).mkdir()
    if labelled:
        Labels(**labelled).write(lab.folder / job.id)
    lab.attempt().run()
    return Labels.read(lab.folder / job.id)


def test_a_run_is_labelled_as_was_ordered(lab: Lab, make_run: Callable[..., Path]) -> None:
    """What a job is called and found by lies beside its run."""
    assert labels_of(lab, make_run) == Labels(label="nightly", tags=("a", "b"))


def test_what_people_said_of_a_run_stays(lab: Lab, make_run: Callable[..., Path]) -> None:
    """A run that somebody has labelled, as one that is gone on with, is not labelled anew."""
    assert labels_of(lab, make_run, pinned=True) == Labels(pinned=True)


def test_a_run_that_hears_more_than_it_planned_tells_less_and_less(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The events of a job are few, however long it runs: 100,000 facts where one was planned are some thousands."""
    lab.queue.add(Order())
    attempt, told = lab.attempt(), []
    monkeypatch.setattr(lab.leases, "progress", lambda _, progress: told.append(progress.heard))
    monkeypatch.setattr(attempt, "_look", lambda: None)
    attempt._progress.planned = 1
    for attempt._progress.heard in range(100_000):
        attempt._tell()
    assert 1000 < len(told) < 10_000


def test_what_is_always_killed_is_interrupted(lab: Lab) -> None:
    """After so many attempts nobody tries again, and the last lines are kept."""
    job = lab.ran("echo words; kill -KILL $$")
    lab.attempt().run()
    job = lab.queue.get(job.id)
    assert (job.state, job.attempts, job.last_lines[-1]) == ("interrupted", 2, "words")
    assert "SIGKILL" in (job.reason or "")
    assert lab.leases.next() is None


def test_what_cannot_be_started_has_failed(lab: Lab) -> None:
    """Where there is no such folder, it says so."""
    job = lab.ran("true", cwd=lab.folder / "nowhere")
    assert job.state == "failed"
    assert "No such file" in (job.reason or "")


def test_a_folder_of_runs_that_is_gone_is_not_made_anew(lab: Lab, tmp_path: Path) -> None:
    """A job is not run where a disk may be missing; it says which folder is gone."""
    job = lab.ran(RECORD + "exit 0", runs=tmp_path / "vanished")
    assert (job.state, job.reason) == ("failed", "it could not be started: vanished: No such file or directory")
    assert not (tmp_path / "vanished").exists()


def test_a_child_sees_none_of_the_server(lab: Lab) -> None:
    """It has the variables it is given, nothing on its standard input, and a session of its own."""
    job = lab.ran("env; cat; ps -o pgid= -p $$; echo $$")
    *variables, group, pid = lab.printed(job.id).splitlines()
    assert {line.partition("=")[0] for line in variables} <= {"PATH", "PWD", "_", "SHLVL", "OLDPWD"}
    assert group.strip() == pid


def test_a_cancelled_job_that_does_not_end_is_ended(lab: Lab) -> None:
    """It is asked first; once it had its time it is killed, and what it had recorded is counted."""
    lab.script = RECORD + STUBBORN
    job = lab.queue.add(Order()).job
    thread = begun(lab.attempt())
    until(lambda: "ready" in lab.printed(job.id))
    lab.queue.cancel(job.id)
    lab.seconds = 5.0
    until(lambda: lab.queue.get(job.id).heard == 1)  # which is told after it was asked
    assert lab.queue.get(job.id).state == "running"
    lab.seconds = 16.0  # beyond its time, and within that of a lease that was never renewed
    ended(thread)
    job = lab.queue.get(job.id)
    assert (job.state, job.heard, job.last_lines) == ("cancelled", 1, ())


def test_a_job_that_was_cancelled_before_it_began_never_begins(lab: Lab) -> None:
    """What was cancelled while nobody ran it is cancelled by who takes it."""
    job = lab.queue.add(Order()).job
    attempt = lab.attempt()
    lab.queue.cancel(job.id)
    (held,) = lab.leases.held()
    taken = lab.leases.take(held)
    lab.script = "touch {folder}.begun"
    Attempt(taken, lab.leases, lab.place(), lambda: 0.0).run()
    attempt.run()
    assert lab.queue.get(job.id).state == "cancelled"
    assert not list(lab.folder.glob("*.begun"))


def test_a_server_that_stops_leaves_its_job_to_the_next(lab: Lab) -> None:
    """Its process is ended, stubborn or not, and the job waits again, with no attempt counted."""
    lab.script = STUBBORN
    job = lab.queue.add(Order()).job
    attempt = lab.attempt()
    thread = begun(attempt)
    until(lambda: "ready" in lab.printed(job.id))
    attempt.stop(0.0)
    ended(thread)
    job = lab.queue.get(job.id)
    assert (job.state, job.attempts, job.reason) == ("queued", 0, "the server was stopped")


def test_who_has_lost_its_lease_ends_its_process(lab: Lab) -> None:
    """A runner whose lease another took kills its process at the next sign of life, and says nothing more."""
    lab.script = STUBBORN
    job = lab.queue.add(Order()).job
    thread = begun(lab.attempt())
    until(lambda: "ready" in lab.printed(job.id))
    (held,) = lab.leases.held()
    taken = lab.leases.take(held)
    lab.seconds = LEASE_S / 3
    ended(thread)
    assert lab.leases.begin(taken)
    assert lab.queue.get(job.id).state == "running"


def test_who_cannot_renew_its_lease_ends_its_process_before_others_may_begin_one(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a database a process goes on for two thirds of a lease, and no longer."""
    lab.script = STUBBORN
    job = lab.queue.add(Order()).job
    thread = begun(lab.attempt())
    until(lambda: "ready" in lab.printed(job.id))

    def gone(*_: object) -> None:
        raise DatabaseUnavailable("gone")

    for name in ("renew", "cancel_asked", "progress"):
        monkeypatch.setattr(lab.leases, name, gone)
    lab.seconds = LEASE_S / 2
    thread.join(0.3)
    assert thread.is_alive()
    lab.seconds = LEASE_S * 2 / 3
    ended(thread)
    assert lab.queue.get(job.id).state == "running"
    assert len(lab.leases.held()) == 1


def test_what_a_dead_server_left_running_is_ended_first(lab: Lab) -> None:
    """The process of whoever ran the job is ended before another is begun."""
    job = lab.queue.add(Order()).job
    lease = lab.leases.next()
    lab.leases.begin(lease)
    started = subprocess.run(["sh", "-c", "setsid sleep 600 >&- 2>&- & echo $!"], stdout=subprocess.PIPE, check=True)
    orphan = Whereabouts.of(int(started.stdout))
    until(lambda: psutil.Process(orphan.pid).name() == "sleep")
    lab.leases.started(lease, orphan)
    taken = lab.leases.take(lab.leases.held()[0])
    lab.script = RECORD + f"ps -o stat= -p {orphan.pid} | grep -v Z; true"
    Attempt(taken, lab.leases, lab.place(), lambda: 0.0).run()
    assert orphan.gone
    job = lab.queue.get(job.id)
    assert (job.state, job.attempts, lab.printed(job.id)) == ("complete", 2, "")


def test_a_process_that_took_over_the_number_of_a_dead_one_is_let_alone() -> None:
    """Only the process that was started then is ended; one of another machine is neither seen nor ended."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        try:
            own = Whereabouts.of(stranger.pid)
            Whereabouts(place=own.place, pid=own.pid, after_s=own.after_s - 5).end(0.0)
            Whereabouts(place="elsewhere", pid=own.pid, after_s=own.after_s).end(0.0)
            assert stranger.poll() is None
            assert not own.gone
            assert not Whereabouts(place="elsewhere", pid=2**22 + 1, after_s=0.0).gone
        finally:
            stranger.kill()
    assert own.gone


def test_a_job_whose_runners_all_died_is_interrupted(lab: Lab) -> None:
    """Who takes it and finds it begun as often as it may does not begin it again."""
    job = lab.queue.add(Order()).job
    lease = lab.leases.next()
    for _ in range(2):
        lab.leases.begin(lease)
        lease = lab.leases.take(lab.leases.held()[0])
    Attempt(lease, lab.leases, lab.place(), lambda: 0.0).run()
    job = lab.queue.get(job.id)
    assert (job.state, job.attempts) == ("interrupted", 2)
    assert "died each time" in (job.reason or "")


@pytest.mark.parametrize("output", ["", " > /dev/null 2>&1"], ids=["open", "closed"])
def test_what_a_process_leaves_behind_is_ended(lab: Lab, output: str) -> None:
    """A child of the child is ended with it, and one that keeps the output open keeps no job from its end."""
    job = lab.ran(RECORD + f"true; sleep 600{output} & echo $!")
    assert job.state == "complete"
    until(lambda: has_ended(int(lab.printed(job.id))))


def test_what_is_beyond_reach_is_not_waited_for(lab: Lab) -> None:
    """A process in a session of its own that keeps the output open goes on: it is not read, and no job waits for it."""
    away = "setsid sh -c 'touch away; exec sleep 600' & until [ -e away ]; do sleep 0.05; done; "
    job = lab.ran(RECORD + f"true; {away} echo $$ $!")
    number, pid = map(int, lab.printed(job.id).split())
    try:
        assert job.state == "complete"
        until(lambda: f"modellab-job-{number}" not in {thread.name for thread in threads()})
        assert not has_ended(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def has_ended(pid: int) -> bool:
    """Tell whether a process has ended, be it waited for or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_runner_runs_what_comes(lab: Lab) -> None:
    """Jobs run one after another, as many at once as may; one that fails keeps none from running."""
    lab.script = RECORD + "exit 0"
    runner = Runner(lab.leases, lab.place(), max_running=1, poll_s=0.02)
    with runner.running(PATIENCE_S, Event()):
        ids = [lab.queue.add(Order()).job.id for _ in range(3)]
        runner.wake()
        until(lambda: lab.queue.counts() == {"complete": 3})
    spans = [(job.started_at, job.ended_at) for job in map(lab.queue.get, ids)]
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_a_runner_survives_a_database_that_is_gone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing can be read nothing runs; once it can, what waited runs."""
    failures = [DatabaseUnavailable("gone"), RuntimeError("unforeseen")]
    held = lab.leases.held

    def shaky() -> Any:
        if failures:
            raise failures.pop()
        return held()

    monkeypatch.setattr(lab.leases, "held", shaky)
    lab.script = RECORD + "exit 0"
    lab.queue.add(Order())
    with Runner(lab.leases, lab.place(), max_running=1, poll_s=0.02).running(PATIENCE_S, Event()):
        until(lambda: lab.queue.counts() == {"complete": 1})
    assert failures == []


def test_a_runner_ends_when_the_server_is_told_to_stop(lab: Lab) -> None:
    """Already when the signal comes, not only when the last connection is closed; then nothing more is begun."""
    stopping = Event()
    lab.script = "echo ready; exec sleep 600"
    job = lab.queue.add(Order()).job
    runner = Runner(lab.leases, lab.place(), max_running=1, poll_s=0.02)
    with runner.running(PATIENCE_S, stopping):
        until(lambda: "ready" in lab.printed(job.id))
        stopping.set()
        until(lambda: lab.queue.get(job.id).state == "queued")
        assert lab.leases.held() == ()
    assert lab.queue.get(job.id).attempts == 0


def test_a_server_that_was_killed_leaves_no_job_behind(lab: Lab) -> None:
    """Its process is gone, so that its lease is taken at once, not after its time."""
    script = (
        "import os, sys; from datetime import UTC, datetime; from modellab.server.database import Database; "
        "from modellab.server.jobs.leases import Leases; from modellab.server.jobs.whereabouts import Whereabouts; "
        "leases = Leases(Database.open(sys.argv[1]), holder=Whereabouts.of(os.getpid()), now=lambda: datetime.now(UTC))"
        "; leases.begin(leases.next()); os.kill(os.getpid(), 9)"
    )
    job = lab.queue.add(Order()).job
    subprocess.run([sys.executable, "-c", script, f"sqlite:///{lab.folder}/jobs.db"], check=False)
    assert lab.queue.get(job.id).state == "running"
    lab.script = RECORD + "exit 0"
    with Runner(lab.leases, lab.place(), max_running=1, poll_s=0.02).running(PATIENCE_S, Event()):
        until(lambda: lab.queue.get(job.id).state == "complete")
    assert lab.queue.get(job.id).attempts == 2

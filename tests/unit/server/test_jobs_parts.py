"""The parts of jobs: the call that an order means, the log, the progress of a run, and who listens."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import anyio
import pytest

from modellab.errors import DatabaseUnavailable
from modellab.records.store import Store
from modellab.server.database import Database
from modellab.server.definitions import Definitions
from modellab.server.jobs.command import Bench, environment
from modellab.server.jobs.events import follow
from modellab.server.jobs.log import LINE_CHARACTERS, Log
from modellab.server.jobs.order import Order
from modellab.server.jobs.progress import Progress
from modellab.server.jobs.queue import JobQueue

FIXTURES = Path(__file__).parents[3] / "fixtures"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Give the bench of this repository."""
    cache = tmp_path_factory.mktemp("cache")
    definitions = Definitions.read(FIXTURES, cache)
    return Bench(benchmarks=FIXTURES.parent / "benchmarks", fixtures=FIXTURES, definitions=definitions)


def test_every_field_is_one_word_of_the_call(bench: Bench, tmp_path: Path) -> None:
    """Lists are joined, and each option holds its value, so that no name can be taken for an option."""
    order = Order(
        models=("whisper-tiny.en", "whisper-base"),
        backends=("faster-whisper",),
        devices=("cuda:1",),
        compute_types=("int8",),
        corpora=("librivox+noise:10dB",),
        limit=5,
        seed=0,
        batch_size=2,
        rounds=3,
        threads=4,
        label="--resume=/etc",
        tags=("--x",),
    )
    command = bench.command(order, tmp_path / "run")
    assert command[:6] == (sys.executable, "-m", "pytest", str(FIXTURES.parent / "benchmarks"), "-m", "accuracy")
    assert set(command) >= {
        "--model=whisper-tiny.en,whisper-base",
        "--backend=faster-whisper",
        "--device=cuda:1",
        "--compute-type=int8",
        "--corpus=librivox+noise:10dB",
        "--limit=5",
        "--seed=0",
        "--batch-size=2",
        "--rounds=3",
        "--threads=4",
        f"--run-dir={tmp_path / 'run'}",
    }
    assert not {"--resume=/etc", "--x"} & set(command)
    assert command[command.index("-n") + 1] in {"1", "2"}
    assert bench.cwd == FIXTURES.parent


@pytest.mark.parametrize(("lane", "more"), [("timing", set()), ("performance", {"--unbudgeted"})])
def test_what_is_timed_is_alone(bench: Bench, tmp_path: Path, lane: str, more: set[str]) -> None:
    """No worker runs beside another in these lanes; what has no budget is performed too."""
    command = bench.command(Order(lane=lane), tmp_path)
    assert command[command.index("-n") + 1] == "0"
    assert {"--unbudgeted"} & set(command) == more
    assert [word for word in command if word.startswith(("--model", "--corpus"))] == []


def test_a_run_that_is_there_is_gone_on_with(bench: Bench, tmp_path: Path) -> None:
    """Where the folder holds a run, the call resumes it."""
    (tmp_path / "run.json").write_text("{}")
    assert bench.command(Order(), tmp_path)[-1] == f"--resume={tmp_path}"


def test_the_servers_secrets_stay_with_the_server() -> None:
    """A child inherits what runtimes need, and nothing that the server or another pytest was told."""
    told = {"PATH": "/bin", "MODELLAB_SERVER_SECRET": "s", "PYTEST_ADDOPTS": "-x", "OTEL_X": "1", "HF_HOME": "/hf"}
    assert environment(told) == {"PATH": "/bin", "HF_HOME": "/hf", "PYTHONUNBUFFERED": "1"}


def test_a_log_never_grows_beyond_its_bound(tmp_path: Path) -> None:
    """The newest lines are kept whole, however much is printed."""
    log = Log(path=tmp_path / "logs" / "a.log", most_bytes=1000)
    for number in range(1000):
        log.write(f"line {number}\n".encode())
        assert log.path.stat().st_size <= 1000
    assert log.tail(2) == ("line 998", "line 999")
    assert all(line.startswith("line ") for line in log.tail(1000))
    assert len(log.tail(1000)) >= 40
    log.write(b"x" * 5000)
    assert log.path.stat().st_size <= 1000


def test_a_log_is_read_from_its_end(tmp_path: Path) -> None:
    """Only the last lines are given, each with an end; bytes that are no text do no harm."""
    log = Log(path=tmp_path / "a.log")
    assert log.tail(3) == ()
    log.write(b"\xff\xfe\n" + b"y" * (LINE_CHARACTERS + 50) + b"\nlast")
    assert [len(line) for line in log.tail(3)] == [2, LINE_CHARACTERS, 4]
    assert log.tail(1) == ("last",)


def test_progress_is_what_the_folder_holds(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    """Nothing is known of a folder that is not there; then its run, what it plans, and every whole line, once."""
    progress = Progress(folder=tmp_path / "run")
    progress.look()
    assert (progress.run, progress.planned, progress.heard) == (None, None, None)
    make_run(tmp_path / "run", datetime(2026, 11, 23, tzinfo=UTC), records=3)
    progress.look()
    run = Store(tmp_path / "run").run()
    assert (progress.run, progress.planned, progress.heard) == (run.id, 0, 3)
    with (tmp_path / "run" / "records.jsonl").open("a") as lines:
        lines.write("{}\n{}")
    progress.look()
    assert progress.heard == 4
    described = json.loads((tmp_path / "run" / "run.json").read_text())
    described["sessions"][0]["planned_utterances"] = 77
    (tmp_path / "run" / "run.json").write_text(json.dumps(described))
    progress.look()
    assert (progress.planned, progress.heard) == (77, 4)
    (tmp_path / "run" / "run.json").write_text("{")
    progress.look()
    assert progress.planned == 77


def test_a_hundred_may_listen_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread waits for any of them; each is told everything once, also where the database was gone for a while."""
    database = Database.open(f"sqlite:///{tmp_path}/jobs.db")
    queue = JobQueue(database, max_queued=1, now=lambda: datetime(2026, 11, 23, tzinfo=UTC))
    job = queue.add(Order()).job
    asleep, asked, read = [0], [0], queue.events

    def shaky(job: str, after: int) -> object:
        asked[0] += 1
        if asked[0] % 10 == 0:
            raise DatabaseUnavailable("gone")
        return read(job, after)

    monkeypatch.setattr(queue, "events", shaky)

    async def sleep(_: float) -> None:
        asleep[0] += 1
        if asleep[0] == 150:
            queue.cancel(job.id)
        await anyio.sleep(0)

    heard: list[list[int]] = []

    async def listen() -> None:
        heard.append([event.number async for event in follow(queue, job.id, 0, Event(), sleep)])

    async def all_listen() -> None:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                for _ in range(100):
                    group.start_soon(listen)

    anyio.run(all_listen)
    database.close()
    assert heard == 100 * [[1, 2]]

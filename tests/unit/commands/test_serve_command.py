"""`modellab serve` and `modellab server`: what is printed where, and with which code they end."""

import logging
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from pydantic import TypeAdapter

import modellab.server
from modellab.cli import main
from modellab.records.environment import Environment
from modellab.records.run import Run
from modellab.server.database import Database
from modellab.server.jobs.order import Order
from modellab.server.jobs.queue import JobQueue
from modellab.server.keys import SHAPE
from modellab.server.settings import PREFIX
from modellab.server.variables import example

CONFIG = ["serve", "--print-config"]
Said = Callable[[], tuple[str, str]]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand in a folder that has only one for runs, with nothing set; leave the logs as they were."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper().startswith("MODELLAB_"):
            monkeypatch.delenv(name)
    Path("runs").mkdir()
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    level = root.level
    yield
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Give what was printed since, to standard output and to standard error."""
    return lambda: tuple(capsys.readouterr())  # type: ignore[return-value]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def make_run(name: str, age_days: float) -> Path:
    """Make a run that was changed when it was made."""
    environment = Environment(
        python="3.11", platform="Linux", machine="x86_64", processor="one", cores=1, memory_bytes=1, packages={},
        git_commit=None, git_dirty=None,
    )  # fmt: skip
    at = datetime.now(UTC) - timedelta(days=age_days)
    folder = Path("runs") / name
    folder.mkdir()
    run = Run(id="01M83YZPRZG31GNB4F1CJ2STV7", created_at=at.isoformat(), environment=environment)
    (folder / "run.json").write_bytes(TypeAdapter(Run).dump_json(run))
    for path in (folder / "run.json", folder):
        os.utime(path, (at.timestamp(),) * 2)
    return folder


def setting(shown: str, name: str) -> str:
    """Give one of the settings that were shown."""
    return dict(line.split("=", 1) for line in shown.splitlines())[PREFIX + name]


@pytest.mark.parametrize(
    ("variables", "options", "expected"),
    [
        ({}, [], ("fixtures", "")),
        ({"SERVER_FIXTURES": "env", "SERVER_CACHE_DIR": "env"}, [], ("env", "env")),
        ({"CACHE_DIR": "user"}, [], ("fixtures", "user")),
        ({"CACHE_DIR": "user", "SERVER_CACHE_DIR": "env"}, [], ("fixtures", "env")),
        (
            {"SERVER_FIXTURES": "env", "CACHE_DIR": "user", "SERVER_CACHE_DIR": "env"},
            ["--fixtures", "fixtures", "--cache-dir", "user"],
            ("fixtures", "user"),
        ),
    ],
)
def test_global_options_win_only_where_they_are_written(
    said: Said,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    options: list[str],
    expected: tuple[str, str],
) -> None:
    """What nobody wrote does not stand before the server's own variables; what somebody wrote does."""
    for name, value in variables.items():
        monkeypatch.setenv(f"MODELLAB_{name}", value)
    assert main([*options, *CONFIG]) == 0
    shown, _ = said()
    assert (setting(shown, "FIXTURES"), setting(shown, "CACHE_DIR")) == expected


def test_arguments_are_settings(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each argument sets its own; `modellab server config` shows the same, and no secret either."""
    monkeypatch.setenv(f"{PREFIX}PORT", "1")
    monkeypatch.setenv(f"{PREFIX}SECRET", "sesame")
    arguments = ["--host", "::1", "--port", "0", "--runs", "r", "--data", "d", "--log-level", "DEBUG", "--insecure"]
    assert main([*CONFIG, *arguments]) == 0
    shown, _ = said()
    for name, value in {
        "HOST": "::1", "PORT": "0", "RUNS": "r", "DATA": "d", "LOG_LEVEL": "DEBUG", "INSECURE": "true"
    }.items():  # fmt: skip
        assert setting(shown, name) == value
    assert main(["server", "config"]) == 0
    shown, _ = said()
    assert (setting(shown, "PORT"), setting(shown, "INSECURE")) == ("1", "false")
    assert "sesame" not in shown


def test_the_example_needs_no_settings(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example is printed even where the settings are wrong, as that is when it is looked for."""
    monkeypatch.setenv(f"{PREFIX}PORT", "x")
    assert main(["server", "config", "--example"]) == 0
    assert said() == (example(), "")


def test_wrong_settings_end_with_1(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """All faults are told on lines of their own, and an unknown name as a warning before them."""
    monkeypatch.setenv(f"{PREFIX}DRAIN_S", "-1")
    monkeypatch.setenv(f"{PREFIX}PROT", "1")
    assert main(["serve", "--port", "x"]) == 1
    shown, told = said()
    assert shown == ""
    lines = told.splitlines()
    assert f"did you mean {PREFIX}PORT?" in lines[0]
    assert {line.partition(":")[0] for line in lines[2:]} == {f"{PREFIX}PORT", f"{PREFIX}DRAIN_S"}


def refused(said: Said, *options: str) -> str:
    """Try to serve, and give the one line that says why it cannot be."""
    assert main(["serve", *options]) == 1
    shown, told = said()
    assert shown == ""
    assert told.startswith("modellab: ")
    assert told.count("\n") == 1, told
    return told


def test_a_port_that_is_taken(said: Said, taken: int) -> None:
    """It is named, with the remedy."""
    assert f"another program listens on port {taken}" in refused(said, "--port", str(taken))


def test_a_port_that_is_not_ours(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system keeps a port for others, one that may be had is pointed to."""

    def bind(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", bind)
    assert "from 1024 up" in refused(said, "--port", "80")


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 70])
def test_an_address_that_is_not_ours(said: Said, host: str) -> None:
    """An address of another machine, or none at all, is named."""
    told = refused(said, "--host", host)
    assert f"{PREFIX}HOST" in told
    assert host in told


def test_folders_that_cannot_be_used(said: Said) -> None:
    """A folder of runs that is not there, and one that cannot be written to, are named with the option that helps."""
    Path("file").touch()
    assert "--runs" in refused(said, "--runs", "nowhere")
    assert "--data" in refused(said, "--data", "file")
    assert "bench.toml" in refused(said, "--port", "0")


@pytest.mark.parametrize("words", [["serve"], ["server", "config"], ["server", "gc"], ["server", "keys", "list"]])
def test_a_missing_package_is_named(said: Said, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    """Without the extra, each command says what to install."""
    monkeypatch.setattr(modellab, "server", modellab.server)  # which is another one once it is imported again
    for name in [name for name in sys.modules if name.startswith("modellab.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydantic_settings", None)
    assert main(words) == 1
    assert "pip install 'modellab[server]'" in said()[1]


def test_old_runs_are_collected(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run says what would go, and why, and deletes nothing; the other deletes it and says what was freed."""
    old, young = make_run("old", 40), make_run("young", 1)
    (young / "run.json.new").write_text("{")
    os.utime(young / "run.json.new", (0, 0))
    monkeypatch.setenv(f"{PREFIX}RETENTION__MAX_AGE_DAYS", "30")
    monkeypatch.setenv(f"{PREFIX}RETENTION__MIN_FREE_BYTES", str(1 << 60))
    assert main(["server", "gc", "--dry-run"]) == 0
    shown, told = said()
    row = next(line.split() for line in shown.splitlines() if "old" in line.split())
    assert row == ["old", "40.0", "days", "0.0", "MiB", "age"]
    assert "run.json.new" in shown
    assert "1 run and 0 evaluations would be deleted" in shown
    assert "bytes of the disk will be free" in told
    assert old.exists()
    monkeypatch.delenv(f"{PREFIX}RETENTION__MIN_FREE_BYTES")
    assert main(["server", "gc"]) == 0
    assert "1 run and 0 evaluations deleted" in said()[0]
    assert not old.exists()
    assert [path.name for path in young.iterdir()] == ["run.json"]
    assert main(["server", "gc"]) == 0
    assert said()[0] == "0 runs and 0 evaluations deleted, 0.0 MiB freed\n"
    assert main(["server", "gc", "--runs", "nowhere"]) == 1


def test_old_evaluations_are_collected(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that ended long ago go, events and logs with them; one that ended of late, and one that waits, stay."""
    made = [datetime.now(UTC) - timedelta(days=days) for days in (40, 1, 40)]
    with closing(Database.open("sqlite:///.modellab/server.sqlite3")) as database:
        queues = [JobQueue(database, max_queued=9, now=lambda at=at: at) for at in made]
        old, young, waiting = (queue.add(Order()).job.id for queue in queues)
        for queue, job in zip(queues[:2], (old, young), strict=True):
            queue.cancel(job)
    logs = Path(".modellab/jobs")
    logs.mkdir()
    for job in (old, young, waiting):
        (logs / f"{job}.log").write_text("printed")
        os.utime(logs / f"{job}.log", (0, 0))
    assert main(["server", "gc"]) == 0
    assert "0 evaluations deleted" in said()[0]
    monkeypatch.setenv(f"{PREFIX}RETENTION__MAX_JOB_AGE_DAYS", "30")
    assert main(["server", "gc", "--dry-run"]) == 0
    assert "1 evaluation would be deleted" in said()[0]
    assert len(list(logs.iterdir())) == 3
    assert main(["server", "gc"]) == 0
    assert "1 evaluation deleted" in said()[0]
    assert {path.stem for path in logs.iterdir()} == {young, waiting}
    with closing(Database.open("sqlite:///.modellab/server.sqlite3")) as database:
        queue = JobQueue(database, max_queued=9, now=lambda: made[0])
        assert {job.id for job in queue.page(size=9)} == {young, waiting}
        assert queue.events(old)[0] == ()


def test_a_backup_goes_round(said: Said) -> None:
    """Made, verified, put back elsewhere, refused where something is, and taken for what it is when it is damaged."""
    make_run("one", 1)
    assert main(["server", "keys", "create", "somebody"]) == 0
    said()
    for words, shown in {
        ("backup", "--to", "kept/one.tar.gz"): "backed up to kept/one.tar.gz",
        ("verify", "kept/one.tar.gz"): "kept/one.tar.gz is whole: 1 run,",
        ("restore", "kept/one.tar.gz", "--into", "new"): "put back into new/runs and new/.modellab: 1 run,",
        ("restore", "kept/one.tar.gz", "--force"): "put back into runs and .modellab: 1 run,",
    }.items():
        assert main(["server", *words]) == 0, said()
        out, err = said()
        assert shown in out
        assert "--with-secret" in err
    assert Path("new/runs/one/run.json").read_bytes() == Path("runs/one/run.json").read_bytes()
    assert main(["server", "restore", "kept/one.tar.gz"]) == 1
    assert "--force" in said()[1]
    assert main(["server", "backup", "--to", "kept/one.tar.gz"]) == 1
    assert "there already" in said()[1]
    Path("kept/one.tar.gz").write_bytes(Path("kept/one.tar.gz").read_bytes()[:-40])
    assert main(["server", "verify", "kept/one.tar.gz"]) == 1
    assert "cut short" in said()[1]
    assert main(["server", "backup", "--runs", "nowhere", "--to", "two.tar.gz"]) == 1
    assert "there is no folder nowhere" in said()[1]


def test_a_database_by_url_is_told(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who keeps the database elsewhere is told that it is not in the backup, and by what means it would be."""
    monkeypatch.setenv(f"{PREFIX}DATABASE_URL", "postgresql+psycopg://me:sesame@nowhere/lab")
    assert main(["server", "backup", "--to", "one.tar.gz"]) == 0
    assert "pg_dump" in said()[1]


def test_keys_are_printed_once(said: Said) -> None:
    """A key is all that standard output has; the list shows everything but what is secret; a revoked one stays."""
    assert main(["server", "keys", "create", "the [red] team", "--scope", "evaluate", "--days", "2"]) == 0
    plain, told = said()
    shape = SHAPE.fullmatch(plain.strip())
    assert shape
    assert shape[2] not in told
    assert main(["server", "keys", "list"]) == 0
    shown, _ = said()
    assert all(words in shown for words in (shape[1], "the [red] team", "evaluate", "never"))
    assert shape[2] not in shown
    assert main(["server", "keys", "revoke", shape[1]]) == 0
    assert said()[0] == ""
    assert main(["server", "keys", "list"]) == 0
    assert len(re.findall(r"\d{4}-\d\d-\d\d", said()[0])) == 3, "made, ends and revoked"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["create", ""], "a key has a name"),
        (["create", "x", "--scope", "raed"], "Did you mean 'read'?"),
        (["revoke", "nobody"], "no key 'nobody'"),
        (["list", "--data", "runs/../file/x"], "cannot be written to"),
    ],
)
def test_what_is_wrong_with_a_key(said: Said, words: list[str], message: str) -> None:
    """It is told in a line, with what may be written instead."""
    Path("file").touch()
    assert main(["server", "keys", *words]) == 1
    assert message in said()[1]


@pytest.mark.parametrize("days", ["0", "-1", "nan", "1e30", "soon"])
def test_days_that_are_none(said: Said, days: str) -> None:
    """A key expires in the future that calendars know."""
    with pytest.raises(SystemExit) as ended:
        main(["server", "keys", "create", "x", "--days", days])
    assert ended.value.code == 2
    assert "--days" in said()[1]

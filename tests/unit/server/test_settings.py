"""Settings: from the environment, a file and arguments; all that is wrong is told at once, and nothing secret."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothetically
from hypothesis import strategies as st

from modellab.errors import CannotServe
from modellab.server.settings import PREFIX, PoolSettings, ServerSettings
from modellab.server.variables import (
    effective,
    read_settings,
    require_runs,
    unknown_variables,
    variables,
)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)


def test_who_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument wins over the environment, that over the file, and that over the default."""
    Path(".env").write_text(f"{PREFIX}HOST=file\n{PREFIX}PORT=1\n{PREFIX}RUNS=file\nOTHER=x\n")
    monkeypatch.setenv(f"{PREFIX}HOST", "environment")
    monkeypatch.setenv(f"{PREFIX}PORT", "2")
    settings = read_settings({"host": "argument", "data": None})
    assert (settings.host, settings.port, settings.runs) == ("argument", 2, Path("file"))
    assert settings.data == Path(".modellab")


def test_lists_tables_and_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list stands between commas, a table is JSON, a part is named with two underscores, nothing is nothing."""
    for name, value in {
        "ALLOWED_HOSTS": "lab.example.org, [::1],",
        "CORS_ORIGINS": "",
        "POOL__SERVE": "faster-whisper:whisper-tiny.en:cpu:int8",
        "POOL__KEEP_ALIVE_S_OF": '{"a:b": 0}',
        "POOL__ALIASES": '{"whisper-1": "a:b"}',
        "pool__models": "7",
        "UPLOADS__MAX_BYTES": "",
    }.items():
        monkeypatch.setenv(PREFIX + name, value)
    settings = read_settings({})
    assert settings.allowed_hosts == ("lab.example.org", "[::1]")
    assert settings.cors_origins == ()
    assert settings.uploads.max_bytes == 25 << 20
    assert settings.pool == PoolSettings(
        serve=("faster-whisper:whisper-tiny.en:cpu:int8",),
        keep_alive_s_of={"a:b": 0.0},
        aliases={"whisper-1": "a:b"},
        models=7,
    )


WRONG = {
    "PORT": ("70000", "less than or equal to 65535"),
    "DRAIN_S": ("inf", "finite"),
    "INSECURE": ("perhaps", "boolean"),
    "LOG_LEVEL": ("LOUD", "'INFO'"),
    "POOL__MODELS": ("0", "greater than 0"),
    "POOL__ALIASES": ("{", "JSON object"),
    "POOL__KEEP_ALIVE_S_OF": ('{"a": "long"}', "valid number"),
    "POOL__MODLES": ("3", f"is no setting; did you mean {PREFIX}POOL__MODELS?"),
}


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault has a line of its own, which begins with the name of the variable and says what is wrong."""
    for name, (value, _) in WRONG.items():
        monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(CannotServe) as told:
        read_settings({})
    lines = {line.partition(":")[0].partition("[")[0]: line for line in str(told.value).splitlines()[1:]}
    assert lines.keys() == {PREFIX + name for name in WRONG}
    for name, (_, words) in WRONG.items():
        assert words in lines[PREFIX + name]
    assert "[a]" in lines[f"{PREFIX}POOL__KEEP_ALIVE_S_OF"]


def test_a_part_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part may be JSON as a whole; where it is none, the line names the part."""
    monkeypatch.setenv(f"{PREFIX}POOL", '{"models": 2}')
    assert read_settings({}).pool.models == 2
    monkeypatch.setenv(f"{PREFIX}POOL", "two")
    with pytest.raises(CannotServe, match='"pool"'):
        read_settings({})


@pytest.mark.parametrize("content", [b"\xff\xfe", b"MODELLAB_SERVER_PORT=\xe4\n"])
def test_a_file_that_is_no_text(content: bytes) -> None:
    """A file `.env` that cannot be read is named."""
    Path(".env").write_bytes(content)
    with pytest.raises(CannotServe, match=r"\.env cannot be read"):
        read_settings({})


def test_a_fault_of_a_secret_shows_nothing_of_it() -> None:
    """What is wrong with a secret is told without it."""
    with pytest.raises(CannotServe) as told:
        read_settings({"database_url": ["sesame"], "secret": ["sesame"], "rate": {"storage_url": ["sesame"]}})
    assert str(told.value).count(PREFIX) == 3
    assert "sesame" not in str(told.value)


def test_names_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is nearly one of ours is told with the nearest, from the environment and the file alike."""
    Path(".env").write_text(f"{PREFIX}RUN=x\n{PREFIX}PORT=1\nRUNS=y\n")
    monkeypatch.setenv(f"{PREFIX}PROT", "1")
    told = unknown_variables(
        [*os.environ, f"{PREFIX}XQZW", f"{PREFIX}POOL", f"{PREFIX}POOL__MODELS", f"{PREFIX.lower()}host"]
    )
    assert told == (
        f"{PREFIX}PROT: is no setting; did you mean {PREFIX}PORT?",
        f"{PREFIX}RUN: is no setting; did you mean {PREFIX}RUNS?",
        f"{PREFIX}XQZW: is no setting",
    )


def test_what_is_in_force_is_shown_without_secrets() -> None:
    """Every setting is shown as a file could say it, but for what is secret: in a URL its password alone."""
    settings = ServerSettings(
        _env_file=None,
        port=0,
        secret="sesame",
        database_url="postgresql+psycopg://me:sesame@[::1]:5432/lab?password=sesame",
        rate={"storage_url": "async+redis://:sesame@cache:6379/1"},
        cors_origins=("https://a", "https://b"),
    )
    lines = dict(line.split("=", 1) for line in effective(settings).splitlines())
    assert list(lines) == [variable.name for variable in variables()]
    assert "sesame" not in effective(settings)
    assert lines[f"{PREFIX}PORT"] == "0"
    assert lines[f"{PREFIX}SECRET"] == "**********"
    assert lines[f"{PREFIX}DATABASE_URL"] == "postgresql+psycopg://me:**********@[::1]:5432/lab?**********"
    assert lines[f"{PREFIX}RATE__STORAGE_URL"] == "async+redis://:**********@cache:6379/1"
    assert lines[f"{PREFIX}CORS_ORIGINS"] == "https://a,https://b"
    assert lines[f"{PREFIX}INSECURE"] == "false"


@hypothetically(deadline=None)
@given(st.text(max_size=40))
def test_no_secret_slips_through(secret: str) -> None:
    """Whatever a secret looks like, its password is not shown."""
    settings = ServerSettings(_env_file=None, database_url=f"postgresql://me:sesame{secret}sesame@host/lab")
    assert "sesame" not in effective(settings)
    settings = ServerSettings(_env_file=None, secret=f"sesame{secret}", database_url="me:sesame@host")
    assert "sesame" not in effective(settings)


def test_what_is_shown_can_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings that are shown, written into a file, are the same settings."""
    settings = ServerSettings(
        _env_file=None,
        port=81,
        insecure=True,
        pool={"serve": ("a:b", "c"), "aliases": {"x y": "ü"}, "memory_bytes": 5},
        retention={"max_age_days": 1.5},
        rate={"storage_url": "async+redis://cache:6379/1"},
    )
    Path(".env").write_text(effective(settings))
    assert read_settings({}) == settings


def test_runs_that_are_not_there(tmp_path: Path) -> None:
    """A folder of runs that is not there is named, with what to do."""
    with pytest.raises(CannotServe, match=f"{PREFIX}RUNS: there is no folder nowhere: make it .*--runs"):
        require_runs(ServerSettings(_env_file=None, runs="nowhere"))
    require_runs(ServerSettings(_env_file=None, runs=tmp_path))

"""Runs made by hand, and what keeps the machine that tests run on out of them."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from modellab.records.environment import Environment
from modellab.records.record import Record
from modellab.records.run import Outcome, Session
from modellab.records.store import Store
from modellab.server.settings import PREFIX
from modellab.speech.transcript import Transcript

ENVIRONMENT = Environment(
    python="3.11",
    platform="Linux",
    machine="x86_64",
    processor="a processor",
    cores=2,
    memory_bytes=2**33,
    packages={},
    git_commit=None,
    git_dirty=None,
)

RecordOf = Callable[[str], Record]
MakeRun = Callable[..., Path]


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have none of the server's variables set, and a database waited for however slow the disk is."""
    for name in list(os.environ):
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.setattr("modellab.server.database.BUSY_S", 60.0)


@pytest.fixture
def record_of() -> RecordOf:
    """A maker of records by the id of the utterance."""

    def make(utterance: str) -> Record:
        return Record(
            utterance=utterance,
            model="fake:none:cpu:float32",
            corpus="tones",
            audio_duration_s=2.0,
            reference="the cat sat",
            lane="accuracy",
            session=1,
            transcript=Transcript(text="the hat sat"),
        )

    return make


@pytest.fixture
def make_run(record_of: RecordOf) -> MakeRun:
    """A maker of runs: a folder made, and changed for the last time, at a time."""

    def make(folder: Path, created_at: datetime, *, records: int = 2, outcome: Outcome = "complete") -> Path:
        store = Store(folder)
        session = Session(
            number=1, argv=(), started_at=created_at.isoformat(), workers=0, seed=1, limit=None, models={}
        )
        store.open_session(session, ENVIRONMENT, {}, ())
        for number in range(records):
            store.append(record_of(f"u{number}"))
        if outcome != "running":
            store.close_session(1, outcome)
        store._write(replace(store.run(), created_at=created_at.isoformat()))
        store.close()
        for path in (*folder.iterdir(), folder):
            os.utime(path, (created_at.timestamp(),) * 2)
        return folder

    return make

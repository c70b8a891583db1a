"""What runs come to is worked out once, remembered within bounds, and given up when the server stops."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from modellab.errors import BadRecord, PoolClosed, Refused
from modellab.machine.clock import MONOTONIC
from modellab.records.record import Record
from modellab.records.store import Store
from modellab.server.library import readings as module
from modellab.server.library.readings import Reading, Readings, read_run

PATIENCE_S = 30.0
ANYWHERE = Store(Path("nowhere"))
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Reader:
    """Reads nothing, and counts how often; it waits until it is let."""

    def __init__(self, rows: int = 1) -> None:
        self.let, self.rows, self.read = Event(), rows, []
        self.error: Exception | None = None

    def __call__(self, store: Store, signature: str, ended: Event) -> Reading:
        """Give a reading of so many rows."""
        self.read.append(signature)
        while not self.let.wait(0.01):
            if ended.is_set():
                raise PoolClosed("ended")
        if self.error:
            raise self.error
        sheet: Any = [None] * self.rows
        anything: Any = SimpleNamespace()
        return Reading(signature=signature, run=anything, summary=anything, sheet=sheet)


def until(true: Callable[[], Any]) -> None:
    """Wait until something is true."""
    end_s = MONOTONIC() + PATIENCE_S
    while not true():
        assert MONOTONIC() < end_s, "it never came true"
        time.sleep(0.005)


@pytest.fixture
def reader() -> Reader:
    """A reader that waits for nothing."""
    made = Reader()
    made.let.set()
    return made


def test_a_run_is_read_once(reader: Reader) -> None:
    """As long as its files stay, many who ask are told what was read once; then it is read again."""
    readings = Readings(read=reader)
    with ThreadPoolExecutor(6) as threads:
        told = list(threads.map(lambda _: readings.of("a", "1", ANYWHERE).signature, range(6)))
    assert (told, reader.read) == (["1"] * 6, ["1"])
    assert readings.of("a", "2", ANYWHERE).signature == "2"
    assert readings.of("a", "2", ANYWHERE).signature == "2"
    assert reader.read == ["1", "2"]
    readings.close()


def test_the_last_are_remembered(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all together no more than so many utterances are kept, the ones asked for last; the newest always."""
    monkeypatch.setattr(module, "MOST_ROWS", 5)
    reader.rows = 2
    readings = Readings(read=reader)
    for run in ("a", "b", "a", "c", "a", "b"):
        readings.of(run, run, ANYWHERE)
    assert reader.read == ["a", "b", "c", "b"]
    reader.rows = 9
    readings.of("large", "large", ANYWHERE)
    readings.of("large", "large", ANYWHERE)
    assert reader.read == ["a", "b", "c", "b", "large"]
    readings.close()


def test_an_error_is_not_remembered(reader: Reader) -> None:
    """What could not be read is tried again by whoever asks again."""
    readings, reader.error = Readings(read=reader), BadRecord("broken")
    for _ in range(2):
        with pytest.raises(BadRecord):
            readings.of("a", "1", ANYWHERE)
    reader.error = None
    assert readings.of("a", "1", ANYWHERE).signature == "1"
    readings.close()


def test_what_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waited long enough is told to come again; an older reading is better than none."""
    reader = Reader()
    readings = Readings(wait_s=0.01, read=reader)
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            readings.of("a", "1", ANYWHERE)
        until(lambda: reader.read)
    assert (caught.value.status, caught.value.code, reader.read) == (503, "being_read", ["1"])
    reader.let.set()
    readings._wait_s = PATIENCE_S
    readings.of("a", "1", ANYWHERE)
    reader.let.clear()
    readings._wait_s = 0.01
    assert readings.of("a", "2", ANYWHERE).signature == "1"
    until(lambda: len(reader.read) == 2)
    assert readings.of("a", "3", ANYWHERE).signature == "1", "the one that is under way is waited for"
    assert reader.read == ["1", "2"]
    readings.close()


def test_few_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the threads of the routes are not all taken, no more than a few wait; the rest are told at once."""
    reader = Reader()
    readings = Readings(wait_s=PATIENCE_S, read=reader)
    for _ in range(module.MOST_WAITING):
        readings._waiting.acquire()
    with pytest.raises(Refused):
        readings.of("a", "1", ANYWHERE)
    readings.close()


def test_a_server_that_stops() -> None:
    """Who waits is told, the one being read is given up, and afterwards all begins anew."""
    reader = Reader()
    readings = Readings(wait_s=PATIENCE_S, read=reader)

    def asked(run: str) -> str:
        try:
            return readings.of(run, "1", ANYWHERE).signature
        except PoolClosed:
            return "closed"

    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(asked, run) for run in ("a", "b")]
        until(lambda: len(readings._begun) == 2)
        readings.close()
        assert [each.result(PATIENCE_S) for each in waiting] == ["closed", "closed"]
    reader.let.set()
    assert asked("b") == "1"
    readings.close()


def test_lines_are_not_read_to_their_end(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    """Told to end, a reading stops at the next line."""
    folder = make_run(tmp_path / "run", NOON)
    ended = Event()
    assert len(read_run(Store(folder), "1", ended).sheet) == 2
    ended.set()
    with pytest.raises(PoolClosed):
        read_run(Store(folder), "1", ended)


def test_a_record_of_no_model(tmp_path: Path, make_run: Callable[..., Path], record_of: Callable[..., Record]) -> None:
    """A record that names no model in four words is one that cannot be read."""
    folder = make_run(tmp_path / "run", NOON)
    store = Store(folder)
    store.append(replace(record_of("x"), model="nonsense"))
    with pytest.raises(BadRecord, match="nonsense"):
        read_run(store, "1", Event())
    store.close()

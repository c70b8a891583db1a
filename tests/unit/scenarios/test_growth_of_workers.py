"""Growth of real workers: a fake that keeps memory is caught, one that does not is not, and failures are kept."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil
import pytest

from modellab.errors import MeasurementRefused
from modellab.machine.memory import Memory
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.worker import Worker
from modellab.scenarios.growth import RELOADS, grow_by_listening, grow_by_reloading
from modellab.scoring.growth import leaks
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.testing import FakeBackend

MakeWorker = Callable[..., Worker]
MEGABYTE = 1_000_000
WHERE = {"model": "fake:none:cpu:float32", "session": 3}
AUDIOS = [Audio(samples=np.full(round(s * SAMPLE_RATE_HZ), 0.1, np.float32)) for s in (4.0, 1.0, 9.0, 2.5)]


@pytest.fixture
def make() -> Iterator[MakeWorker]:
    """A maker of workers of the fake by its fields; they are killed in the end."""
    made: list[Worker] = []

    def worker_of(**fields: Any) -> Worker:
        made.append(Worker(blueprint=Blueprint.of("fake", FakeBackend(**fields)), limit_s=60.0))
        return made[-1]

    yield worker_of
    for each in made:
        each.kill()
        each.close()


def test_a_planted_leak_is_found_within_100_calls(make: MakeWorker) -> None:
    """A worker that keeps 1 MB a call leaks within 100 calls; unloading it gives nothing of that back."""
    growth = grow_by_listening(make(leaks_bytes=MEGABYTE), AUDIOS, turns=100, **WHERE)
    assert (growth.failure, growth.turn, growth.session, len(growth.resident_bytes)) == (None, "transcribe", 3, 100)
    assert leaks(growth.resident_bytes) is True
    assert 95 * MEGABYTE < growth.resident_bytes[-1] - growth.loaded_bytes < 130 * MEGABYTE
    assert growth.unloaded_bytes - growth.loaded_bytes > 90 * MEGABYTE


def test_a_worker_that_keeps_nothing_does_not_leak(make: MakeWorker) -> None:
    """The same worker without the leak does not grow by anything that counts."""
    growth = grow_by_listening(make(), AUDIOS, turns=100, **WHERE)
    assert growth.failure is None
    assert leaks(growth.resident_bytes) is False
    assert growth.resident_bytes[-1] - growth.loaded_bytes < 10 * MEGABYTE
    assert 5 * MEGABYTE < growth.unloaded_bytes < growth.loaded_bytes + 10 * MEGABYTE


def test_audios_are_heard_in_turn(make: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """All audios are heard, one at a time, over and over, in their language."""
    heard: list[tuple[int, float, str | None]] = []
    listen = Worker.listen

    def noted(self: Worker, audios: Any, language: str | None = None) -> Any:
        heard.append((len(audios), audios[0].duration_s, language))
        return listen(self, audios, language)

    monkeypatch.setattr(Worker, "listen", noted)
    grow_by_listening(make(), AUDIOS, turns=6, language="en", **WHERE)
    assert heard == [(1, s, "en") for s in (4.0, 1.0, 9.0, 2.5, 4.0, 1.0)]


def test_reloads_are_in_one_process(make: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model is unloaded and loaded 20 times in the process it was first loaded in; each time it is used."""
    pids: list[int | None] = []
    reload = Worker.reload

    def noted(self: Worker) -> None:
        reload(self)
        pids.append(self.pid)

    monkeypatch.setattr(Worker, "reload", noted)
    growth = grow_by_reloading(make(), AUDIOS[0], **WHERE)
    assert (growth.failure, growth.turn, len(growth.resident_bytes)) == (None, "reload", RELOADS)
    assert len(pids) == RELOADS
    assert len(set(pids)) == 1
    assert leaks(growth.resident_bytes) is False


def test_a_leak_that_outlives_the_model_is_found(make: MakeWorker) -> None:
    """What is kept of a model each time that it is unloaded is a leak of reloads."""
    growth = grow_by_reloading(make(leaks_bytes=MEGABYTE), AUDIOS[0], **WHERE)
    assert leaks(growth.resident_bytes) is True
    assert growth.unloaded_bytes > growth.loaded_bytes + 0.9 * RELOADS * MEGABYTE


def test_no_process_is_left(make: MakeWorker) -> None:
    """However the turns end, no process of theirs is there afterwards."""
    before = set(psutil.Process().children())
    for fields in ({}, {"mishap": "aborts"}, {"mishap": "raises", "mishap_at": None}):
        made = make(**fields)
        grow_by_listening(made, AUDIOS, turns=2, **WHERE)
        grow_by_reloading(made, AUDIOS[0], turns=1, **WHERE)
        assert not made.alive
    assert set(psutil.Process().children()) <= before


@pytest.mark.parametrize(
    ("fields", "turns", "stage", "kind"),
    [
        ({"mishap": "raises", "mishap_at": None}, None, "load", "RuntimeError"),
        ({"mishap": "exits", "mishap_at": None}, None, "load", "exit 3"),
        ({"mishap": "raises", "mishap_at": 4}, 4, "transcribe", "RuntimeError"),
        ({"mishap": "aborts", "mishap_at": 4}, 4, "crash", "SIGABRT"),
        ({"mishap": "aborts", "mishap_at": 0}, 0, "crash", "SIGABRT"),
        ({"most_audios": 0}, 0, "transcribe", "MemoryError"),
    ],
    ids=["load raises", "load dies", "raises later", "dies later", "dies at once", "no memory"],
)
def test_a_failure_ends_the_turns_and_keeps_them(
    make: MakeWorker, fields: dict[str, Any], turns: int | None, stage: str, kind: str
) -> None:
    """What fails is in the fact with its stage and kind, after the turns that went well."""
    growth = grow_by_listening(make(**fields), AUDIOS, turns=10, **WHERE)
    assert growth.failure is not None
    assert (growth.failure.stage, growth.failure.kind) == (stage, kind)
    assert (len(growth.resident_bytes), growth.loaded_bytes is None) == (turns or 0, turns is None)
    assert growth.unloaded_bytes is None
    assert leaks(growth.resident_bytes) is None


def test_a_reload_that_fails_is_a_failure_of_loading(make: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that can be loaded once and not again is a failure of its load."""
    made, reload = make(), Worker.reload

    def broken(self: Worker) -> None:
        self.blueprint = Blueprint.of("fake", FakeBackend(mishap="raises", mishap_at=None))
        reload(self)

    monkeypatch.setattr(Worker, "reload", broken)
    growth = grow_by_reloading(made, AUDIOS[0], turns=5, **WHERE)
    assert growth.failure is not None
    assert (growth.failure.stage, growth.failure.kind, growth.resident_bytes) == ("load", "RuntimeError", ())
    assert growth.loaded_bytes is not None


def test_an_unreadable_sensor_is_a_failure(make: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that does not tell what a process holds gives a failure that says so, and no sizes, least of all 0."""
    monkeypatch.setattr(Worker, "memory", lambda self: Memory(resident_bytes=None, peak_bytes=None))
    growth = grow_by_listening(make(), AUDIOS, turns=20, **WHERE)
    assert growth.failure is not None
    assert (growth.failure.kind, growth.resident_bytes, growth.loaded_bytes) == ("SensorUnreadable", (), None)
    assert "does not tell" in growth.failure.message


def test_nothing_to_hear_is_refused(make: MakeWorker) -> None:
    """Without audio there is nothing to repeat: that is refused before anything is started."""
    made = make()
    with pytest.raises(MeasurementRefused, match="no audio"):
        grow_by_listening(made, [], **WHERE)
    assert made.pid is None


def test_an_interruption_leaves_no_worker(make: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between turns is raised as it is, and the worker is closed."""
    made = make()

    def interrupted(self: Worker) -> Memory:
        raise KeyboardInterrupt

    monkeypatch.setattr(Worker, "memory", interrupted)
    with pytest.raises(KeyboardInterrupt):
        grow_by_listening(made, AUDIOS, **WHERE)
    assert not made.alive

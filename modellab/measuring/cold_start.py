"""Cold start: a fresh process, from its start to its first transcript."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from modellab.backends.base import Backend
from modellab.measuring.accuracy import listen
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.clock import MONOTONIC, timed
from modellab.measuring.memory import peak_memory_bytes
from modellab.records.failure import Failure
from modellab.records.record import ColdStart
from modellab.speech.audio import read_audio
from modellab.speech.utterance import Utterance

LIMIT_S = 600.0


def start_cold(name: str, backend: Backend, utterance: Utterance, *, model: str, session: int) -> ColdStart:
    """Start a process that imports the backend called `name`, loads it and hears one utterance; give what that took.

    The backend given here is not used but copied by its fields. A child that dies, hangs or raises is a failure.
    """
    request = {
        "blueprint": asdict(Blueprint.of(name, backend)),
        "audio": str(utterance.audio),
        "start_s": utterance.start_s,
        "end_s": utterance.end_s,
        "language": utterance.language,
    }
    command = [sys.executable, "-m", "modellab.measuring.cold_start"]
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
    if done.returncode or answer is None:
        tail = done.stderr.strip().splitlines()[-5:]
        return _failure(model, session, f"exit {done.returncode}", "\n".join(tail) or "no output")
    return ColdStart(model=model, session=session, total_s=answer.pop("answered_at") - started_at, **answer)


def _last_object(written: str) -> dict[str, Any] | None:
    """Give what the last line holds; None where the child ended without an answer."""
    try:
        return dict(json.loads(written.splitlines()[-1]))
    except (IndexError, TypeError, ValueError):
        return None


def _failure(model: str, session: int, kind: str, message: str) -> ColdStart:
    return ColdStart(model=model, session=session, failure=Failure(stage="load", kind=kind, message=message))


def _answer(request: Mapping[str, Any]) -> dict[str, float]:
    """Do it all in the child. Its clock is the parent's: the monotonic clock of the machine."""
    audio = read_audio(Path(request["audio"]), request["start_s"], request["end_s"])
    backend = Blueprint(**request["blueprint"]).build()
    _, import_s = timed(lambda: [import_module(module) for module in type(backend).modules])
    _, load_s = timed(backend.load)
    _, first_call_s = listen(backend, [audio], request["language"] or None)
    return {
        "answered_at": MONOTONIC(),
        "import_s": import_s,
        "load_s": load_s,
        "first_call_s": first_call_s,
        "peak_memory_bytes": peak_memory_bytes(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_answer(json.load(sys.stdin))) + "\n")

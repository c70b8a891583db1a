"""Who uses a service at once: people who browse, programs that transcribe, and probes.

    locust -f tests/load/locustfile.py --headless --users 50 --spawn-rate 10 --run-time 60s --host http://127.0.0.1:8000

An answer counts as failed when nobody may expect it: another error than 429 and 503, one of those that does not say
when to come again, and a pool that holds more than it may. `MODELLAB_LOAD_MODELS` names the models, by commas.
"""

import io
import os
from collections.abc import Callable
from random import choice
from typing import Any

import numpy as np
import soundfile
from locust import HttpUser, between, task

MODELS = os.environ.get("MODELLAB_LOAD_MODELS", "fake:one:cpu:float32,fake:other:cpu:float32").split(",")
BUSY = frozenset({429, 503})


def speech(duration_s: float = 3.0) -> bytes:
    """Give noise of this length, as a file."""
    written = io.BytesIO()
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, round(16_000 * duration_s))
    soundfile.write(written, samples, 16_000, format="FLAC")
    return written.getvalue()


SPEECH = speech()


class User(HttpUser):
    """Somebody whose answers are judged."""

    abstract = True

    def ask(self, path: str, name: str = "", judge: Callable[[Any], str] = lambda _: "", **sent: Any) -> Any:
        """Ask, and give the JSON of the answer; None where there is none to expect. `judge` says what is wrong."""
        method = "POST" if sent else "GET"
        with self.client.request(method, path, name=name or path, catch_response=True, **sent) as answer:
            fault = _fault(answer) or (judge(answer.json()) if answer.status_code not in BUSY else "")
            if fault:
                answer.failure(fault)
                return None
            answer.success()
            return None if answer.status_code in BUSY else answer.json()


def _fault(answer: Any) -> str:
    if answer.status_code in BUSY:
        hint = answer.headers.get("Retry-After", "")
        return "" if hint.isdigit() and int(hint) > 0 else f"{answer.status_code} without Retry-After"
    return "" if answer.status_code == 200 else f"{answer.status_code}: {answer.text[:200]}"


class Person(User):
    """Browses runs, models and corpora."""

    weight = 5
    wait_time = between(0.1, 1.0)

    @task(4)
    def runs(self) -> None:
        """Look at the newest runs, and at one of them."""
        listed = self.ask("/api/runs?limit=20")
        if listed and listed["runs"]:
            one = choice(listed["runs"])["id"]
            self.ask(f"/api/runs/{one}", "/api/runs/{id}")
            self.ask(f"/api/runs/{one}/utterances?limit=20", "/api/runs/{id}/utterances")

    @task(2)
    def models(self) -> None:
        """Look at the models, and whether the pool keeps its bounds."""
        self.ask("/api/models", judge=_over_the_bounds)

    @task(1)
    def corpora(self) -> None:
        """Look at the corpora."""
        self.ask("/api/corpora")


class Program(User):
    """Transcribes, by one model and by another."""

    weight = 3
    wait_time = between(0.1, 0.5)

    @task
    def transcribe(self) -> None:
        """Send three seconds of audio."""
        files = {"file": ("speech.flac", SPEECH)}
        self.ask("/v1/audio/transcriptions", files=files, data={"model": choice(MODELS)})


class Probe(User):
    """Asks whether the server lives and is ready, as whoever runs it does."""

    weight = 2
    wait_time = between(0.2, 1.0)

    @task
    def health(self) -> None:
        """Ask for its health."""
        self.ask("/health")
        self.ask("/health/ready")


def _over_the_bounds(told: Any) -> str:
    pool = told["pool"]
    over = pool["ram_bytes"] > pool["most_ram_bytes"] or pool["models"] > pool["most_models"]
    return f"the pool holds more than it may: {pool}" if over else ""

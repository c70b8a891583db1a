"""Facts and runs made by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from modellab.records.environment import Environment
from modellab.records.record import Record
from modellab.records.run import ModelFacts, Session
from modellab.speech.transcript import Transcript


@pytest.fixture
def record() -> Callable[..., Record]:
    """A maker of records of utterances that were heard."""

    def make(utterance: str = "u1", **facts: Any) -> Record:
        known = {
            "model": "fake:none:cpu:float32",
            "corpus": "tones",
            "audio_duration_s": 2.0,
            "reference": "the cat sat",
            "lane": "accuracy",
            "session": 1,
        }
        if "failure" not in facts:
            known["transcript"] = Transcript(text="the hat sat")
        return Record(utterance=utterance, **{**known, **facts})

    return make


@pytest.fixture
def session() -> Callable[..., Session]:
    """A maker of sessions as they are opened."""

    def make(**facts: Any) -> Session:
        model = ModelFacts(
            backend="fake",
            runtime_version="0.1",
            options={"threads": 2, "weights": None, "decode": {"temperatures": [0.0, 0.2]}},
            not_honoured=("vad",),
        )
        known = {
            "number": 0,
            "argv": ("pytest", "-m", "accuracy"),
            "started_at": "2026-01-02T03:04:05+00:00",
            "workers": 2,
            "seed": 7,
            "limit": None,
            "models": {"fake:none:cpu:float32": model},
            "planned_utterances": 5,
        }
        return Session(**{**known, **facts})

    return make


@pytest.fixture
def environment() -> Environment:
    """A machine."""
    return Environment(
        python="3.11.2",
        platform="Linux-6",
        machine="x86_64",
        processor="Some CPU",
        cores=2,
        memory_bytes=8 << 30,
        packages={"numpy": "2.0"},
        git_commit="0123abc",
        git_dirty=True,
    )

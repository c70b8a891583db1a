"""Records and runs made by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from modellab.records.environment import Environment
from modellab.records.failure import Failure
from modellab.records.record import Record
from modellab.records.run import CorpusFacts, ModelFacts, Run, Session
from modellab.speech.transcript import Transcript

MODEL = "faster-whisper:whisper-tiny.en:cpu:int8"


@pytest.fixture
def record() -> Callable[..., Record]:
    """Give a record; `heard` is its transcript, None a failure."""

    def make(
        utterance: str = "u1", said: str = "the hat sat", heard: str | None = "the hat sat", **fields: Any
    ) -> Record:
        known = {
            "model": MODEL,
            "corpus": "tones",
            "audio_duration_s": 2.0,
            "lane": "accuracy",
            "session": 1,
            "language": "en" if said else "",
        }
        outcome: dict[str, Any] = (
            {"failure": Failure(stage="transcribe", kind="RuntimeError", message="no memory left")}
            if heard is None
            else {"transcript": Transcript(text=heard)}
        )
        return Record(utterance=utterance, reference=said, **{**known, **outcome, **fields})

    return make


@pytest.fixture
def run() -> Callable[..., Run]:
    """Give a run of one session; `utterances` are how many each corpus holds."""

    def make(utterances: int = 0, models: tuple[str, ...] = (MODEL,), **fields: Any) -> Run:
        weights = {"checkpoint": "whisper-tiny.en", "revision": "abc", "sha256": "f00d", "folder": "/home/me/weights"}
        session = Session(
            number=1,
            argv=("pytest",),
            started_at="2026-01-02T03:04:05+00:00",
            workers=2,
            seed=7,
            limit=None,
            models={
                model: ModelFacts(
                    backend=model.partition(":")[0],
                    runtime_version="1.2.3",
                    options={"weights": weights, "threads": 2, "decode": {"beam_size": 1}},
                    not_honoured=fields.pop("not_honoured", ()),
                )
                for model in models
            },
            skipped=fields.pop("skipped", ()),
            outcome=fields.pop("outcome", "complete"),
            ended_at="2026-01-02T03:05:05+00:00",
        )
        environment = Environment(
            python="3.11.2",
            platform="Linux-6",
            machine="x86_64",
            processor="Some CPU @ 2 GHz",
            cores=2,
            memory_bytes=8 << 30,
            packages={},
            git_commit="0123abc",
            git_dirty=True,
        )
        corpus = CorpusFacts(revision="feedbeef", utterances=utterances, duration_s=60.0, languages=("en",))
        return Run(
            id="01RUN",
            created_at="2026-01-02T03:04:05+00:00",
            environment=environment,
            corpora={"tones": corpus} if utterances else {},
            sessions=(session,),
            **fields,
        )

    return make

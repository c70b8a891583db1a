"""Runs made by hand, for a library to hold."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from modellab.corpora.manifest import read_manifest
from modellab.records.environment import Environment
from modellab.records.failure import Failure
from modellab.records.record import Fact, Record
from modellab.records.run import CorpusFacts, ModelFacts, Outcome, Run, Session
from modellab.records.store import Store
from modellab.speech.audio import SAMPLE_RATE_HZ
from modellab.speech.transcript import Segment, Transcript

MODEL = "fake:toy:cpu:float32"
OTHER = "fake:toy:cpu:int8"
CORPUS = "tones"
ENVIRONMENT = Environment(
    python="3.11.2",
    platform="Linux-6",
    machine="x86_64",
    processor="Some CPU",
    cores=2,
    memory_bytes=8 << 30,
    packages={"numpy": "2.0"},
    git_commit="0123abc",
    git_dirty=False,
)
FAILURE = Failure(stage="transcribe", kind="RuntimeError", message="it's gone")


def model_facts(**options: Any) -> ModelFacts:
    """Give the facts of a model with options."""
    return ModelFacts(backend="fake", runtime_version="1", options={"threads": 1, **options}, not_honoured=("vad",))


def corpus_facts(revision: str = "r1", selection: str = "", utterances: int = 3) -> CorpusFacts:
    """Give the facts of a corpus in English."""
    return CorpusFacts(revision=revision, utterances=utterances, duration_s=6.0, languages=("en",), selection=selection)


def record(utterance: str = "u1", heard: str | None = "the hat sat", **facts: Any) -> Record:
    """Give a record; where nothing was heard it failed."""
    own: dict[str, Any] = {
        "model": MODEL,
        "corpus": CORPUS,
        "audio_duration_s": 2.0,
        "reference": "the cat sat",
        "lane": "accuracy",
        "session": 1,
        "language": "en",
    }
    if heard is None:
        own["failure"] = FAILURE
    else:
        segments = (Segment(text=heard, start_s=0.0, end_s=2.0),) if heard else ()
        own["transcript"] = Transcript(text=heard, segments=segments)
    return Record(utterance=utterance, **(own | facts))


def shelve(
    runs: Path,
    name: str,
    facts: Sequence[Fact] = (),
    *,
    outcome: Outcome | None = "complete",
    models: Sequence[str] = (MODEL,),
    corpora: dict[str, CorpusFacts] | None = None,
    planned: int = 3,
    created_at: str | None = None,
    environment: Environment = ENVIRONMENT,
    limit: int | None = None,
    **options: Any,
) -> Run:
    """Write a run into a folder and give what its run.json says. An outcome of None leaves its session open."""
    store = Store(runs / name)
    session = Session(
        number=0,
        argv=("pytest", "benchmarks"),
        started_at="2026-01-02T03:04:05+00:00",
        workers=1,
        seed=7,
        limit=limit,
        models={model: model_facts(**options) for model in models},
        planned_utterances=planned,
    )
    number = store.open_session(session, environment, {CORPUS: corpus_facts()} if corpora is None else corpora, ())
    for fact in facts:
        store.append(fact)
    if outcome:
        store.close_session(number, outcome)
    store.close()
    if created_at:
        store._write(replace(store.run(), created_at=created_at))
    return store.run()


def speak(folder: Path, count: int = 2) -> CorpusFacts:
    """Write a corpus of tones and give what a run that heard it says of it; ids may hold a slash."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        time_s = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
        tone = (0.5 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
        soundfile.write(folder / f"{number}.wav", tone, SAMPLE_RATE_HZ)
        lines.append(f'{{"id": "a/u{number}", "audio": "{number}.wav", "text": "the cat sat", "language": "en"}}')
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(lines) + "\n")
    corpus = read_manifest(path, CORPUS, "")
    return corpus_facts(revision=corpus.revision, selection=str(path), utterances=count)

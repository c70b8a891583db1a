"""Contender: one of two arms, before it runs: a backend, the environment it runs in, and what is injected into it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from modellab.errors import MeasurementRefused
from modellab.measuring.accuracy import Place
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.crew import Crew
from modellab.measuring.inject import VARIABLE, Injection
from modellab.measuring.worker import LIMIT_S, Worker
from modellab.records.record import Record
from modellab.speech.utterance import Corpus, Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """An arm as it can be started, again and again.

    Attributes:
        name: what people call it.
        blueprint: the backend.
        python: the interpreter, of an environment in which Model Lab and the runtime are installed; None for the
            blueprint's, else this process's.
        env: variables that are laid over those of this process; None takes one away.
        cwd: the folder it runs in; None for this process's.
        injection: what it is made worse by on purpose. What the environment of this process asks for is not handed on.
    """

    name: str
    blueprint: Blueprint
    python: Path | None = None
    env: Mapping[str, str | None] = field(default_factory=dict)
    cwd: Path | None = None
    injection: Injection = field(default_factory=Injection)

    @property
    def label(self) -> str:
        """Its name, and what is injected into it."""
        return f"{self.name} [{self.injection}]" if str(self.injection) else self.name

    @property
    def threads(self) -> int:
        """How many its backend may use."""
        return int(self.blueprint.fields["threads"])

    def options(self) -> dict[str, Any]:
        """Give its backend's options as JSON holds them; of the weights, all but the folder."""
        own = dict(self.blueprint.fields)
        if weights := own.get("weights"):
            own["weights"] = {name: value for name, value in weights.items() if name != "folder"}
        return dict(json.loads(json.dumps(own)))

    def worker(self, limit_s: float = LIMIT_S) -> Worker:
        """Give a worker that runs it, not loaded."""
        return Worker(
            blueprint=self.blueprint, python=self.python, env=self._environment(), cwd=self.cwd, limit_s=limit_s
        )

    def crew(self, replicas: int) -> Crew:
        """Give replicas of it, not loaded."""
        return Crew(self.blueprint, replicas, python=self.python, env=self._environment(), cwd=self.cwd)

    def refuse_other(self, versions: Mapping[str, str]) -> None:
        """Refuse a process that says to be injected otherwise than this arm is: it may be too old to know of it.

        Raises:
            MeasurementRefused: when it does.
        """
        injected, wanted = versions.get(VARIABLE, ""), str(self.injection)
        if injected != wanted:
            raise MeasurementRefused(
                f"{self.label} wants {wanted or 'nothing'!r} injected, its process has {injected or 'nothing'!r}: "
                "both environments need a Model Lab that knows MODELLAB_INJECT"
            )

    def writes(self, text: str, utterance: Utterance) -> str:
        """Give what it is taken to have written where its process wrote `text`."""
        return self.injection.spoiled(text, utterance.id, utterance.speaker)

    def _environment(self) -> Mapping[str, str | None]:
        return {**self.env, **self.injection.env}


def transcribe(
    contender: Contender, corpus: Corpus, *, replicas: int = 1, batch_size: int = 1, session: int = 0
) -> Iterator[Record]:
    """Hear a corpus by an arm; give a record for every utterance, whatever happens, as they come.

    Nothing is recalled from a cache: two arms are compared by what they wrote on this machine. What is injected stands
    in the records' model. A transcript with changed words has no segments, whose words would be others.
    """
    place = Place(model=contender.label, corpus=corpus.name, lane="accuracy", session=session)
    with contender.crew(replicas) as crew:
        for record in crew.hear(corpus, place, batch_size):
            yield spoiled(record, contender.injection)


def spoiled(record: Record, injection: Injection) -> Record:
    """Give a record as it would be of an arm that writes wrong words; one without a transcript is as it was."""
    if record.transcript is None:
        return record
    text = injection.spoiled(record.transcript.text, record.utterance, record.speaker)
    if text == record.transcript.text:
        return record
    return replace(record, transcript=replace(record.transcript, text=text, segments=()))

"""Run: what every record of one run has in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from modellab.backends.base import JsonValue
from modellab.errors import BadRecord
from modellab.records.environment import Environment
from modellab.speech.effect import Condition

SCHEMA = 4
"""2 added a corpus's clean, conditions and selection, 3 an environment's devices and unreadable sensors, 4 the
environment of a model, each with a default. Files of 1 to 3 are read as they are."""

READABLE = (1, 2, 3, 4)

Outcome = Literal["running", "complete", "partial"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusFacts:
    """Which speech: the revision hashes audio and references.

    `clean` names the corpus that it is without its `conditions`, and is empty where it has none. `selection` is what
    was written to choose it, so that it can be read again; empty where it was not chosen.
    """

    revision: str
    utterances: int
    duration_s: float
    languages: tuple[str, ...]
    clean: str = ""
    conditions: tuple[Condition, ...] = ()
    selection: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """Which model: the backend's fields, its runtime's version, and the decode options it cannot follow.

    `environment` is the one that it ran in, with the versions of its packages; None for that of the run.
    """

    backend: str
    runtime_version: str | None
    options: Mapping[str, JsonValue]
    not_honoured: tuple[str, ...] = ()
    environment: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict)

    @property
    def runtime(self) -> str:
        """The version of its runtime, in words: with its environment where that is not the run's."""
        version = self.runtime_version or "unknown"
        return f"{version} (environment {self.environment})" if self.environment else version


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A combination that was asked for and not run, and why. An empty corpus means all of them."""

    model: str
    corpus: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One call of pytest: a run may hold several, each adding its lane. Times are ISO 8601 in UTC.

    `resumes` names earlier sessions that were cut short and that this one, called in the same way, goes on with.
    """

    number: int
    argv: tuple[str, ...]
    started_at: str
    workers: int
    seed: int
    limit: int | None
    models: Mapping[str, ModelFacts]
    skipped: tuple[Skipped, ...] = ()
    planned_utterances: int = 0
    ended_at: str | None = None
    outcome: Outcome = "running"
    resumes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One folder of records: where, when and with what they were made.

    `budgets` is the budget file as it stood, so that an old run can be judged as it was.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    id: str
    created_at: str
    environment: Environment
    corpora: Mapping[str, CorpusFacts] = field(default_factory=dict)
    sessions: tuple[Session, ...] = ()
    budgets: tuple[Mapping[str, JsonValue], ...] = ()
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.schema not in READABLE:
            raise BadRecord(
                f"run of schema {self.schema}; this version reads schema {SCHEMA} and older: upgrade modellab"
            )

    @property
    def unfinished(self) -> tuple[Session, ...]:
        """The sessions that ended before all they had planned and that no later one has brought to an end."""
        made_whole = {number for s in self.sessions if s.outcome == "complete" for number in s.resumes}
        return tuple(s for s in self.sessions if s.outcome != "complete" and s.number not in made_whole)

    @property
    def partial(self) -> bool:
        """Whether something that was planned was not done."""
        return bool(self.unfinished)

"""Dossier: a comparison's folder: what both arms wrote and needed, what was spent, and what was found."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from modellab.errors import BadRecord
from modellab.gating.judging import Evidence
from modellab.records.duels import Duels
from modellab.records.lines import reason_of
from modellab.records.record import Record
from modellab.records.store import Store
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding, gravest
from modellab.verdicts.sequential import Spent
from modellab.whole import replacing

GATES = "gates"
VERDICTS = "verdicts.json"
SUMMARY = "summary.md"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What a comparison came to.

    Attributes:
        id: of the comparison: a hash of what was compared, so that measuring it again adds to it.
        created_at: when it was judged last, ISO 8601 in UTC.
        base: the base in words.
        candidate: the candidate in words.
        command: what measures it again.
        expected: the names of the gates that were expected.
        findings: what was found, a gate each.
        minutes: how long measuring took this time.
        machine: the processor and its cores.
        notes: what nobody judges and a reader must know.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    id: str
    created_at: str
    base: str
    candidate: str
    command: str
    expected: tuple[str, ...]
    findings: tuple[Finding, ...]
    minutes: float
    machine: str
    notes: tuple[str, ...] = ()
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise BadRecord(f"verdicts of schema {self.schema}; this version reads schema {SCHEMA}: upgrade modellab")

    @property
    def missing(self) -> tuple[str, ...]:
        """The gates that were expected and of which nothing was found."""
        found = {finding.gate.name for finding in self.findings}
        return tuple(name for name in self.expected if name not in found)

    @property
    def decision(self) -> Decision:
        """The gravest of all; a gate that is missing is an error, and so is a comparison without any."""
        return Decision.ERROR if self.missing else gravest(finding.decision for finding in self.findings)


class Dossier:
    """The folder of one comparison; each pair of models on each corpus has a folder in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def verdicts_path(self) -> Path:
        """Where the verdicts are."""
        return self.folder / VERDICTS

    def lock(self) -> FileLock:
        """Give a lock, so that one process at a time adds to it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / ".lock")

    def duels(self, model: str, corpus: str) -> Duels:
        """Give the file of the blocks of a pair."""
        return Duels(self._pair(model, corpus))

    def transcripts(self, model: str, corpus: str, side: str) -> Store:
        """Give the store of what one arm of a pair wrote."""
        return Store(self._pair(model, corpus) / side)

    def evidence(self, model: str, corpus: str, revision: str) -> Evidence:
        """Give all that is known of a pair."""
        return Evidence(
            revision=revision,
            base=self._records(model, corpus, "base"),
            candidate=self._records(model, corpus, "candidate"),
            blocks=tuple(self.duels(model, corpus).blocks()),
            spent=self._spent(model, corpus),
        )

    def spend(self, model: str, corpus: str, gate: str, spent: Spent) -> None:
        """Write down which looks have been taken: they are never taken again."""
        every = {**self._spent(model, corpus), gate: spent}
        _write(self._pair(model, corpus) / "spent.json", _spents().dump_json(every, indent=1))

    def conclude(self, verdicts: Verdicts) -> None:
        """Write the verdicts down."""
        _write(self.verdicts_path, _verdicts().dump_json(verdicts, indent=1))

    def _records(self, model: str, corpus: str, side: str) -> tuple[Record, ...]:
        last = {record.utterance: record for record in self.transcripts(model, corpus, side).records()}
        return tuple(last.values())

    def _spent(self, model: str, corpus: str) -> Mapping[str, Spent]:
        path = self._pair(model, corpus) / "spent.json"
        try:
            return _spents().validate_json(path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValidationError as error:
            raise BadRecord(f"{path}: {reason_of(error)}. What was spent is lost: remove {self.folder}") from error

    def _pair(self, model: str, corpus: str) -> Path:
        return self.folder / sha256(f"{model}\n{corpus}".encode()).hexdigest()[:16]


def read_verdicts(path: Path) -> Verdicts:
    """Give the verdicts of a file.

    Raises:
        BadRecord: when there are none, or they cannot be read.
    """
    try:
        return _verdicts().validate_json(path.read_bytes())
    except OSError as error:
        raise BadRecord(f"no verdicts at {path}: {error.strerror}") from error
    except (ValidationError, BadRecord) as error:
        raise BadRecord(f"{path}: {reason_of(error)}") from error


def identity(facts: Mapping[str, Any]) -> str:
    """Give the id of a comparison by what is compared."""
    return sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:20]


def plain(verdicts: Verdicts) -> dict[str, Any]:
    """Give verdicts as plain values, with what follows from them, for machines."""
    written: dict[str, Any] = json.loads(_verdicts().dump_json(verdicts))
    return {**written, "decision": verdicts.decision, "missing": list(verdicts.missing)}


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as fresh:
        fresh.write_bytes(content + b"\n")


@cache
def _verdicts() -> TypeAdapter[Verdicts]:
    return TypeAdapter(Verdicts)


@cache
def _spents() -> TypeAdapter[dict[str, Spent]]:
    return TypeAdapter(dict[str, Spent])

"""Store: a run's folder on disk. Every process appends its own lines; a line is written whole or not at all."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from filelock import FileLock
from pydantic import Field, TypeAdapter, ValidationError
from ulid import ULID

from modellab.errors import BadRecord, StoreFull
from modellab.records.environment import Environment
from modellab.records.lines import Lines, Torn, reason_of
from modellab.records.record import ColdStart, Fact, Record
from modellab.records.run import CorpusFacts, Outcome, Run, Session, Skipped
from modellab.whole import replacing

__all__ = ["LATEST", "RUNS", "Line", "Store", "Torn", "new_run_folder", "now", "point_latest"]

RUNS = "runs"
LATEST = "latest"

Line: TypeAlias = Fact | Torn


class Store:
    """The folder of one run: `run.json` and `records.jsonl`, to which several processes may append at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lines = Lines(self.records_path)

    @property
    def records_path(self) -> Path:
        """Where the facts are, one JSON object a line."""
        return self.folder / "records.jsonl"

    @property
    def run_path(self) -> Path:
        """Where the run is described."""
        return self.folder / "run.json"

    def append(self, fact: Fact) -> None:
        """Write one fact.

        Raises:
            StoreFull: when the disk does not take the whole line; all earlier lines stay readable.
        """
        try:
            self._lines.append(_facts().dump_json(fact))
        except OSError as error:
            raise self._full(error.strerror or str(error)) from error

    def _full(self, reason: str) -> StoreFull:
        return StoreFull(
            f"cannot write records to {self.records_path}: {reason}. What was written before is kept: "
            f"free some room and go on with --run-dir {self.folder}"
        )

    def lines(self) -> Iterator[Line]:
        """Give what every line says, in the order of writing: a fact, or that it was torn.

        Raises:
            BadRecord: when a line is whole JSON but no record; the message names file and line.
        """
        return self._lines.read(_facts().validate_json)

    def facts(self) -> Iterator[Fact]:
        """Give every fact in the order of writing; a line torn by a crash or a full disk is passed over.

        Raises:
            BadRecord: when a line is whole JSON but no record; the message names file and line.
        """
        return (line for line in self.lines() if not isinstance(line, Torn))

    def placed(self) -> Iterator[tuple[int, Line]]:
        """Give what `lines` gives, each with the byte that its line starts at.

        Raises:
            BadRecord: as `lines` does.
        """
        return self._lines.placed(_facts().validate_json)

    def at(self, places: Iterable[int]) -> Iterator[Fact]:
        """Give the facts whose lines start at these bytes.

        Raises:
            BadRecord: when there is none at one of them.
        """
        return self._lines.at(places, _facts().validate_json)

    def torn_lines(self) -> int:
        """Give the number of lines that a crash or a full disk cut short."""
        return sum(isinstance(line, Torn) for line in self.lines())

    def count_lines(self) -> int:
        """Give the number of lines without reading what they say."""
        if not self.records_path.exists():
            return 0
        with self.records_path.open("rb") as lines:
            return sum(1 for _ in lines)

    def records(self) -> Iterator[Record]:
        """Give the records of utterances."""
        return (fact for fact in self.facts() if isinstance(fact, Record))

    def cold_starts(self) -> Iterator[ColdStart]:
        """Give the cold starts."""
        return (fact for fact in self.facts() if isinstance(fact, ColdStart))

    def run(self) -> Run:
        """Give the description of the run.

        Raises:
            BadRecord: when there is none, or it cannot be read.
        """
        try:
            return _runs().validate_json(self._description())
        except FileNotFoundError as error:
            raise BadRecord(f"{self.folder} holds no run: there is no run.json in it") from error
        except (ValidationError, BadRecord) as error:
            raise BadRecord(f"{self.run_path}: {reason_of(error)}") from error

    def open_session(
        self,
        session: Session,
        environment: Environment,
        corpora: dict[str, CorpusFacts],
        budgets: tuple[dict[str, Any], ...],
    ) -> int:
        """Add a session to the run, creating the run where there is none; give the session's number."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.lock("run"):
            old = self.run() if self.run_path.exists() else _new_run(environment)
            number = len(old.sessions) + 1
            self._write(
                replace(
                    old,
                    environment=old.environment.joined_by(environment),
                    corpora={**old.corpora, **corpora},
                    sessions=(*old.sessions, replace(session, number=number)),
                    budgets=budgets,
                )
            )
        return number

    def close_session(self, number: int, outcome: Outcome, skipped: tuple[Skipped, ...] = ()) -> None:
        """Say how a session ended and what it left out."""
        with self.lock("run"):
            run = self.run()
            ended = tuple(
                replace(s, ended_at=now(), outcome=outcome, skipped=skipped) if s.number == number else s
                for s in run.sessions
            )
            self._write(replace(run, sessions=ended))

    def lock(self, name: str) -> FileLock:
        """Give a lock between the processes of this run; the kernel frees it when its holder dies."""
        folder = self.folder / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{name.replace('/', '_')}.lock")

    def close(self) -> None:
        """Close the file; harmless when called again."""
        self._lines.close()

    def _description(self) -> bytes:
        if not self.run_path.is_file():
            raise FileNotFoundError(self.run_path)  # nor a pipe, which would never be read to its end
        return self.run_path.read_bytes()

    def _write(self, run: Run) -> None:
        with replacing(self.run_path) as fresh:
            fresh.write_bytes(_runs().dump_json(run, indent=2) + b"\n")


def new_run_folder(runs: Path) -> Path:
    """Give a folder for a new run under `runs`, named by a ULID so that names sort by time."""
    return runs / str(ULID())


def point_latest(folder: Path) -> None:
    """Make `latest`, beside the run's folder, point at it."""
    link, fresh = folder.parent / LATEST, folder.parent / f".{LATEST}-{os.getpid()}"
    fresh.symlink_to(folder.name, target_is_directory=True)
    fresh.replace(link)


def now() -> str:
    """Give the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _new_run(environment: Environment) -> Run:
    return Run(id=str(ULID()), created_at=now(), environment=environment)


@cache
def _facts() -> TypeAdapter[Fact]:
    return TypeAdapter(Annotated[Fact, Field(discriminator="kind")])


@cache
def _runs() -> TypeAdapter[Run]:
    return TypeAdapter(Run)

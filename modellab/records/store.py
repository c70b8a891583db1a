"""Store: a run's folder on disk. Every process appends its own lines; a line is written whole or not at all."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from filelock import FileLock
from pydantic import Field, TypeAdapter, ValidationError
from ulid import ULID

from modellab.errors import BadRecord, BadTranscript, StoreFull
from modellab.records.environment import Environment
from modellab.records.record import ColdStart, Fact, Record
from modellab.records.run import CorpusFacts, Outcome, Run, Session, Skipped

RUNS = "runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """A line that a crash or a full disk cut short, numbered from 1."""

    number: int


Line: TypeAlias = Fact | Torn


class Store:
    """The folder of one run: `run.json` and `records.jsonl`.

    Several processes may append at once: each line is one `write` to a descriptor opened for appending, which a
    local file system does not interleave.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor: int | None = None

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
        line = _facts().dump_json(fact) + b"\n"
        try:
            if self._descriptor is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(self.records_path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            if _ends_torn(self._descriptor):
                line = b"\n" + line
            written = os.write(self._descriptor, line)
        except OSError as error:
            raise self._full(error.strerror or str(error)) from error
        if written < len(line):
            raise self._full("the disk took only part of a line")

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
        if not self.records_path.exists():
            return
        read = _facts().validate_json
        with self.records_path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.isspace():
                    continue
                try:
                    said: Line = read(line)
                except (ValidationError, BadRecord, BadTranscript) as error:
                    if not _is_torn(line):
                        raise BadRecord(f"{self.records_path}:{number}: {_reason(error)}") from error
                    said = Torn(number=number)
                yield said

    def facts(self) -> Iterator[Fact]:
        """Give every fact in the order of writing; a line torn by a crash or a full disk is passed over.

        Raises:
            BadRecord: when a line is whole JSON but no record; the message names file and line.
        """
        return (line for line in self.lines() if not isinstance(line, Torn))

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
            return _runs().validate_json(self.run_path.read_bytes())
        except FileNotFoundError as error:
            raise BadRecord(f"{self.folder} holds no run: there is no run.json in it") from error
        except (ValidationError, BadRecord) as error:
            raise BadRecord(f"{self.run_path}: {_reason(error)}") from error

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
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, run: Run) -> None:
        fresh = self.run_path.with_suffix(".json.new")
        fresh.write_bytes(_runs().dump_json(run, indent=2) + b"\n")
        fresh.replace(self.run_path)


def new_run_folder(runs: Path) -> Path:
    """Give a folder for a new run under `runs`, named by a ULID so that names sort by time."""
    return runs / str(ULID())


def point_latest(folder: Path) -> None:
    """Make `latest`, beside the run's folder, point at it."""
    link, fresh = folder.parent / "latest", folder.parent / f".latest-{os.getpid()}"
    fresh.symlink_to(folder.name, target_is_directory=True)
    fresh.replace(link)


def now() -> str:
    """Give the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _new_run(environment: Environment) -> Run:
    return Run(id=str(ULID()), created_at=now(), environment=environment)


def _ends_torn(descriptor: int) -> bool:
    """Whether the file's last line was cut short, by this process or by one before it or beside it."""
    size_bytes = os.fstat(descriptor).st_size
    return size_bytes > 0 and os.pread(descriptor, 1, size_bytes - 1) != b"\n"


def _is_torn(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return True
    return False


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}"


@cache
def _facts() -> TypeAdapter[Fact]:
    return TypeAdapter(Annotated[Fact, Field(discriminator="kind")])


@cache
def _runs() -> TypeAdapter[Run]:
    return TypeAdapter(Run)

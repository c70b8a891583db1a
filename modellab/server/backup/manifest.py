"""Manifest: what a backup holds, and by which names."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

FORMAT = 1
MANIFEST = "manifest.json"

RUNS, DATA = "runs", "data"
DATABASE, SECRET, LOGS = f"{DATA}/server.sqlite3", f"{DATA}/secret", f"{DATA}/jobs"

DatabaseKind: TypeAlias = Literal["sqlite", "elsewhere", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of a backup."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds. It is its last file: one that was cut short has none.

    Attributes:
        format: of the backup; a later one is not read.
        created_at: when it was begun, ISO 8601 in UTC. What was recorded before is in it.
        modellab: the version that made it.
        run_schema: of the runs.
        database_schema: of the database; None where that is not in it.
        database: what the server kept its own in. Only a copy of `sqlite` is in the backup.
        secret: whether what keys are hashed with is in it.
        latest: the run that `latest` named; None where there was none.
    """

    format: int
    created_at: str
    modellab: str
    run_schema: int
    database_schema: int | None
    database: DatabaseKind
    secret: bool
    latest: str | None
    members: tuple[Member, ...]

    @property
    def runs(self) -> int:
        """How many runs are in it."""
        return len({PurePosixPath(each.name).parts[1] for each in self.members if each.name.startswith(f"{RUNS}/")})

    @property
    def size_bytes(self) -> int:
        """What it takes when it is put back."""
        return sum(member.size_bytes for member in self.members)

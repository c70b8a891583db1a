"""Surroundings: where workers run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """An interpreter, and what a process of it is started with.

    Attributes:
        python: the interpreter.
        env: variables that are laid over those of this process; None takes one away.
        cwd: the folder it runs in; None for this process's.
        origin: whose packages these are, in words for the report.
        log: the file that tells how they were made; None where nothing was.
    """

    python: Path
    env: Mapping[str, str | None] = field(default_factory=dict)
    cwd: Path | None = None
    origin: str
    log: Path | None = None

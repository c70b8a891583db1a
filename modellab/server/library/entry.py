"""Entry: what the index knows of one run, and by what it sees that the run has changed."""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from modellab.errors import BadRecord
from modellab.records.run import Run
from modellab.records.store import Store
from modellab.server.library.labels import FILE, Labels

State = Literal["running", "complete", "partial"]

RUN_ID = r"^[0-9A-HJKMNP-TV-Z]{26}$"
_WATCHED = ("run.json", "records.jsonl", FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One run of the index. A pure function of its folder.

    Attributes:
        folder: its name, below the folder of all runs.
        created_at: ISO 8601 in UTC, to the second.
        state: `running` where a session has not said how it ended: it is under way, or its process died.
        utterances: planned; what a session was gone on with by a later one counts once.
        records_bytes: the size of what was recorded.
        size_bytes: the size of everything in the folder.
        signature: of the files that the rest is read from.
    """

    id: str
    folder: str
    created_at: str
    state: State
    models: tuple[str, ...]
    corpora: tuple[str, ...]
    languages: tuple[str, ...]
    utterances: int
    records_bytes: int
    size_bytes: int
    labels: Labels
    signature: str

    @property
    def of_records(self) -> str:
        """The part of the signature that is not of what people say of the run."""
        return self.signature.rpartition(" ")[0]

    @classmethod
    def read(cls, folder: Path, signature: str) -> Self:
        """Read the entry of a run's folder, whose signature was taken before.

        Raises:
            BadRecord: when the run cannot be read, or its id or time is none.
        """
        store = Store(folder)
        if store.records_path.exists() and not store.records_path.is_file():
            raise BadRecord(f"{store.records_path} is no file")
        run = store.run()
        if not re.fullmatch(RUN_ID, run.id):
            raise BadRecord(f"{store.run_path}: id: a ULID is expected, not {run.id!r}")
        named = {
            "models": _names(model for session in run.sessions for model in session.models),
            "corpora": _names(run.corpora),
            "languages": _names(language for facts in run.corpora.values() for language in facts.languages),
        }
        if any("\0" in name for names in named.values() for name in names):
            raise BadRecord(f"{store.run_path}: a name holds a character that no database takes")
        return cls(
            id=run.id,
            folder=folder.name,
            created_at=_utc(run.created_at, store.run_path),
            state=_state(run),
            utterances=_planned(run),
            records_bytes=_bytes_of(store.records_path),
            size_bytes=sum(_bytes_of(Path(place, name)) for place, _, names in os.walk(folder) for name in names),
            labels=Labels.read(folder),
            signature=signature,
            **named,
        )


def sign(folder: str) -> str | None:
    """Give the signature of a folder, by asking for the times and sizes of three files; None where it is no run."""
    run, records, labels = (_stamp(f"{folder}/{name}") for name in _WATCHED)
    return f"{run} {records} {labels}" if run or records else None


def _stamp(path: str) -> str:
    try:
        found = os.stat(path)  # noqa: PTH116 - of 10,000 runs, three times each
    except OSError:
        return ""
    return f"{found.st_mtime_ns}:{found.st_size}" if stat.S_ISREG(found.st_mode) else ""


def _bytes_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def _state(run: Run) -> State:
    left = {session.outcome for session in run.unfinished}
    if not left:
        return "complete"
    return "running" if "running" in left else "partial"


def _planned(run: Run) -> int:
    gone_on_with = {number for session in run.sessions for number in session.resumes}
    return sum(session.planned_utterances for session in run.sessions if session.number not in gone_on_with)


def _utc(written: str, path: Path) -> str:
    try:
        time = datetime.fromisoformat(written)
    except ValueError as error:
        raise BadRecord(f"{path}: created_at: {error}") from error
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds")

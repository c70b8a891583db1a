"""Retention: which runs go, and why; and what else lies about that nobody needs."""

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from filelock import FileLock, Timeout
from ulid import ULID

from modellab.errors import BadRecord
from modellab.records.store import LATEST, Store, point_latest
from modellab.server.folders import RESTORING, TRASH, run_names
from modellab.server.library.labels import Labels
from modellab.server.settings import RetentionSettings

QUIET = timedelta(hours=1)
"""What has changed within this time may be in use, and stays."""

_BLOCK_BYTES = 512

Reason: TypeAlias = Literal["age", "count", "bytes", "free disk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A run that is kept until now.

    Attributes:
        folder: below that of the runs, and no link.
        changed_at: when anything in it last did.
        size_bytes: what it takes of the disk.
        pinned: whether somebody wants it to stay, or may do so: its labels cannot be read.
        held: whether a process works on it.
    """

    folder: Path
    created_at: datetime
    changed_at: datetime
    size_bytes: int
    pinned: bool = False
    held: bool = False

    def stays(self, now: datetime) -> bool:
        """Whether it is never deleted as things stand."""
        return self.pinned or self.held or now - self.changed_at < QUIET


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A run to delete, and the first bound that says so."""

    run: Kept
    why: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to delete, oldest first. `unmet` says which bounds it does not meet, since all other runs stay."""

    deletions: tuple[Deletion, ...]
    unmet: tuple[str, ...] = ()

    @property
    def freed_bytes(self) -> int:
        """What that gives back of the disk."""
        return sum(deletion.run.size_bytes for deletion in self.deletions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """What was deleted, and the runs of the plan that were not: somebody needs them after all."""

    runs: int
    size_bytes: int
    spared: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A file or folder that was meant to be there for a moment only, and that nobody came back for."""

    path: Path
    size_bytes: int
    why: str


def plan(runs: Iterable[Kept], bounds: RetentionSettings, free_bytes: int, now: datetime) -> Plan:
    """Choose what to delete: the oldest, and no more of them than the bounds ask for."""
    runs = tuple(runs)
    tally = _Tally(bounds, now, runs=len(runs), size_bytes=sum(run.size_bytes for run in runs), free_bytes=free_bytes)
    deletions = []
    for run in sorted(runs, key=lambda run: (run.created_at, run.folder)):
        if run.stays(now):
            continue
        why = tally.exceeded_by(run)
        if why is None:
            break
        deletions.append(Deletion(run=run, why=why))
        tally.without(run)
    return Plan(deletions=tuple(deletions), unmet=tuple(tally.unmet()))


def scan(root: Path) -> tuple[tuple[Kept, ...], tuple[str, ...]]:
    """Give the runs of a folder, and for each that cannot be read, and is left alone, a line that says why."""
    kept, unread = [], []
    for folder in (root.resolve() / name for name in run_names(root)):
        try:
            run = _kept(folder)
        except (BadRecord, OSError) as error:
            unread.append(f"{folder.name} is left as it is: {str(error).partition(chr(10))[0]}")
            continue
        if run is not None:
            kept.append(run)
    return tuple(kept), tuple(unread)


def apply(plan: Plan, root: Path, now: Callable[[], datetime]) -> Freed:
    """Delete what a plan says, but for what has changed since: a run is there whole, or not at all.

    Raises:
        OSError: when a run cannot be moved; those before it are gone.
    """
    deleted, spared = [], []
    for deletion in plan.deletions:
        folder = root.resolve() / deletion.run.folder.name
        if not _may_go(folder, now()):
            spared.append(folder.name)
            continue
        _point_elsewhere(folder)
        _throw_away(folder)
        deleted.append(deletion.run)
    return Freed(runs=len(deleted), size_bytes=sum(run.size_bytes for run in deleted), spared=tuple(spared))


def orphans(root: Path, data: Path, jobs: Collection[str], now: datetime) -> Iterator[Orphan]:
    """Give what lies about in the folders of the runs and of the server; `jobs` are the ids of those there are."""
    places = (
        (root, f"{TRASH}/*", "of a run that was deleted", timedelta.min),
        (root, f".{LATEST}-*", "a link that was never put in place", QUIET),
        (root, "*/*.new", "never finished", QUIET),
        (root, RESTORING, "of a restoration that was cut short", QUIET),
        (data, RESTORING, "of a restoration that was cut short", QUIET),
        (data, "*.new", "never finished", QUIET),
        (data, "uploads/*", "audio that nobody hears any more", QUIET),
    )
    for folder, pattern, why, quiet in places:
        for path in sorted(folder.glob(pattern)):
            if _is_below(path, folder) and now - _changed(path.lstat()) >= quiet:
                yield Orphan(path=path, size_bytes=_size(path), why=why)
    for path in sorted(data.glob("jobs/*.log*")):
        if path.name.partition(".")[0] not in jobs and now - _changed(path.lstat()) >= QUIET:
            yield Orphan(path=path, size_bytes=_size(path), why="the log of a job that is gone")


class _Tally:
    """What would be left, and which bound that still exceeds."""

    def __init__(
        self, bounds: RetentionSettings, now: datetime, *, runs: int, size_bytes: int, free_bytes: int
    ) -> None:
        self._bounds, self._now = bounds, now
        self._runs, self._size_bytes, self._free_bytes = runs, size_bytes, free_bytes

    def without(self, run: Kept) -> None:
        """Take a run away."""
        self._runs -= 1
        self._size_bytes -= run.size_bytes
        self._free_bytes += run.size_bytes

    def exceeded_by(self, run: Kept) -> Reason | None:
        """Give the first bound for which a run has to go; None where it may stay."""
        days = self._bounds.max_age_days
        if days is not None and self._now - run.created_at > timedelta(days=days):
            return "age"
        return next((why for why, exceeded, _ in self._sums() if exceeded), None)

    def unmet(self) -> Iterator[str]:
        """Say which bounds are not met."""
        return (words for _, exceeded, words in self._sums() if exceeded)

    def _sums(self) -> Iterator[tuple[Reason, bool, str]]:
        bounds = self._bounds
        if bounds.max_runs is not None:
            yield "count", self._runs > bounds.max_runs, f"{self._runs} runs stay, {bounds.max_runs} are allowed"
        if bounds.max_bytes is not None:
            words = f"runs of {self._size_bytes} bytes stay, {bounds.max_bytes} are allowed"
            yield "bytes", self._size_bytes > bounds.max_bytes, words
        if bounds.min_free_bytes is not None:
            words = f"{self._free_bytes} bytes of the disk will be free, {bounds.min_free_bytes} are asked for"
            yield "free disk", self._free_bytes < bounds.min_free_bytes, words


def _kept(folder: Path) -> Kept | None:
    """Read a run's folder; None where it is none.

    Raises:
        BadRecord: when it is one that cannot be read.
        OSError: when it is gone, or not ours to read.
    """
    store = Store(folder)
    if not store.run_path.exists() and not store.records_path.exists():
        return None
    run = store.run()
    created_at = datetime.fromisoformat(run.created_at)
    return Kept(
        folder=folder,
        created_at=created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC),
        changed_at=max(_changed(path.lstat()) for path in (folder, *folder.glob("*")) if path.name != ".locks"),
        size_bytes=_size(folder),
        pinned=_is_pinned(folder),
        held=any(session.outcome == "running" for session in run.sessions) and _is_held(folder),
    )


def _is_pinned(folder: Path) -> bool:
    try:
        return Labels.read(folder).pinned
    except (BadRecord, OSError):
        return True


def _is_held(folder: Path) -> bool:
    """Whether a process holds one of a run's locks; the kernel frees those of a dead one."""
    for lock in folder.glob(".locks/*.lock"):
        try:
            with FileLock(lock, timeout=0):
                pass
        except (Timeout, OSError):
            return True
    return False


def _may_go(folder: Path, now: datetime) -> bool:
    try:
        run = None if folder.is_symlink() else _kept(folder)
    except (BadRecord, OSError):
        return False
    return run is not None and not run.stays(now)


def _point_elsewhere(folder: Path) -> None:
    """Have `latest` name the newest other run, or nothing where there is none, before the run that it names goes."""
    latest = folder.parent / LATEST
    if not latest.is_symlink() or latest.resolve() != folder:
        return
    others = [run for run in scan(folder.parent)[0] if run.folder != folder]
    if others:
        point_latest(max(others, key=lambda run: (run.created_at, run.folder)).folder)
    else:
        latest.unlink()


def _throw_away(folder: Path) -> None:
    trash = folder.parent / TRASH
    trash.mkdir(exist_ok=True)
    thrown = trash / str(ULID())
    folder.rename(thrown)
    shutil.rmtree(thrown, ignore_errors=True)
    with suppress(OSError):
        trash.rmdir()


def _is_below(path: Path, root: Path) -> bool:
    """Whether a path is in a folder without a link on the way; it may be a link itself."""
    return path.parent.resolve() == root.resolve() / path.parent.relative_to(root)


def _size(path: Path) -> int:
    """Give what a file, or a folder with all that is in it, takes of the disk. No link is followed."""
    inside = (Path(place, name) for place, folders, files in os.walk(path) for name in (*folders, *files))
    return sum(_blocks(each) for each in (path, *inside))


def _blocks(path: Path) -> int:
    try:
        return path.lstat().st_blocks * _BLOCK_BYTES
    except FileNotFoundError:
        return 0


def _changed(stat: os.stat_result) -> datetime:
    return datetime.fromtimestamp(stat.st_mtime, UTC)

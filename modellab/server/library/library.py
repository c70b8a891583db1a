"""Library: the index, kept in step with the folder of the runs, which is the truth."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from modellab.errors import BadRecord, ModelLabError, Refused
from modellab.records.record import Record
from modellab.records.run import Run
from modellab.records.store import Store
from modellab.server.database import Database
from modellab.server.definitions import Definitions
from modellab.server.folders import run_names
from modellab.server.library.entry import Entry, sign
from modellab.server.library.index import Index
from modellab.server.library.labels import Labels
from modellab.server.library.questions import Questions
from modellab.server.library.readings import Reading, Readings
from modellab.server.library.recordings import Recording, Recordings
from modellab.server.settings import ServerSettings

_AT_ONCE = 500
_log = structlog.get_logger("modellab.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A folder that looks like a run and is not in the index, and why."""

    folder: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was seen of a folder: the id of its run, or why it is not in the index."""

    signature: str
    id: str | None
    reason: str | None = None


class Library:
    """The runs of a folder. Any thread may use it.

    `running` looks at the folder over and over; without it, `refresh` does so once.
    """

    def __init__(
        self,
        root: Path,
        index: Index,
        *,
        refresh_s: float,
        readings: Readings,
        recordings: Recordings,
        questions: Questions,
    ) -> None:
        self.root, self.index = root, index
        self.readings, self.recordings, self.questions = readings, recordings, questions
        self._refresh_s = refresh_s
        self._seen: dict[str, _Seen] | None = None
        self._refreshing, self._labelling, self._ended = Lock(), Lock(), Event()
        self._trouble: str | None = None
        self._complete = False

    @classmethod
    def of(cls, settings: ServerSettings, definitions: Definitions, database: Database) -> Self:
        """Make the library of a server."""
        return cls(
            settings.runs,
            Index(database),
            refresh_s=settings.refresh_s,
            readings=Readings(),
            recordings=Recordings(settings.fixtures, definitions.cache),
            questions=Questions(settings.runs),
        )

    @property
    def complete(self) -> bool:
        """Whether the folder was gone through to its end since the start."""
        return self._complete

    @property
    def trouble(self) -> str | None:
        """Why the index could not be kept in step, the last time; None where it could."""
        return self._trouble

    @property
    def unread(self) -> tuple[Unread, ...]:
        """The folders that are not in the index though they hold something of a run, by name."""
        seen = sorted((self._seen or {}).copy().items())
        return tuple(Unread(folder=_printable(name), reason=each.reason) for name, each in seen if each.reason)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep the index in step from a thread, beginning at once; it has ended when this has."""
        self._ended.clear()
        thread = Thread(target=self._keep, name="library", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self.readings.close()
            thread.join()

    def refresh(self) -> None:
        """Look at the folder, and take into the index what is new or changed and out of it what is gone.

        Raises:
            DatabaseUnavailable: when the index cannot be changed; what was done until then stays.
            OSError: when the folder cannot be looked at; one that is not there holds no runs.
        """
        with self._refreshing:
            if self._seen is None:
                known = self.index.known()
                self._seen = {name: _Seen(signature=signature, id=run) for name, (run, signature) in known.items()}
            found = self._scan()
            gone = [name for name in self._seen if name not in found]
            changed = [name for name, signature in found.items() if _is_news(self._seen.get(name), signature)]
            if gone or changed:
                doubled = [name for name, seen in self._seen.items() if seen.id and seen.reason and name in found]
                self._forget(gone)
                self._take(sorted({*changed, *doubled}), found)
            self._complete = not self._ended.is_set()

    def rebuild(self) -> None:
        """Make the index anew from the folder alone."""
        with self._refreshing:
            self.index.change(tuple(self.index.known()), ())
            self._seen = {}
        self.refresh()

    def find(self, run: str) -> Entry:
        """Give the entry of a run.

        Raises:
            Refused: 404 where there is none.
        """
        entry = self.index.find(run)
        if entry is None:
            raise _nobody_knows(run)
        return entry

    def store(self, entry: Entry) -> Store:
        """Give the folder of an entry, which lies below that of the runs.

        Raises:
            Refused: 404 where it is gone, or leads elsewhere.
        """
        root = self.root.resolve()
        folder = root / entry.folder
        if folder.resolve() != folder or not folder.is_dir():
            raise _nobody_knows(entry.id)
        return Store(folder)

    def reading(self, entry: Entry) -> Reading:
        """Give what the records of an entry come to.

        Raises:
            Refused: 404 where it is gone, 503 while its records are read.
            BadRecord: when one cannot be read.
            BadDefinition: when its budgets cannot be understood.
        """
        return self.readings.of(entry.id, entry.of_records, self.store(entry))

    def records(self, entry: Entry, places: Iterable[int]) -> tuple[Record, ...]:
        """Give the records whose lines start at these bytes.

        Raises:
            Refused: 404 where the run is gone.
            BadRecord: when they are not there any more.
        """
        store = self.store(entry)
        try:
            return tuple(fact for fact in store.at(places) if isinstance(fact, Record))
        except FileNotFoundError as error:
            raise _nobody_knows(entry.id) from error
        except BadRecord as error:
            raise BadRecord(self._told(error)) from error

    def hear(self, run: str, corpus: str, utterance: str) -> Recording:
        """Give what the models of a run heard.

        Raises:
            Refused: 404 where there is no such run, or its corpus is not on this disk.
            BadRecord: when the run cannot be read any more.
        """
        return self.recordings.hear(self.run(self.find(run)), corpus, utterance)

    def run(self, entry: Entry) -> Run:
        """Give what an entry's run.json says.

        Raises:
            Refused: 404 where the run is gone.
            BadRecord: when it cannot be read any more.
        """
        try:
            return self.store(entry).run()
        except BadRecord as error:
            raise BadRecord(self._told(error)) from error

    def label(
        self, run: str, *, pinned: bool | None, tags: Sequence[str] | None, only_if: Collection[str] | None
    ) -> Entry:
        """Change what is said of a run; None leaves it as it is.

        Where `only_if` names revisions of the labels, they must be at one of these.

        Raises:
            Refused: 404 where there is no such run, 409 where its folder is read-only, 412 where somebody else has
                changed the labels.
            BadRecord: when the labels that it has cannot be read.
        """
        with self._labelling:
            entry = self.find(run)
            folder = self.store(entry).folder
            old = self._labels(folder)
            if only_if is not None and old.revision not in only_if:
                raise Refused(
                    "somebody has changed the labels of this run since you read them: read them again",
                    status=412,
                    code="changed",
                )
            new = replace(
                old,
                pinned=old.pinned if pinned is None else pinned,
                tags=old.tags if tags is None else tuple(sorted(set(tags))),
            )
            new.write(folder)
            labelled = replace(entry, labels=new, signature=sign(str(folder)) or entry.signature)
            self.index.change((), (labelled,))
        return labelled

    def _keep(self) -> None:
        while not self._ended.is_set():
            try:
                self.refresh()
                self._trouble = None
            except (ModelLabError, OSError, SQLAlchemyError) as error:
                self._trouble = str(error).partition("\n")[0]
                _log.warning("runs_not_indexed", reason=self._trouble)
            self._ended.wait(self._refresh_s)

    def _scan(self) -> Mapping[str, str]:
        """Give the signature of every folder with a run, by name."""
        signed = ((name, sign(f"{self.root}/{name}")) for name in run_names(self.root))
        return {name: signature for name, signature in signed if signature}

    def _forget(self, gone: Sequence[str]) -> None:
        assert self._seen is not None
        self.index.change(self._indexed(gone), ())
        for name in gone:
            del self._seen[name]

    def _take(self, names: Sequence[str], found: Mapping[str, str]) -> None:
        """Read folders and put them in, some at a time, so that what is there can be seen before the end."""
        assert self._seen is not None
        fresh = set(names)
        owners = {seen.id: name for name, seen in self._seen.items() if name not in fresh and not seen.reason}
        for start in range(0, len(names), _AT_ONCE):
            if self._ended.is_set():
                return
            entries: dict[str, Entry] = {}
            seen: dict[str, _Seen] = {}
            for name in names[start : start + _AT_ONCE]:
                read = self._read(name, found[name])
                if isinstance(read, Unread):
                    seen[name] = _Seen(signature=found[name], id=None, reason=read.reason)
                    continue
                loser = max(name, owners.get(read.id, name)) if read.id in owners else None
                if loser != name:
                    entries[name], owners[read.id] = read, name
                    seen[name] = _Seen(signature=read.signature, id=read.id)
                if loser is not None:
                    entries.pop(loser, None)
                    reason = f"it has the id {read.id} of {_printable(owners[read.id])}, which comes first"
                    seen[loser] = _Seen(signature=found[loser], id=read.id, reason=reason)
            self.index.change(self._indexed(seen.keys() - entries.keys()), tuple(entries.values()))
            for name, each in seen.items():
                if each.reason and each != self._seen.get(name):
                    _log.warning("run_not_indexed", folder=_printable(name), reason=each.reason)
            self._seen.update(seen)

    def _labels(self, folder: Path) -> Labels:
        try:
            return Labels.read(folder)
        except BadRecord as error:
            raise BadRecord(self._told(error)) from error

    def _indexed(self, names: Iterable[str]) -> tuple[str, ...]:
        """Give those of some folders that are in the index as far as is known."""
        seen = self._seen or {}
        return tuple(name for name in names if name in seen and seen[name].reason is None)

    def _read(self, name: str, signature: str) -> Entry | Unread:
        try:
            name.encode()
            return Entry.read(self.root / name, signature)
        except UnicodeEncodeError:
            return Unread(folder=name, reason="its name is no text")
        except (BadRecord, OSError) as error:
            return Unread(folder=name, reason=self._told(error))

    def _told(self, error: BadRecord | OSError) -> str:
        """Give the first line of an error, without the place of the runs on this machine."""
        words = error.strerror if isinstance(error, OSError) else str(error)
        told = (words or "it cannot be read").partition("\n")[0]
        return told.replace(f"{self.root.resolve()}/", "").replace(f"{self.root}/", "")


def _is_news(seen: _Seen | None, signature: str) -> bool:
    return seen is None or seen.signature != signature


def _printable(name: str) -> str:
    """Give a name as text, whatever its bytes are."""
    return os.fsencode(name).decode(errors="replace")


def _nobody_knows(run: str) -> Refused:
    return Refused(f"there is no run {run}: GET /api/runs lists those there are", status=404, code="not_found")

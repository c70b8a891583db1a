"""Progress: how far a run has come, seen from outside by its folder."""

from dataclasses import dataclass, field
from pathlib import Path

from modellab.errors import BadRecord
from modellab.records.run import Outcome
from modellab.records.store import Store

_SLICE_BYTES = 1 << 20


@dataclass(slots=True, kw_only=True)
class Progress:
    """Watches a folder. It reads what is new since it last looked, and no more.

    Attributes:
        run: the id of the run; None until there is one.
        planned: utterances that its last session plans to hear.
        heard: the lines of its records.
        outcome: how its last session ended; None until there is one.
    """

    folder: Path
    run: str | None = None
    planned: int | None = None
    heard: int | None = None
    outcome: Outcome | None = None
    _described: tuple[int, int] | None = field(default=None, init=False)
    _read_bytes: int = field(default=0, init=False)

    def look(self) -> None:
        """Look at what is there now."""
        store = Store(self.folder)
        self._describe(store)
        self._count(store.records_path)

    def _describe(self, store: Store) -> None:
        try:
            stat = store.run_path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if stamp != self._described:
                run = store.run()
                self.run, self._described = run.id, stamp
                if run.sessions:
                    self.planned, self.outcome = run.sessions[-1].planned_utterances, run.sessions[-1].outcome
        except (OSError, BadRecord):
            return

    def _count(self, records: Path) -> None:
        try:
            with records.open("rb") as lines:
                lines.seek(self._read_bytes)
                heard = self.heard or 0
                while piece := lines.read(_SLICE_BYTES):
                    self._read_bytes += len(piece)
                    heard += piece.count(b"\n")
        except OSError:
            return
        self.heard = heard

"""Progress: now and then, how much has been heard and how long the rest may take."""

from collections.abc import Callable
from threading import Event, Thread

from modellab.machine.clock import MONOTONIC
from modellab.records.store import Store

EVERY_S = 15.0


class Progress:
    """Says a line every few seconds while records are written, by whatever process."""

    def __init__(self, store: Store, planned: int, say: Callable[[str], None], every_s: float = EVERY_S) -> None:
        self._store = store
        self._planned = planned
        self._say = say
        self._every_s = every_s
        self._before = store.count_lines()
        self._started_at = MONOTONIC()
        self._done = Event()
        self._thread = Thread(target=self._run, name="modellab-progress", daemon=True)

    def start(self) -> None:
        """Begin to say how it goes."""
        self._thread.start()

    def stop(self) -> None:
        """Say no more; harmless when called again."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def line(self) -> str:
        """Give what there is to say."""
        heard = self._store.count_lines() - self._before
        planned = max(self._planned, heard)
        spent_s = MONOTONIC() - self._started_at
        left = f"about {_spoken(spent_s / heard * (planned - heard))} left" if heard else "no estimate yet"
        return f"modellab: {heard} of {planned} utterances in {_spoken(spent_s)}, {left}"

    def _run(self) -> None:
        while not self._done.wait(self._every_s):
            self._say(self.line())


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"

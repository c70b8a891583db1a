"""Questions: SQL over the records of all runs, as much of it as a server can bear."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from threading import BoundedSemaphore

from modellab.errors import BadQuery, QueryTimeout, Refused
from modellab.records.query import Answer, ask

MOST_AT_ONCE = 2
MOST_BYTES = 8 << 20
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer that can be sent: values that JSON has, and of rows no more than MOST_BYTES; `more` were left out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    more: int
    passed_over: int
    unread: tuple[str, ...]


class Questions:
    """Asks one thing after another, MOST_AT_ONCE at once: each may take a gigabyte and all cores."""

    def __init__(self, runs: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        self._runs, self._timeout_s = runs, timeout_s
        self._places = BoundedSemaphore(MOST_AT_ONCE)

    def ask(self, statement: str, limit: int, only: Collection[str] | None = None) -> Told:
        """Give what a SELECT gives, over all runs or `only` those in folders of these names.

        Raises:
            BadQuery: when there is no answer.
            Refused: 503 when too many are asked, 422 when it takes too long.
        """
        with self._place():
            try:
                answer = ask(self._runs, statement, limit=limit, timeout_s=self._timeout_s, only=only)
            except QueryTimeout as error:
                words = f"{error}; ask about fewer runs, by naming them in `runs`"
                raise Refused(words, status=422, code="query_timeout", param="sql") from error
            except BadQuery as error:
                raise BadQuery(self._placeless(str(error))) from error
        rows = tuple(_bounded(answer))
        kept = tuple(answer.rows)
        return Told(
            columns=answer.columns,
            rows=rows,
            more=answer.more + len(kept) - len(rows),
            passed_over=answer.passed_over,
            unread=tuple(map(self._placeless, answer.unread)),
        )

    def _placeless(self, told: str) -> str:
        """Leave out where the runs are on this machine."""
        for root in (str(self._runs.resolve()), str(self._runs)):
            told = told.replace(f"{root}/", "").replace(root, "the folder of the runs")
        return told

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise Refused(
                f"{MOST_AT_ONCE} questions are being answered, which is all that are at once: ask again",
                status=503,
                code="query_busy",
                retry_after_s=1.0,
            )
        try:
            yield
        finally:
            self._places.release()


def _bounded(answer: Answer) -> Iterator[tuple[object, ...]]:
    """Give the first rows that are no more than MOST_BYTES together."""
    spent = 0
    for row in answer.rows:
        plain = tuple(map(_plain, row))
        spent += len(json.dumps(plain))
        if spent > MOST_BYTES:
            return
        yield plain


def _plain(value: object) -> object:
    """Give a value as JSON has it: what is no number is absent, and what JSON does not know is text."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)

"""Memo: what a function gave, kept for the next time, within a limit."""

from collections.abc import Callable
from typing import TypeVar

Given = TypeVar("Given")


class Memo(dict[str, Given]):
    """A dictionary that asks `make` for what it lacks, and is emptied where it would grow beyond `limit`."""

    def __init__(self, make: Callable[[str], Given], limit: int = 200_000) -> None:
        super().__init__()
        self._make, self._limit = make, limit

    def __missing__(self, key: str) -> Given:
        if len(self) >= self._limit:
            self.clear()
        self[key] = made = self._make(key)
        return made

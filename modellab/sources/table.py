"""Table: a table of a definition file, read with its types checked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf

from modellab.errors import BadDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The keys and values of a table, and `where` it stands, for messages."""

    where: str
    values: Mapping[str, object]

    @classmethod
    def read(cls, value: object, where: str, allowed: Iterable[str] | None = None) -> "Table":
        """Give a value as a table.

        Raises:
            BadDefinition: when it is no table, or holds a key that is not among those allowed (None allows all).
        """
        if not isinstance(value, Mapping):
            raise BadDefinition(f"{where} must be a table, not {value!r}")
        known = None if allowed is None else sorted(allowed)
        for key in value:
            if known is not None and key not in known:
                near = get_close_matches(key, known, n=1)
                guess = f" Did you mean {near[0]!r}?" if near else ""
                raise BadDefinition(f"{where}: unknown key {key!r}.{guess} Allowed: {', '.join(known)}.")
        return cls(where=where, values=value)

    def text(self, key: str, default: str | None = None) -> str:
        """Give the text under a key."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or not value:
            raise self.refusal(key, "a text that is not empty")
        return value

    def choice(self, key: str, allowed: Iterable[str], default: str | None = None) -> str:
        """Give the text under a key where only some are allowed."""
        value, known = self.text(key, default), sorted(allowed)
        if value not in known:
            raise self.refusal(key, f"one of {', '.join(known)}")
        return value

    def optional_text(self, key: str) -> str | None:
        """Give the text under a key, None where there is none."""
        return self.text(key) if key in self.values else None

    def optional_count(self, key: str) -> int | None:
        """Give the whole number under a key, None where there is none."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.refusal(key, "a whole number, 0 or more")
        return value

    def optional_number(self, key: str) -> float | None:
        """Give the number under a key, None where there is none."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < inf:
            raise self.refusal(key, "a number, 0 or more")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Give the list of texts under a key."""
        value = self.values.get(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
            raise self.refusal(key, "a list of texts that is not empty")
        return tuple(value)

    def counts(self, key: str) -> tuple[int, ...]:
        """Give the list of whole numbers under a key."""
        value = self.values.get(key)
        if not isinstance(value, list) or not value or not all(type(item) is int and item >= 0 for item in value):
            raise self.refusal(key, "a list of whole numbers, 0 or more, that is not empty")
        return tuple(value)

    def table(self, key: str, allowed: Iterable[str] | None = None) -> "Table":
        """Give the table under a key."""
        return Table.read(self.values.get(key), f"{self.where}, {key}", allowed)

    def items(self, key: str) -> tuple[object, ...]:
        """Give the list of tables under a key; each is still to be read."""
        value = self.values.get(key)
        if not isinstance(value, list) or not value:
            raise self.refusal(key, "a list of tables that is not empty")
        return tuple(value)

    def refusal(self, key: str, wanted: str) -> BadDefinition:
        """Give the error that says what the value under a key should have been."""
        found = f"not {self.values[key]!r}" if key in self.values else "and it is missing"
        return BadDefinition(f"{self.where}: {key} must be {wanted}, {found}")

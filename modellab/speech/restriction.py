"""Restriction: what must be true of an utterance for it to be kept, such as `language=en` or `duration<20`."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from modellab.errors import BadDefinition

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_WRITTEN = re.compile(r"(?P<fact>[^<>=!]+)(?P<sign><=|>=|!=|=|<|>)(?P<value>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """A fact's name, a sign (=, !=, <, <=, > or >=) and a value; signs of order compare numbers."""

    fact: str
    sign: str
    value: str

    def __str__(self) -> str:
        return f"{self.fact}{self.sign}{self.value}"

    @property
    def label(self) -> str:
        """How it stands in a corpus's name: the value alone where it says enough."""
        return self.value if self.sign == "=" else str(self)

    def allows(self, known: str | float | None) -> bool:
        """Whether a fact with this value is kept; one that is unknown, or no number where one is asked for, is not."""
        if self.sign in _COMPARISONS:
            number = _number(known)
            return number is not None and _COMPARISONS[self.sign](number, float(self.value))
        alike = known is not None and (str(known) == self.value or _same_number(known, self.value))
        return alike if self.sign == "=" else not alike


def parse_restriction(text: str) -> Restriction:
    """Give the restriction that was written.

    Raises:
        BadDefinition: when it cannot be understood, or a sign of order stands before something that is no number.
    """
    written = _WRITTEN.fullmatch(text.strip())
    if not written or not written["fact"].strip():
        raise BadDefinition(f"{text!r} is no restriction: between the brackets stands field=value or field<number")
    fact, sign, value = written["fact"].strip(), written["sign"], written["value"].strip()
    if sign in _COMPARISONS and _number(value) is None:
        raise BadDefinition(f"{text!r}: {sign} compares numbers, and {value!r} is none")
    return Restriction(fact=fact, sign=sign, value=value)


def _number(value: str | float | None) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _same_number(known: str | float, value: str) -> bool:
    return not isinstance(known, str) and _number(value) == known

"""Setback: a load that failed, and how long it is not tried again."""

from dataclasses import dataclass
from typing import Self

from modellab.errors import LoadFailed, kind_of

FIRST_S = 1.0
LONGEST_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """The last of one or more loads of a model that failed one after another.

    Attributes:
        failures: how many in a row.
        kind: of the last error, as a record counts it.
        message: of the last error.
        until_s: when the load may be tried again, by the clock of whoever tries.
    """

    failures: int
    kind: str
    message: str
    until_s: float

    @classmethod
    def after(cls, earlier: Self | None, error: BaseException, now_s: float) -> Self:
        """Give the setback by an error: 1 s to wait after the first, twice as long after each, 60 s at most."""
        failures = earlier.failures + 1 if earlier else 1
        wait_s = min(LONGEST_S, FIRST_S * 2.0 ** min(failures - 1, 10))
        return cls(failures=failures, kind=kind_of(error), message=str(error) or repr(error), until_s=now_s + wait_s)

    def refusal(self, key: str, now_s: float) -> LoadFailed:
        """Give what to raise to whoever wants the model now."""
        wait_s = max(0.0, self.until_s - now_s)
        return LoadFailed(
            f"{key} could not be loaded ({self.failures} in a row; tried again in {wait_s:.1f} s at the earliest): "
            f"{self.message}",
            kind=self.kind,
            retry_after_s=wait_s,
        )

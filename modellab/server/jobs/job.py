"""Job: an evaluation that was asked for, from the queue to its end."""

from dataclasses import dataclass
from typing import Literal

from modellab.server.jobs.order import Order

State = Literal["queued", "running", "complete", "failed", "cancelled", "interrupted"]
Verdict = Literal["passed", "failed"]

ENDED: frozenset[State] = frozenset({"complete", "failed", "cancelled", "interrupted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An evaluation. Times are ISO 8601 in UTC; what is not there yet, or is not known, is None.

    Attributes:
        id: a ULID; its run's folder and its log are called so.
        number: larger than that of every job before it.
        state: `complete` when all was measured that was asked for, whatever the verdict; `failed` when it could not
            be; `interrupted` when it was begun as often as it may be, and killed each time.
        run: the id of its run, once there is one.
        attempts: how often it was begun; what a server that stopped has cut short is not counted.
        planned: utterances that its run plans to hear.
        heard: facts that its run holds.
        verdict: whether every claim held.
        reason: why it is not complete, or waits again.
        last_lines: of its log, oldest first, where it failed.
        cancel_asked: whether somebody has cancelled it.
    """

    id: str
    number: int
    state: State
    order: Order
    created_at: str
    started_at: str | None = None
    ended_at: str | None = None
    run: str | None = None
    attempts: int = 0
    planned: int | None = None
    heard: int | None = None
    verdict: Verdict | None = None
    reason: str | None = None
    last_lines: tuple[str, ...] = ()
    cancel_asked: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """Something that became of a job, numbered from 1: a new `state`, or `progress`."""

    number: int
    kind: Literal["state", "progress"]
    at: str
    state: State
    attempt: int
    planned: int | None = None
    heard: int | None = None
    verdict: Verdict | None = None
    reason: str | None = None

    @property
    def last(self) -> bool:
        """Whether none comes after it."""
        return self.kind == "state" and self.state in ENDED

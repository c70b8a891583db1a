"""Hearing: one order on its way through the pool, which may be called off at any moment."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from modellab.errors import PoolBusy, WorkerFailed, WorkForgone
from modellab.machine.clock import MONOTONIC, Clock
from modellab.measuring.worker import Worker
from modellab.pool.pool import Pool
from modellab.pool.ticket import Ticket
from modellab.server.hearing.order import Order
from modellab.server.hearing.team import Team
from modellab.speech.transcript import Segment, Transcript

Outcome: TypeAlias = Literal["done", "failed", "refused", "cancelled"]
"""Heard; failed at work; refused by a pool or a model that is not to be had; or called off by who asked."""


@dataclass(kw_only=True, eq=False)
class Hearing:
    """An order, heard once by `listen` in one thread; `forgo` from another gives it up, and ends the work on it.

    Attributes:
        order: what is asked for.
        pool: the models.
        wait_s: how long it waits for its model and for a free process of it, in seconds, together.
        waited_s: how long it did wait; None before it is heard.
        heard_s: how long the work took; None before it is done.
        outcome: what came of it so far.
    """

    order: Order
    pool: Pool[Team]
    wait_s: float
    clock: Clock = MONOTONIC
    waited_s: float | None = field(default=None, init=False)
    heard_s: float | None = field(default=None, init=False)
    outcome: Outcome = field(default="refused", init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _forgone: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _ticket: Ticket[Team] | None = field(default=None, init=False, repr=False)
    _team: Team | None = field(default=None, init=False, repr=False)
    _worker: Worker | None = field(default=None, init=False, repr=False)

    def listen(self, tell: Callable[[Segment], None] | None = None) -> Transcript:
        """Wait for the model and give what it wrote; each segment is told as soon as it is written.

        Raises:
            WorkForgone: when it was given up.
            ModelLabError: what `Pool.lease` and `Worker.listen` raise.
        """
        asked_s = self.clock()
        try:
            with self._lent() as team, self._borrowed(team, self._left_s(asked_s)) as worker, self._at_work(worker):
                self.waited_s = self.clock() - asked_s
                return self._heard(worker, tell)
        except WorkForgone:
            self.outcome = "cancelled"
            raise

    @property
    def timing(self) -> str:
        """What it took, as the header Server-Timing has it, in milliseconds: the wait for the model, and its work."""
        told = {"wait": self.waited_s, "model": self.heard_s}
        return ", ".join(f"{name};dur={took_s * 1000:.1f}" for name, took_s in told.items() if took_s is not None)

    def forgo(self) -> None:
        """Give it up: leave the line, or end the process that works on it. Harmless when called again, or too late."""
        with self._lock:
            self._forgone.set()
            if self._worker:
                self._worker.kill()
            elif self._team:
                self._team.stir()
            elif self._ticket:
                self.pool.forgo(self._ticket)

    def _heard(self, worker: Worker, tell: Callable[[Segment], None] | None) -> Transcript:
        begun_s = self.clock()
        self.outcome = "failed"
        try:
            transcript = self._ask(worker, tell)
        except WorkerFailed as error:
            raise self._reason(error) from error
        finally:
            self.heard_s = self.clock() - begun_s
        self.outcome = "done"
        return transcript

    def _ask(self, worker: Worker, tell: Callable[[Segment], None] | None) -> Transcript:
        order = self.order
        if tell:
            return worker.narrate(order.audio, None, tell, order.decode)
        return worker.listen([order.audio], None, order.decode)[0][0]

    def _left_s(self, asked_s: float) -> float:
        return max(0.0, self.wait_s - (self.clock() - asked_s))

    @contextmanager
    def _lent(self) -> Iterator[Team]:
        ticket = self.pool.ask(self.order.model)
        try:
            with self._lock:
                if self._forgone.is_set():
                    raise self._given_up()
                self._ticket = ticket
            yield self.pool.wait(ticket, self.wait_s)
        finally:
            self.pool.release(ticket)

    @contextmanager
    def _borrowed(self, team: Team, timeout_s: float) -> Iterator[Worker]:
        """Borrow a process; `forgo` ends the wait for one."""
        with self._lock:
            self._team = team
        with team.borrow(timeout_s, self._forgone.is_set) as worker:
            yield worker

    @contextmanager
    def _at_work(self, worker: Worker) -> Iterator[None]:
        """Let `forgo` end this worker, for as long as it works on this order and not on another's."""
        with self._lock:
            if self._forgone.is_set():
                raise self._given_up()
            self._worker = worker
        try:
            yield
        finally:
            with self._lock:
                self._worker = None
            if self._forgone.is_set():
                worker.close()  # it was killed, and may not have ended yet

    def _reason(self, error: WorkerFailed) -> Exception:
        if self._forgone.is_set():
            return self._given_up()
        if error.kind == "TimeoutExpired":
            return PoolBusy(f"{self.order.model} took too long and was ended", retry_after_s=1.0)
        return error

    def _given_up(self) -> WorkForgone:
        return WorkForgone(f"nobody waits for what {self.order.model} was to write")

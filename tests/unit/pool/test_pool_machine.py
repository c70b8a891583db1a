"""A pool under whatever order of wishes, loads, deaths and time: what it promises holds after every step."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from modellab.errors import LoadFailed, ModelLabError, ModelTooLarge, PoolBusy
from modellab.machine.memory import Memory
from modellab.pool.capacity import Capacity
from modellab.pool.pool import Pool
from modellab.pool.recipe import Recipe
from modellab.pool.size import Size
from modellab.pool.ticket import Ticket

RAM_BYTES = 10
MODELS = 3
MAX_WAITING = 4
TRUE = {"small": 3, "half": 5, "wide": 8, "vain": 3, "fat": 7, "huge": 12, "whale": 20}
THOUGHT = TRUE | {"vain": 6, "fat": 1, "huge": 4}  # the rest is known right


@dataclass(eq=False)
class Model:
    """A model that takes its true size from the moment its load begins until it is closed or has died."""

    key: str
    fails: bool
    alive: bool = False
    takes_bytes: int = 0
    died: bool = False
    closed: bool = False
    pid: int | None = None

    def load(self) -> None:
        """Take the memory, or fail and take none."""
        assert not self.closed
        self.takes_bytes = TRUE[self.key]
        if self.fails:
            self.takes_bytes = 0
            raise OSError("told to fail")
        self.alive = True

    def die(self) -> None:
        """End without being asked to."""
        self.alive, self.died, self.takes_bytes = False, True, 0

    def close(self) -> None:
        """Give the memory back."""
        self.alive, self.closed, self.takes_bytes = False, True, 0

    def memory(self) -> Memory:
        """Give the true size."""
        return Memory(resident_bytes=self.takes_bytes, peak_bytes=None)


class PoolMachine(RuleBasedStateMachine):
    """A pool whose jobs are done when the machine says so, and who uses it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.fails = False
        self.failed: set[str] = set()
        self.jobs: list[Callable[[], None]] = []
        self.made: list[Model] = []
        self.tickets: list[Ticket[Model]] = []
        self.had: list[Ticket[Model]] = []
        self.before: list[Ticket[Model]] = []
        self.stuck: list[Ticket[Model]] = []
        self.served: set[str] = set()
        self.pool: Pool[Model] = Pool(
            self.recipe,
            Capacity(models=MODELS, ram_bytes=RAM_BYTES),
            max_waiting=MAX_WAITING,
            clock=lambda: self.now_s,
            start=self.jobs.append,
        )

    def recipe(self, key: str) -> Recipe[Model]:
        """Give how a model is made; it fails to load where the machine has said so."""

        def make() -> Model:
            self.made.append(Model(key, self.fails))
            self.failed |= {key} if self.fails else set()
            return self.made[-1]

        return Recipe(make=make, estimate=Size(ram_bytes=THOUGHT[key]), keep_alive_s=30.0)

    @property
    def waiting(self) -> list[Ticket[Model]]:
        """Who was answered nothing yet, in the order in which they came."""
        return [ticket for ticket in self.tickets if ticket.slot is None and ticket.error is None]

    @property
    def lent(self) -> list[Ticket[Model]]:
        """Who has a model."""
        return [ticket for ticket in self.tickets if ticket.slot is not None]

    @rule(key=st.sampled_from([*["small", "half"] * 3, *TRUE]), busy=st.booleans())
    def ask(self, key: str, busy: bool) -> None:
        """Want a model; unless the machine is busy, what is to be done for it is done at once."""
        line, loads = len(self.waiting), len(self.made)
        try:
            self.tickets.append(self.pool.ask(key))
        except PoolBusy:
            assert line == MAX_WAITING
        except ModelTooLarge:
            assert max(TRUE[key], THOUGHT[key]) > RAM_BYTES
        except LoadFailed:
            assert key in self.failed
        assert len(self.made) == loads, "a model is made in a job, not while somebody asks"
        if not busy:
            self.finish()

    @precondition(lambda self: self.lent)
    @rule(data=st.data(), busy=st.booleans())
    def share(self, data: Any, busy: bool) -> None:
        """Want a model that somebody uses."""
        self.ask(data.draw(st.sampled_from(self.lent)).key, busy)

    @precondition(lambda self: self.tickets)
    @rule(data=st.data())
    def leave(self, data: Any) -> None:
        """Give a model back, or stop waiting."""
        ticket = data.draw(st.sampled_from(self.tickets))
        self.tickets.remove(ticket)
        self.pool.release(ticket)
        self.pool.release(ticket)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), fails=st.booleans())
    def work(self, data: Any, fails: bool) -> None:
        """Do one of the jobs, in any order."""
        self.fails = fails
        self.jobs.pop(data.draw(st.integers(0, len(self.jobs) - 1)))()
        self.fails = False

    def finish(self) -> None:
        """Do all jobs, and those that follow from them."""
        while self.jobs:
            self.jobs.pop(0)()

    @precondition(lambda self: any(model.alive for model in self.made))
    @rule(data=st.data())
    def die(self, data: Any) -> None:
        """Lose a process."""
        data.draw(st.sampled_from([model for model in self.made if model.alive])).die()

    @rule(seconds=st.sampled_from([0.5, 5.0, 60.0]))
    def sweep(self, seconds: float) -> None:
        """Let time pass, and sweep."""
        self.now_s += seconds
        self.pool.sweep()

    @invariant()
    def the_budget_is_kept(self) -> None:
        """Never is more held than may be, but for a model that turns out larger than was thought, until it is gone."""
        held = self.pool.holding()
        assert len(held.models) <= MODELS
        taken = Counter({model.key: model.takes_bytes for model in self.made if model.takes_bytes})
        self.served |= {model.key for model in held.models if model.state in {"idle", "leased"}}
        self.served &= {model.key for model in held.models}
        foreseen = {key for key in taken if key in self.served or TRUE[key] <= THOUGHT[key]}
        assert sum(taken[key] for key in foreseen) <= RAM_BYTES
        if not self.jobs:
            assert taken.total() <= RAM_BYTES
            assert all(model.state in {"idle", "leased"} for model in held.models)

    @invariant()
    def no_model_is_there_twice(self) -> None:
        """Of each model there is one at most, be it loading, in use or on its way out."""
        assert all(count == 1 for count in Counter(model.key for model in self.made if model.takes_bytes).values())

    @invariant()
    def no_model_in_use_is_closed(self) -> None:
        """Who is lent a model gets one that lives, and has it until its process dies."""
        for ticket in self.lent:
            model = ticket.slot.hosted
            assert model.key == ticket.key
            assert model.alive or (model.died and ticket in self.had)
        self.had = list(self.lent)

    @invariant()
    def nobody_is_lost(self) -> None:
        """The pool knows all who wait; where no job is left to do, they wait for somebody who has a model."""
        assert self.pool.holding().waiting == len(self.waiting) <= MAX_WAITING
        if not self.jobs and not self.lent:
            assert not self.waiting

    @invariant()
    def nobody_is_passed(self) -> None:
        """Who waited for room before this step and still waits was passed by nobody who came later."""
        coming = {model.key for model in self.pool.holding().models if model.state == "loading"}
        stuck = [ticket for ticket in self.waiting if ticket.key not in coming]
        served = [self.tickets.index(ticket) for ticket in self.lent if ticket not in self.before]
        passed = [self.tickets.index(ticket) for ticket in self.stuck if ticket in stuck]
        assert not served or not passed or max(served) < min(passed)
        self.stuck, self.before = stuck, list(self.lent)

    def teardown(self) -> None:
        """When everybody leaves in turn, everybody is answered before."""
        while self.tickets:
            self.finish()
            ticket = next((ticket for ticket in self.tickets if ticket not in self.waiting), None)
            assert ticket is not None, "somebody waits for nobody"
            assert ticket.error is None or isinstance(ticket.error, ModelLabError)
            self.tickets.remove(ticket)
            self.pool.release(ticket)
        self.finish()
        assert {model.state for model in self.pool.holding().models} <= {"idle"}


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=200, stateful_step_count=40, deadline=None, database=None)

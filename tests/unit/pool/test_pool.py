"""A pool of models: who is loaded, lent, made to wait, refused and given up, on fakes and on real workers."""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from modellab.errors import (
    LoadFailed,
    ModelLabError,
    ModelTooLarge,
    PoolBusy,
    PoolClosed,
    UnknownName,
    WorkerFailed,
    WorkForgone,
    kind_of,
)
from modellab.machine.memory import Memory
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.worker import Worker
from modellab.pool.capacity import Capacity
from modellab.pool.pool import Pool
from modellab.pool.recipe import Recipe
from modellab.pool.size import Size
from modellab.pool.size_book import SizeBook
from modellab.speech.audio import Audio
from modellab.testing import FakeBackend

SOON_S = 30.0
SILENCE = Audio(samples=np.zeros(1600, np.float32))


def of(ram_bytes: int, vram_bytes: int = 0) -> Size:
    """Give a size."""
    return Size(ram_bytes=ram_bytes, vram_bytes=vram_bytes)


@dataclass(eq=False)
class Model:
    """A hosted model without a process; a `gate` keeps its load from ending, an `error` from succeeding.

    What is closed before its `prelude` is over loads all the same.
    """

    key: str
    ram_bytes: int | None = 1
    prelude: threading.Event | None = None
    gate: threading.Event | None = None
    error: Exception | None = None
    alive: bool = False
    pid: int | None = None
    closes: int = 0

    def load(self) -> None:
        """Wait for the gate, then live or fail."""
        if self.prelude:
            assert self.prelude.wait(SOON_S)
            self.error, self.gate = None, threading.Event()
        if self.gate:
            assert self.gate.wait(SOON_S)
        if self.error:
            raise self.error
        self.alive = True

    def close(self) -> None:
        """End it, and its load."""
        self.closes, self.alive = self.closes + 1, False
        if self.gate:
            self.error = self.error or WorkerFailed("closed", stage="load", kind="SIGKILL")
            self.gate.set()

    def memory(self) -> Memory:
        """Give what it takes."""
        return Memory(resident_bytes=self.ram_bytes, peak_bytes=self.ram_bytes)


@dataclass
class Shop:
    """Recipes by key, and every model that was made by them."""

    recipes: dict[str, Recipe[Model]] = field(default_factory=dict)
    made: list[Model] = field(default_factory=list)

    def sell(self, key: str, size: Size | None = None, keep_alive_s: float = 300.0, **how: Any) -> None:
        """Offer a model of this estimated size; `how` it is made."""

        def make() -> Model:
            self.made.append(Model(key, **how))
            return self.made[-1]

        self.recipes[key] = Recipe(make=make, estimate=size or of(1), keep_alive_s=keep_alive_s)

    def recipe(self, key: str) -> Recipe[Model]:
        """Give the recipe; a key without one is sold as it comes."""
        if key == "nothing":
            raise UnknownName("model", key, self.recipes)
        if key not in self.recipes:
            self.sell(key)
        return self.recipes[key]

    def loads(self, key: str) -> int:
        """How often a model was made."""
        return sum(model.key == key for model in self.made)


@pytest.fixture
def shop() -> Shop:
    """Where models come from."""
    return Shop()


@pytest.fixture
def pool_of(shop, clock) -> Iterator[Callable[..., Pool[Model]]]:
    """A maker of pools of the shop's models by the hand's clock; the caller does the jobs, unless told otherwise."""
    made: list[Pool[Model]] = []

    def make(models: int = 2, ram_bytes: int | None = None, *, threads: bool = False, **options: Any) -> Pool[Model]:
        vram_bytes = options.pop("vram_bytes", None)
        capacity = Capacity(models=models, ram_bytes=ram_bytes, vram_bytes=vram_bytes)
        if "start" in options:
            return Pool(shop.recipe, capacity, clock=clock, **options)
        start: dict[str, Any] = {} if threads else {"start": lambda job: job()}
        made.append(Pool(shop.recipe, capacity, clock=clock, **start, **options))
        return made[-1]

    yield make
    for pool in made:
        pool.drain(0)


def held(pool: Pool[Any]) -> list[str]:
    """Give the ids that a pool holds, least recently used first."""
    return [model.key for model in pool.holding().models]


def use(pool: Pool[Any], *keys: str) -> None:
    """Lease models, one after another."""
    for key in keys:
        with pool.lease(key, timeout_s=SOON_S):
            pass


class Caller(threading.Thread):
    """A thread that leases a model, notes what it got or was told, and gives it back when told to."""

    def __init__(self, pool: Pool[Model], key: str, timeout_s: float = SOON_S) -> None:
        super().__init__(daemon=True)
        self.pool, self.key, self.timeout_s = pool, key, timeout_s
        self.got: Model | None = None
        self.error: Exception | None = None
        self.answered, self.enough = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        """Lease."""
        try:
            with self.pool.lease(self.key, self.timeout_s) as self.got:
                self.answered.set()
                assert self.enough.wait(SOON_S)
        except ModelLabError as error:
            self.error = error
        self.answered.set()

    def leave(self) -> None:
        """Give it back."""
        self.enough.set()
        self.join(SOON_S)


def until(told: Callable[[], bool]) -> None:
    """Wait for something that other threads do."""
    tick = threading.Event()
    for _ in range(round(100 * SOON_S)):
        if told():
            return
        tick.wait(0.01)
    pytest.fail("it did not happen")


def test_a_model_is_loaded_once_and_stays(pool_of, shop) -> None:
    """The first lease loads a model; later ones, also at the same time, get the same."""
    pool = pool_of()
    with pool.lease("a") as first, pool.lease("a") as second:
        assert first is second
        assert first.alive
    use(pool, "a")
    assert shop.loads("a") == 1


def test_the_least_recently_used_goes_first(pool_of, shop) -> None:
    """A model more than may be held costs the one that nobody used for longest."""
    pool = pool_of(models=2)
    use(pool, "a", "b", "a", "c")
    assert held(pool) == ["a", "c"]
    assert [model.closes for model in shop.made] == [0, 1, 0]


def test_memory_bounds_what_is_held(pool_of, shop) -> None:
    """As many are given up as the new one needs, and no more."""
    pool = pool_of(models=9, ram_bytes=10)
    for key, size in (("a", 4), ("b", 3), ("c", 3), ("d", 5)):
        shop.sell(key, of(size), ram_bytes=size)
    use(pool, "a", "b", "c")
    assert held(pool) == ["a", "b", "c"]
    use(pool, "d")
    assert held(pool) == ["c", "d"]
    assert pool.holding().size == of(8)


def test_only_those_go_whose_going_helps(pool_of, shop) -> None:
    """A model that takes none of the memory that lacks stays, though it was used least recently."""
    pool = pool_of(models=9, ram_bytes=100, vram_bytes=10)
    shop.sell("host", of(1))
    shop.sell("gpu", of(1, 8))
    shop.sell("other", of(1, 8))
    use(pool, "host", "gpu", "other")
    assert held(pool) == ["host", "other"]


def test_a_model_in_use_never_goes(pool_of, shop) -> None:
    """Where all are lent the next waits in vain, and is told when to try again."""
    pool = pool_of(models=1)
    with pool.lease("a") as model:
        with pytest.raises(PoolBusy, match="b was not free within 0 s: try again in 1 s") as caught, pool.lease("b", 0):
            pass
        assert model.alive
    assert caught.value.retry_after_s == 1.0
    assert shop.loads("b") == 0
    use(pool, "b")
    assert not model.alive


def test_too_large_is_refused_at_once(pool_of, shop) -> None:
    """A model that can never fit is not made, and nobody goes for it; the error says sizes and what to do."""
    pool = pool_of(models=9, ram_bytes=5 << 20)
    shop.sell("huge", of(6 << 20))
    use(pool, "a")
    with pytest.raises(ModelTooLarge, match=r"huge needs 6 MiB.* 9 models in 5 MiB in all: raise"):
        pool.ask("huge")
    assert held(pool) == ["a"]
    assert not shop.loads("huge")


def test_a_measured_size_replaces_the_estimate(pool_of, shop, tmp_path) -> None:
    """After a load the true size counts, here and in the next process; what no sensor tells stays as estimated."""
    book = SizeBook(path=tmp_path / "sizes.json")
    shop.sell("a", of(9), ram_bytes=2)
    shop.sell("blind", of(3, 1), ram_bytes=None)
    use(pool := pool_of(ram_bytes=10, sizes=book), "a", "blind")
    assert [model.size for model in pool.holding().models] == [of(2), of(3, 1)]
    assert SizeBook(path=book.path).recall("a") == of(2)
    jobs: list[Any] = []
    later = pool_of(ram_bytes=10, sizes=SizeBook(path=book.path), start=jobs.append)
    later.ask("a")
    assert later.holding().size == of(2)
    jobs.pop()()


def test_a_model_larger_than_thought_sends_off_the_idle(pool_of, shop) -> None:
    """Where the true size breaks the bounds, idle models go before it is lent."""
    pool = pool_of(models=9, ram_bytes=10)
    shop.sell("a", of(4), ram_bytes=4)
    shop.sell("fat", of(1), ram_bytes=9)
    use(pool, "a", "fat")
    assert held(pool) == ["fat"]


def test_a_model_larger_than_thought_is_closed_beside_those_in_use(pool_of, shop) -> None:
    """Where idle models do not make up for the true size it is closed; the next waits until there is room."""
    pool = pool_of(models=9, ram_bytes=10 << 20)
    shop.sell("a", of(4 << 20), ram_bytes=4 << 20)
    shop.sell("fat", of(1), ram_bytes=9 << 20)
    with pool.lease("a"):
        with (
            pytest.raises(PoolBusy, match=r"fat turned out to take 9 MiB, beside 4 MiB of .* 10 MiB"),
            pool.lease("fat"),
        ):
            pass
        assert held(pool) == ["a"]
        ticket = pool.ask("fat")
        assert shop.loads("fat") == 1
    assert pool.wait(ticket, 0).alive
    assert held(pool) == ["fat"]
    pool.release(ticket)


def test_a_model_larger_than_everything_is_loaded_once(pool_of, shop) -> None:
    """Who turns out larger than all that may be held is closed, refused, and not loaded again to find out."""
    pool = pool_of(ram_bytes=10)
    shop.sell("huge", of(1), ram_bytes=11)
    for _ in range(2):
        with pytest.raises(ModelTooLarge), pool.lease("huge"):
            pass
    assert shop.loads("huge") == 1
    assert held(pool) == []


def test_one_load_for_many_who_wait(pool_of, shop) -> None:
    """Twelve who want a model while it loads get the same one, and it is loaded once."""
    shop.sell("a", gate=(gate := threading.Event()))
    pool = pool_of(threads=True)
    callers = [Caller(pool, "a") for _ in range(12)]
    until(lambda: pool.holding().waiting == 12)
    assert [model.state for model in pool.holding().models] == ["loading"]
    gate.set()
    assert all(caller.answered.wait(SOON_S) for caller in callers)
    assert {caller.got for caller in callers} == {shop.made[0]}
    assert (len(shop.made), pool.holding().models[0].leases, pool.holding().waiting) == (1, 12, 0)
    for caller in callers:
        caller.leave()
    assert pool.holding().models[0].state == "idle"


def test_nobody_who_waits_is_lost(pool_of, shop) -> None:
    """Many threads that want more models than there is room for are all served."""
    pool = pool_of(models=2, threads=True)
    served: list[str] = []

    def work(number: int) -> None:
        for turn in range(15):
            with pool.lease(key := "abcd"[(number + turn) % 4], SOON_S) as model:
                assert model.alive
                served.append(key)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    assert len(served) == 8 * 15
    assert (pool.holding().waiting, max(model.closes for model in shop.made)) == (0, 1)


def test_a_failed_load_is_told_to_all_who_wait(pool_of, shop) -> None:
    """Everybody who waits for a load that fails gets its error, of their own; the failed model is closed."""
    failure = WorkerFailed("it crashed", stage="load", kind="SIGABRT")
    shop.sell("a", gate=(gate := threading.Event()), error=failure)
    pool = pool_of(threads=True)
    callers = [Caller(pool, "a") for _ in range(5)]
    until(lambda: pool.holding().waiting == 5)
    gate.set()
    for caller in callers:
        caller.leave()
    errors = [caller.error for caller in callers]
    assert len(set(map(id, errors))) == 5
    assert {(type(error), kind_of(error), error.retry_after_s) for error in errors} == {(LoadFailed, "SIGABRT", 1.0)}
    assert "it crashed" in str(errors[0])
    assert (len(shop.made), shop.made[0].closes, held(pool)) == (1, 1, [])


def test_failed_loads_are_not_repeated_at_once(pool_of, shop, clock) -> None:
    """After each failure the next attempt waits twice as long, a minute at most; a success forgets them."""
    shop.sell("a", error=OSError("no such file"))
    pool = pool_of()
    waits = []
    for attempt in range(1, 9):
        for _ in range(2):
            with pytest.raises(LoadFailed, match="no such file") as caught, pool.lease("a"):
                pass
        assert shop.loads("a") == attempt
        waits.append(caught.value.retry_after_s)
        clock.move(waits[-1])
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    shop.sell("a")
    use(pool, "a", "b", "c")
    shop.sell("a", error=OSError("no such file"))
    with pytest.raises(LoadFailed) as caught, pool.lease("a"):
        pass
    assert caught.value.retry_after_s == 1.0


def test_a_failed_load_makes_room(pool_of, shop) -> None:
    """Who waits behind a load that fails is served."""
    jobs: list[Any] = []
    pool = pool_of(models=1, start=jobs.append)
    shop.sell("bad", error=OSError("gone"))
    bad, good = pool.ask("bad"), pool.ask("good")
    while jobs:
        jobs.pop(0)()
    assert isinstance(bad.error, LoadFailed)
    assert pool.wait(good, 0).alive
    pool.release(good)
    while jobs:
        jobs.pop(0)()


def test_nobody_passes_one_who_waits_for_room(pool_of) -> None:
    """While the first in line waits for room, later wishes wait behind it, also for a model that is held."""
    pool = pool_of(models=1)
    with pool.lease("a"):
        first, second = pool.ask("b"), pool.ask("a")
        assert second.slot is None
    assert first.slot is not None
    assert second.slot is None
    pool.release(first)
    assert second.slot is not None
    pool.release(second)


def test_one_who_waits_for_a_load_holds_up_nobody(pool_of) -> None:
    """A model that is held is lent while another one loads."""
    jobs: list[Any] = []
    pool = pool_of(models=2, start=jobs.append)
    use_a = pool.ask("a")
    jobs.pop()()
    pool.release(use_a)
    loading = pool.ask("b")
    with pool.lease("a", 0) as model:
        assert model.alive
    pool.release(loading)
    jobs.pop()()
    assert held(pool) == ["a", "b"]


def test_too_many_who_wait_are_refused_at_once(pool_of, clock) -> None:
    """One more than may wait is told to try again in the time that the first of them has waited."""
    pool = pool_of(models=1, max_waiting=2)
    with pool.lease("a"):
        line = [pool.ask("b"), pool.ask("c")]
        clock.move(7)
        with pytest.raises(PoolBusy, match="d is not free, and 2 wait already: try again in 7 s") as caught:
            pool.ask("d")
        assert caught.value.retry_after_s == 7.0
        pool.release(line[0])
        line.append(pool.ask("d"))
    for ticket in line:
        pool.release(ticket)


def test_a_full_line_lets_pass_who_need_not_wait(pool_of) -> None:
    """Where the line waits for loads alone, a model that is held is lent though the line is full."""
    jobs: list[Any] = []
    pool = pool_of(models=2, max_waiting=1, start=jobs.append)
    first = pool.ask("a")
    jobs.pop()()
    loading = pool.ask("b")
    with pool.lease("a", 0), pytest.raises(PoolBusy):
        pool.ask("b")
    for ticket in (first, loading):
        pool.release(ticket)
    jobs.pop()()


def test_who_gives_up_waiting_holds_up_nobody(pool_of, shop) -> None:
    """When the time of the first in line is up, those behind are served."""
    pool = pool_of(models=1, threads=True)
    with pool.lease("a") as model:
        first, second = pool.ask("b"), Caller(pool, "a")
        until(lambda: pool.holding().waiting == 2)
        assert not second.answered.is_set()
        with pytest.raises(PoolBusy):
            pool.wait(first, 0.0)
        assert second.answered.wait(SOON_S)
        assert second.got is model
        second.leave()
    assert shop.loads("b") == 0


def test_a_wish_may_be_withdrawn(pool_of) -> None:
    """A place in the line that is released, also twice, is nobody's any more."""
    pool = pool_of(models=1)
    with pool.lease("a"):
        ticket = pool.ask("b")
        for _ in range(2):
            pool.release(ticket)
        assert pool.holding().waiting == 0
    use(pool, "a")


def test_another_may_end_the_waiting(pool_of) -> None:
    """Who waits for a place that another gives up is told at once; a place that is not in the line is left alone."""
    pool = pool_of(models=1, threads=True)
    with pool.lease("a"):
        ticket = pool.ask("b")
        pool.forgo(ticket)
        with pytest.raises(WorkForgone, match="b"):
            pool.wait(ticket, SOON_S)
        pool.forgo(ticket)
    lent = pool.ask("a")
    pool.wait(lent, SOON_S)
    pool.forgo(lent)
    assert pool.holding().models[0].leases == 1
    pool.release(lent)


def test_the_load_of_who_left_is_kept(pool_of, shop) -> None:
    """A model whose waiters have all left while it loaded is idle, and there for the next."""
    shop.sell("a", gate=(gate := threading.Event()))
    pool = pool_of(threads=True)
    with pytest.raises(PoolBusy), pool.lease("a", 0.05):
        pass
    gate.set()
    use(pool, "a")
    assert shop.loads("a") == 1


def test_a_model_that_died_idle_is_loaded_anew(pool_of, shop) -> None:
    """The next lease of a model whose process has ended gets a new one; a sweep takes away what is dead."""
    pool = pool_of()
    use(pool, "a")
    shop.made[0].alive = False
    with pool.lease("a") as model:
        assert model is shop.made[1]
    model.alive = False
    assert pool.sweep() == ("a",)
    assert held(pool) == []


def test_a_model_that_died_in_use_is_loaded_anew(pool_of, shop) -> None:
    """Its death is seen when it is given back, and by the next; who still holds it harms nothing by giving it back."""
    pool = pool_of()
    dead, other = pool.ask("a"), pool.ask("a")
    shop.made[0].alive = False
    pool.release(dead)
    assert held(pool) == []
    with pool.lease("a") as model:
        pool.release(other)
        assert model is shop.made[1]
        assert [held.leases for held in pool.holding().models] == [1]
    assert [model.closes for model in shop.made] == [1, 0]


def test_a_lease_ends_with_whatever_is_raised_in_it(pool_of) -> None:
    """An error of whoever borrows a model passes through, and the model is free."""
    pool = pool_of(models=1)
    with pytest.raises(ZeroDivisionError), pool.lease("a"):
        raise ZeroDivisionError
    use(pool, "b")


def test_an_unknown_model_takes_no_place(pool_of) -> None:
    """What the giver of recipes raises is seen by whoever asks, and nothing else happens."""
    pool = pool_of()
    with pytest.raises(UnknownName), pool.lease("nothing"):
        pass
    assert (pool.holding().waiting, held(pool)) == (0, [])


def test_a_sweep_closes_what_was_idle_for_too_long(pool_of, shop, clock) -> None:
    """Each model goes after the time that is its own, counted from its last use; one that is lent stays."""
    pool = pool_of(models=3)
    shop.sell("short", keep_alive_s=10)
    shop.sell("long", keep_alive_s=100)
    shop.sell("lent", keep_alive_s=1)
    use(pool, "short", "long")
    with pool.lease("lent"):
        clock.move(10)
        assert pool.sweep() == ()
        clock.move(1)
        assert pool.sweep() == ("short",)
        assert held(pool) == ["long", "lent"]
        clock.move(90)
        assert pool.sweep() == ("long",)
    assert [held.idle_s for held in pool.holding().models] == [0.0]


def test_draining_waits_for_what_is_lent(pool_of, shop) -> None:
    """A drained pool lends nothing, refuses who waits, and is done when the last lease ends."""
    pool = pool_of(models=1, threads=True)
    caller = Caller(pool, "a")
    assert caller.answered.wait(SOON_S)
    waiting = Caller(pool, "b")
    until(lambda: pool.holding().waiting == 1)
    drained: list[bool] = []
    drain = threading.Thread(target=lambda: drained.append(pool.drain(SOON_S)), daemon=True)
    drain.start()
    assert waiting.answered.wait(SOON_S)
    assert isinstance(waiting.error, PoolClosed)
    with pytest.raises(PoolClosed):
        pool.ask("a")
    assert shop.made[0].alive
    caller.leave()
    drain.join(SOON_S)
    assert (drained, held(pool), shop.made[0].closes, pool.holding().open) == ([True], [], 1, False)


def test_draining_forces_what_is_not_given_back(pool_of, shop) -> None:
    """When the time is up, what is lent or loads is closed all the same, and the pool says so."""
    shop.sell("slow", gate=threading.Event())
    pool = pool_of(threads=True)
    borrowed = pool.ask("a")
    pool.wait(borrowed, SOON_S)
    loading = pool.ask("slow")
    until(lambda: pool._slots["slow"].hosted is not None)
    assert pool.drain(0.05) is False
    assert held(pool) == []
    assert not any(model.alive for model in shop.made)
    pool.release(borrowed)
    pool.release(loading)


def test_draining_ends_also_what_could_not_be_closed_at_once(pool_of, shop) -> None:
    """What was closed before its load had begun is closed again, so that nobody waits for the end of that load."""
    begin = threading.Event()
    shop.sell("late", prelude=begin)
    pool = pool_of(threads=True)
    loading = pool.ask("late")
    until(lambda: shop.made and pool._slots["late"].hosted is not None)
    drain = threading.Thread(target=lambda: pool.drain(0), daemon=True)
    drain.start()
    until(lambda: shop.made[0].closes)
    begin.set()
    drain.join(SOON_S)
    assert (drain.is_alive(), held(pool)) == (False, [])
    assert shop.made[0].closes >= 3, "its load went on to its end"
    pool.release(loading)


def test_a_health_page_sees_what_is_held(pool_of, shop, clock) -> None:
    """A snapshot tells the models, who uses them, their sizes, the bounds and who waits."""
    jobs: list[Any] = []
    pool = pool_of(models=2, ram_bytes=10, start=jobs.append)
    shop.sell("a", of(5), ram_bytes=3)
    lent = [pool.ask("a"), pool.ask("a")]
    jobs.pop()()
    waiting = [pool.ask("b"), pool.ask("c")]
    clock.move(2)
    seen = pool.holding()
    assert [(each.key, each.state, each.leases, each.size, each.idle_s) for each in seen.models] == [
        ("a", "leased", 2, of(3), None),
        ("b", "loading", 0, of(1), None),
    ]
    assert (seen.waiting, seen.size, seen.capacity.ram_bytes, seen.open) == (2, of(4), 10, True)
    for ticket in (*lent, *waiting):
        pool.release(ticket)
    while jobs:
        jobs.pop(0)()
    assert {each.state for each in pool.holding().models} == {"idle"}


def test_a_process_without_threads_left_serves_all_the_same(pool_of) -> None:
    """Where no thread can be started the caller does the job; nobody waits in vain."""

    def refuse(job: object) -> None:
        raise RuntimeError("can't start new thread")

    pool = pool_of(models=1, start=refuse)
    use(pool, "a", "b")
    assert held(pool) == ["b"]


def test_a_model_that_does_not_close_gives_up_its_place(pool_of, shop, monkeypatch) -> None:
    """An error in closing is seen, and keeps no room."""
    pool = pool_of(models=1)
    use(pool, "a")

    def close() -> None:
        raise OSError("stuck")

    monkeypatch.setattr(shop.made[0], "close", close)
    ticket = None
    with pytest.raises(OSError, match="stuck"):
        ticket = pool.ask("b")
    assert ticket is None
    assert held(pool) == ["b"]


# Real workers.


def fake_recipe(**fields: Any) -> Recipe[Worker]:
    """Give the recipe of a worker of the fake."""
    blueprint = Blueprint.of("fake", FakeBackend(**fields))
    return Recipe(make=lambda: Worker(blueprint=blueprint, limit_s=60.0), estimate=of(1 << 20))


def test_workers_live_in_a_pool() -> None:
    """A worker is measured, lent, replaced after its death, and its process is gone once another takes its place."""
    recipes = {"one": fake_recipe(replies=("one",)), "two": fake_recipe(replies=("two",))}
    with Pool(recipes.__getitem__, Capacity(models=1)) as pool:
        with pool.lease("one") as worker:
            assert worker.transcribe([SILENCE])[0].text == "one"
            assert pool.holding().size.ram_bytes > 5 << 20
            first = worker.pid
            worker.kill()
            with pytest.raises(WorkerFailed):
                worker.transcribe([SILENCE])
        with pool.lease("one") as worker:
            assert worker.pid not in {first, None}
            process = psutil.Process(worker.pid)
        with pool.lease("two") as worker:
            assert worker.transcribe([SILENCE])[0].text == "two"
            assert not process.is_running()
            process = psutil.Process(worker.pid)
    assert not process.is_running()


def test_a_worker_that_cannot_load_is_told() -> None:
    """The error of a real load reaches who waits, under its own kind."""
    recipe = fake_recipe(mishap="raises", mishap_at=None)
    with Pool(lambda key: recipe, Capacity()) as pool:
        with pytest.raises(LoadFailed, match="told to raise") as caught, pool.lease("bad"):
            pass
        assert kind_of(caught.value) == "RuntimeError"
        assert pool.holding().models == ()


def family_bytes(strangers: Collection[psutil.Process]) -> int:
    """Give what this process and all that it started hold, but for what other tests did."""
    own, held_bytes = psutil.Process(), 0
    for process in (own, *own.children(recursive=True)):
        if process not in strangers:
            with suppress(psutil.NoSuchProcess):
                held_bytes += process.memory_info().rss
    return held_bytes


def grown(recipe: Recipe[Any], cycles: int) -> int:
    """Give by how many bytes this process and its children grow from the fifth load and unload to the last."""
    sizes, strangers = [], psutil.Process().children(recursive=True)
    with Pool(lambda key: replace(recipe), Capacity(models=1)) as pool:
        for cycle in range(cycles):
            with pool.lease(f"model {cycle % 2}") as hosted:
                hosted.transcribe([SILENCE])
                sizes.append(family_bytes(strangers))
    return sizes[-1] - sizes[4]


class Here:
    """The fake, hosted in this very process: closing it gives nothing back."""

    pid = None

    def __init__(self, **fields: Any) -> None:
        self._backend = FakeBackend(**fields)
        self.load, self.transcribe = self._backend.load, self._backend.transcribe
        self.alive = True

    def close(self) -> None:
        """End it, as far as that goes."""
        self.alive = False

    def memory(self) -> Memory:
        """Tell nothing."""
        return Memory(resident_bytes=None, peak_bytes=None)


@pytest.mark.slow
def test_ten_loads_and_unloads_leave_nothing_behind(monkeypatch) -> None:
    """Models that leak 32 MB a use leave nothing once they are evicted; the same models in this process do.

    So much at once is never made of pages that were freed before: malloc asks the kernel for it.
    """
    monkeypatch.setattr("modellab.testing._LEAKED", [])
    assert grown(fake_recipe(leaks_bytes=32 << 20), cycles=10) < 50 << 20
    control = Recipe(make=lambda: Here(leaks_bytes=32 << 20), estimate=of(1))
    assert grown(control, cycles=10) > 100 << 20


def test_all_leases_of_one_caller_may_nest(pool_of) -> None:
    """A caller may hold several models at once where there is room."""
    pool = pool_of(models=3)
    with ExitStack() as stack:
        models = [stack.enter_context(pool.lease(key, 0)) for key in "abc"]
        assert len(set(models)) == 3


def test_no_file_is_written_unless_wanted(pool_of, tmp_path: Path, monkeypatch) -> None:
    """A pool without a book of sizes keeps them to itself."""
    monkeypatch.chdir(tmp_path)
    use(pool_of(), "a")
    assert list(tmp_path.iterdir()) == []

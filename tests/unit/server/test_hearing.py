"""Hearing: an order is heard by a team of a pool, and work that nobody waits for any more ends."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil
import pytest

from modellab.backends.base import DecodeOptions
from modellab.errors import PoolBusy, WorkerFailed, WorkForgone
from modellab.machine.clock import MONOTONIC, timed
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.worker import Worker
from modellab.pool.capacity import Capacity
from modellab.pool.pool import Pool
from modellab.pool.recipe import Recipe
from modellab.pool.size import Size
from modellab.server.hearing.hearing import Hearing
from modellab.server.hearing.order import Order
from modellab.server.hearing.team import Team
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment
from modellab.testing import FakeBackend

AUDIO = Audio(samples=np.full(16_000, 0.1, np.float32))
PATIENCE_S = 60.0
Make = Callable[..., Hearing]


@contextmanager
def pool_of(
    replicas: int = 1, worker: Callable[..., Worker] = Worker, **fake: Any
) -> Iterator[tuple[Pool[Team], list[Team]]]:
    """Give a pool in which every model is a team of fakes, and the teams that it made."""
    made: list[Team] = []

    def team() -> Team:
        blueprint = Blueprint.of("fake", FakeBackend(**fake))
        made.append(Team([worker(blueprint=blueprint, limit_s=PATIENCE_S) for _ in range(replicas)]))
        return made[-1]

    recipe = Recipe(make=team, estimate=Size(ram_bytes=1))
    with Pool(lambda _: recipe, Capacity()) as pool:
        yield pool, made


def hearing(pool: Pool[Team], wait_s: float = PATIENCE_S, **decode: Any) -> Hearing:
    """Give an order for the fake."""
    order = Order(model="fake", audio=AUDIO, decode=DecodeOptions(**decode))
    return Hearing(order=order, pool=pool, wait_s=wait_s)


def until(holds: Callable[[], Any], within_s: float = PATIENCE_S) -> None:
    """Wait until something holds."""
    deadline = MONOTONIC() + within_s
    while not holds():
        assert MONOTONIC() < deadline, "it never held"
        time.sleep(0.01)


def begun(work: Callable[[], Any]) -> "Future[Any]":
    """Begin work in a thread that ends with it."""
    with_one = ThreadPoolExecutor(1)
    future = with_one.submit(work)
    with_one.shutdown(wait=False)
    return future


def test_an_order_is_heard_as_it_asks() -> None:
    """The words come back, with the times and the language that this order asks for and the next does not."""
    with pool_of(replies=("one two",)) as (pool, made):
        asked = hearing(pool, timestamps="word", language="de").listen()
        plain = hearing(pool).listen()
    assert [word.text for word in asked.segments[0].words] == ["one", "two"]
    assert (asked.language, plain.language, plain.segments[0].words) == ("de", None, ())
    assert len(made) == 1


def test_segments_are_told() -> None:
    """Who wants to be told gets the segments, and the same transcript."""
    told: list[Segment] = []
    with pool_of() as (pool, _):
        transcript = hearing(pool).listen(told.append)
    assert tuple(told) == transcript.segments


def test_what_it_took_is_known() -> None:
    """A hearing knows how long it waited, load included, and how long the work took."""
    with pool_of(seconds_per_audio=0.05) as (pool, _):
        order = hearing(pool)
        _, took_s = timed(order.listen)
    assert order.waited_s is not None
    assert order.heard_s is not None
    assert order.waited_s > 0
    assert 0.05 <= order.heard_s <= took_s - order.waited_s


def test_who_hangs_up_ends_the_work() -> None:
    """The process that works for nobody is killed, and the next order is heard by a new one."""
    with pool_of(seconds_per_audio=2 * PATIENCE_S) as (pool, made):
        order = hearing(pool)
        came = begun(order.listen)
        until(lambda: order.waited_s is not None)
        process = psutil.Process(made[0].pid)
        order.forgo()
        assert isinstance(came.exception(PATIENCE_S), WorkForgone)
        until(lambda: not process.is_running())
        until(lambda: made[0].pid not in {None, process.pid})
        assert pool.holding().models[0].leases == 0


def test_a_killed_process_is_not_lent_again() -> None:
    """After a dozen orders that were given up in the moment they end, every other one is heard."""
    with pool_of(seconds_per_audio=0.01) as (pool, _):
        for _ in range(6):
            order = hearing(pool)
            came = begun(order.listen)
            until(lambda order=order: order.waited_s is not None)
            time.sleep(0.012)
            order.forgo()
            came.exception(PATIENCE_S)
            assert hearing(pool).listen().text == "hello world"


def test_who_hangs_up_in_the_line_leaves_it() -> None:
    """An order that still waits for a load gives its place up at once."""
    block = threading.Event()

    class Slow(Team):
        def load(self) -> None:
            block.wait(2 * PATIENCE_S)
            super().load()

    blueprint = Blueprint.of("fake", FakeBackend())
    recipe = Recipe(make=lambda: Slow([Worker(blueprint=blueprint)]), estimate=Size(ram_bytes=1))
    with Pool(lambda _: recipe, Capacity()) as pool:
        order = hearing(pool)
        came = begun(order.listen)
        until(lambda: pool.holding().waiting == 1)
        order.forgo()
        assert isinstance(came.exception(PATIENCE_S), WorkForgone)
        assert pool.holding().waiting == 0
        block.set()


def test_giving_up_too_early_and_too_late() -> None:
    """An order that was given up before is not heard; one that is done stays done, and its process lives."""
    with pool_of() as (pool, made):
        early, late = hearing(pool), hearing(pool)
        early.forgo()
        with pytest.raises(WorkForgone):
            early.listen()
        assert late.listen().text == "hello world"
        late.forgo()
        late.forgo()
        assert made[0].alive


def test_replicas_work_side_by_side() -> None:
    """Two orders are heard by two processes at once; the third waits for one of them, and no longer than it may."""
    with pool_of(replicas=2, seconds_per_audio=1.0) as (pool, made):
        with pool.lease("fake") as team, team.borrow(1.0) as one, team.borrow(1.0) as other:
            assert one.pid != other.pid
            with pytest.raises(PoolBusy, match="no process") as caught, team.borrow(0.05):
                pass
            assert caught.value.retry_after_s >= 1
        assert made[0].memory().resident_bytes > 2 * (5 << 20)


def test_a_crash_is_one_orders_own() -> None:
    """The order whose process dies gets the reason; the next is heard by a process that was started anew."""
    with pool_of(mishap="aborts", mishap_at=1) as (pool, made):
        assert hearing(pool).listen().text == "hello world"
        with pytest.raises(WorkerFailed, match="SIGABRT"):
            hearing(pool).listen()
        assert hearing(pool).listen().text == "hello world"
        assert len(made) == 1


def test_a_hang_ends() -> None:
    """A model that does not answer in time is ended, and who waited for it is told to come again."""
    with pool_of(mishap="hangs") as (pool, made):
        with pool.lease("fake"):
            made[0]._workers[0].limit_s = 0.5  # of which nothing is spent on its load
        with pytest.raises(PoolBusy, match="too long"):
            hearing(pool).listen()


def test_who_hangs_up_behind_another_leaves_at_once() -> None:
    """An order that waits for a process at work on another gives its lease up, and the other is heard to its end."""
    go = threading.Event()

    class Patient(Worker):
        def listen(self, *asked: Any) -> Any:
            assert go.wait(PATIENCE_S)
            return super().listen(*asked)

    with pool_of(worker=Patient) as (pool, _):
        first, second = hearing(pool), hearing(pool)
        heard = begun(first.listen)
        until(lambda: first.waited_s is not None)
        came = begun(second.listen)
        until(lambda: pool.holding().models[0].leases == 2)
        second.forgo()
        assert isinstance(came.exception(PATIENCE_S), WorkForgone)
        assert not heard.done()
        assert pool.holding().models[0].leases == 1
        assert second.outcome == "cancelled"
        go.set()
        assert heard.result(PATIENCE_S).text == "hello world"

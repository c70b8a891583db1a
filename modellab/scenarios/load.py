"""Load: how requests reach a desk. In a closed loop callers wait for their answers; in an open one nobody waits."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from itertools import cycle, islice
from threading import Event

from modellab.measuring.accuracy import Batch
from modellab.records.scenario import Call
from modellab.scenarios.desk import Desk

Sleep = Callable[[float], None]

_SPIN_S = 0.001  # a sleep may end so late; what is left of a wait is spun away


def closed(desk: Desk, batches: Sequence[Batch], callers: int = 1) -> tuple[Call, ...]:
    """Have so many callers ask for their share of the batches, each one's next when its last is answered.

    Calls are given in the order in which they were issued.
    """
    with ThreadPoolExecutor(callers, thread_name_prefix="caller") as pool:
        asked = [pool.submit(_insist, desk, batches[caller::callers], caller) for caller in range(callers)]
        calls = [call for own in asked for call in own.result()]
    return tuple(sorted(calls, key=lambda call: (call.issued_s, call.caller)))


def opened(
    desk: Desk,
    batches: Sequence[Batch],
    due_s: Sequence[float],
    *,
    sleep: Sleep = time.sleep,
    enough: Callable[[Call], bool] = lambda _: False,
) -> tuple[Call, ...]:
    """Send each batch when it is due, whatever became of those before; give the calls in that order.

    A queue that grows shows in latency, which counts from when a request was due: leaving out the waiting of requests
    that were never sent is the error known as coordinated omission. Once an answer is `enough`, nothing more is sent,
    and what waits is forgotten.
    """
    asked: list[Future[Call]] = []
    over = Event()

    def stop(done: Future[Call]) -> None:
        if _is_enough(done, enough):
            over.set()
            _forget(asked)

    for batch, due in zip(batches, due_s, strict=True):
        _wait_until(desk, due, sleep)
        if over.is_set():
            break
        asked.append(future := desk.ask(batch, due))
        future.add_done_callback(stop)
    if over.is_set():
        _forget(asked)  # one may have been sent in that very moment
    return tuple(_answers(asked))


def at_once(desk: Desk, batches: Sequence[Batch]) -> tuple[Call, ...]:
    """Ask for everything at the start."""
    return opened(desk, batches, [0.0] * len(batches))


def repeated(batches: Sequence[Batch], count: int) -> Iterator[Batch]:
    """Give so many batches, from the first again after the last."""
    return islice(cycle(batches), count)


def _insist(desk: Desk, batches: Sequence[Batch], caller: int) -> list[Call]:
    return [desk.ask(batch, caller=caller).result() for batch in batches]


def _forget(asked: Sequence[Future[Call]]) -> None:
    for future in tuple(asked):
        future.cancel()


def _answers(asked: Sequence[Future[Call]]) -> Iterator[Call]:
    """Give the answers, as they were asked for, but for those that are forgotten, be it meanwhile."""
    for future in asked:
        try:
            answer = future.result()
        except CancelledError:
            continue
        yield answer


def _is_enough(done: Future[Call], enough: Callable[[Call], bool]) -> bool:
    return not done.cancelled() and done.exception() is None and enough(done.result())


def _wait_until(desk: Desk, due_s: float, sleep: Sleep) -> None:
    while (left := due_s - desk.now_s()) > 0:
        if left > _SPIN_S:
            sleep(left - _SPIN_S)

"""Crew: replicas of one model, each in a process of its own, that share the batches of a corpus among them."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue
from typing import Self

from modellab.measuring.accuracy import Batch, Place, kept, steps
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.worker import Worker
from modellab.records.record import Record
from modellab.records.transcripts import TranscriptCache
from modellab.speech.utterance import Utterance


class Replica:
    """A model in a process of its own, a `worker`, started at first use, and again after it died."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    @property
    def backend(self) -> Worker:
        """What listens, loaded.

        Raises:
            WorkerFailed: when the process cannot be started, or dies on the way.
            BackendRaised: when the backend cannot be built or loaded in it.
        """
        if not self.worker.alive:
            self.worker.load()
        return self.worker

    def kill(self) -> None:
        """End the process at once, from any thread."""
        self.worker.kill()

    def close(self) -> None:
        """End the process; harmless when called again."""
        self.worker.close()


class Crew:
    """Replicas of one model, built by the same blueprint in the same environment. `with` ends their processes."""

    def __init__(
        self,
        blueprint: Blueprint,
        replicas: int,
        *,
        python: Path | None = None,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._replicas = tuple(
            Replica(Worker(blueprint=blueprint, python=python, env=env or {}, cwd=cwd)) for _ in range(replicas)
        )

    def load(self) -> None:
        """Load all replicas at once, so that hearing does not pay for it; one that fails says so when it hears."""
        with ThreadPoolExecutor(len(self._replicas)) as pool:
            wait([pool.submit(lambda replica: replica.backend, replica) for replica in self._replicas])

    def hear(
        self,
        utterances: Iterable[Utterance],
        place: Place,
        batch_size: int,
        *,
        cache: TranscriptCache | None = None,
    ) -> Iterator[Record]:
        """Transcribe utterances as `measuring.accuracy.hear` does, each batch by whichever replica is free."""
        free: SimpleQueue[Replica] = SimpleQueue()
        for replica in self._replicas:
            free.put(replica)

        def heard(batch: Batch) -> tuple[Record, ...]:
            replica = free.get()
            try:
                return tuple(batch.heard_by(replica, place))
            finally:
                free.put(replica)

        with ThreadPoolExecutor(len(self._replicas)) as pool:
            waiting: dict[Future[tuple[Record, ...]], Batch] = {}
            try:
                for step in steps(utterances, place, batch_size, cache):
                    if isinstance(step, Record):
                        yield step
                        continue
                    waiting[pool.submit(heard, step)] = step
                    if len(waiting) > len(self._replicas):
                        yield from _finished(waiting, cache)
                while waiting:
                    yield from _finished(waiting, cache)
            finally:
                if waiting:  # nobody wants the rest
                    self._stop(waiting)

    def _stop(self, waiting: Iterable[Future[tuple[Record, ...]]]) -> None:
        for future in waiting:
            future.cancel()
        for replica in self._replicas:
            replica.kill()

    def close(self) -> None:
        """End all processes; harmless when called again."""
        for replica in self._replicas:
            replica.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _finished(waiting: dict[Future[tuple[Record, ...]], Batch], cache: TranscriptCache | None) -> Iterator[Record]:
    """Wait until a batch is done, and give the records of all that are."""
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        yield from kept(waiting.pop(future), future.result(), cache)

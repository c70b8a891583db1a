"""Desk: replicas of one model behind one queue, first come, first served."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import Protocol, Self

from modellab.errors import MeasurementRefused, WorkerFailed, kind_of
from modellab.machine.clock import MONOTONIC, Clock
from modellab.measuring.accuracy import Batch
from modellab.records.failure import Failure, Stage
from modellab.records.scenario import Call
from modellab.speech.audio import Audio
from modellab.speech.transcript import Transcript


class Listener(Protocol):
    """What answers a batch, and says how long it took by its own clock."""

    def listen(self, audios: Sequence[Audio], language: str | None = None) -> tuple[Sequence[Transcript], float]:
        """Give one finished transcript per audio, in order, and the seconds."""
        ...


class Hireable(Protocol):
    """A replica, whose backend is started where it is not running."""

    @property
    def backend(self) -> Listener:
        """What listens, loaded."""
        ...

    def kill(self) -> None:
        """End it at once, from any thread."""
        ...


class Desk:
    """Takes requests from any thread; each is answered by the replica that is free first.

    Its clock starts with it. A replica whose process died starts a new one for its next request, and that takes as
    long as it takes, as it would in use.
    """

    def __init__(self, replicas: Sequence[Hireable], clock: Clock = MONOTONIC) -> None:
        self._replicas, self._clock = tuple(replicas), clock
        self._free: SimpleQueue[int] = SimpleQueue()
        for number in range(len(self._replicas)):
            self._free.put(number)
        self._pool = ThreadPoolExecutor(max(1, len(self._replicas)), thread_name_prefix="desk")
        self._started_s = clock()

    def now_s(self) -> float:
        """Give the seconds since it was opened."""
        return self._clock() - self._started_s

    def ask(self, batch: Batch, due_s: float | None = None, caller: int = 0) -> "Future[Call]":
        """Put a request at the end of the queue; without `due_s` it is due now."""
        issued_s = self.now_s()
        return self._pool.submit(self._answer, batch, issued_s if due_s is None else due_s, issued_s, caller)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the last answer; where something was raised, nobody wants it any more."""
        self._pool.shutdown(wait=False, cancel_futures=kind is not None)
        if kind is not None:
            for replica in self._replicas:
                replica.kill()
        self._pool.shutdown(wait=True)

    def _answer(self, batch: Batch, due_s: float, issued_s: float, caller: int) -> Call:
        number = self._free.get()
        begun_s = self.now_s()
        texts: tuple[str, ...] = ()
        seconds, failure = None, None
        stage: Stage = "load"
        try:
            listener = self._replicas[number].backend
            stage = "transcribe"
            transcripts, seconds = listener.listen([audio for _, audio in batch.audible], batch.language)
            texts = tuple(transcript.text for transcript in transcripts)
        except Exception as error:  # noqa: BLE001 - a failure is part of the call
            crash = isinstance(error, WorkerFailed) and stage == "transcribe"
            failure = Failure(stage="crash" if crash else stage, kind=kind_of(error), message=str(error) or repr(error))
        finally:
            ended_s = self.now_s()
            self._free.put(number)
        if not issued_s <= begun_s <= ended_s:
            raise MeasurementRefused(
                f"the clock went back, from {issued_s:.3f} s over {begun_s:.3f} s to {ended_s:.3f} s: "
                "nothing that was timed with it means anything; measure again"
            )
        return Call(
            utterances=tuple(utterance.id for utterance, _ in batch.audible),
            audio_duration_s=sum(utterance.duration_s for utterance, _ in batch.audible),
            due_s=due_s,
            issued_s=issued_s,
            begun_s=begun_s,
            ended_s=ended_s,
            seconds=seconds,
            caller=caller,
            worker=number,
            texts=texts,
            failure=failure,
        )

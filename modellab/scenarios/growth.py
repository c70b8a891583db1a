"""Growth: what a worker holds after each of many equal turns, so that a leak shows."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain, cycle, islice, repeat
from typing import TypedDict

from modellab.errors import MeasurementRefused, ModelLabError, SensorUnreadable, WorkerError, WorkerFailed, kind_of
from modellab.measuring.worker import Worker
from modellab.records.failure import Failure, Stage
from modellab.records.scenario import Growth
from modellab.speech.audio import Audio

TRANSCRIPTIONS = 200
RELOADS = 20


def grow_by_listening(
    worker: Worker,
    audios: Sequence[Audio],
    *,
    model: str,
    session: int,
    language: str | None = None,
    turns: int = TRANSCRIPTIONS,
) -> Growth:
    """Have a worker transcribe audios one by one, over and over; give what it held after each.

    The worker is loaded before, unloaded after the last turn, and closed. What fails ends the turns and is in the fact.

    Raises:
        MeasurementRefused: when there is nothing to listen to.
    """
    if not audios:
        raise MeasurementRefused(f"growth of {model}: there is no audio to transcribe")
    hear = cycle([partial(worker.listen, [audio], language) for audio in audios])
    found = _sizes(worker, chain([worker.load], islice(hear, turns)))
    return Growth(model=model, session=session, turn="transcribe", **found)


def grow_by_reloading(
    worker: Worker,
    audio: Audio,
    *,
    model: str,
    session: int,
    language: str | None = None,
    turns: int = RELOADS,
) -> Growth:
    """Have a worker unload its model and load it again in one process, over and over; give what it held after each.

    A turn unloads, loads, and transcribes the audio, as a server that evicts models: much is read or allocated only
    when a model is used. So the sizes are of a model that was loaded and used. Loading, failing and the end are as in
    `grow_by_listening`.
    """

    def begin() -> None:
        worker.load()
        worker.listen([audio], language)

    def turn() -> None:
        worker.unload()
        worker.reload()
        worker.listen([audio], language)

    found = _sizes(worker, chain([begin], repeat(turn, turns)))
    return Growth(model=model, session=session, turn="reload", **found)


class _Sizes(TypedDict):
    loaded_bytes: int | None
    resident_bytes: tuple[int, ...]
    unloaded_bytes: int | None
    failure: Failure | None


def _sizes(worker: Worker, steps: Iterable[Callable[[], object]]) -> _Sizes:
    """Take the steps, of which the first loads, and unload; give what was held after each, as far as they went."""
    sizes: list[int] = []
    unloaded_bytes, failure = None, None
    try:
        for step in steps:
            step()
            sizes.append(_resident(worker))
        worker.unload()
        unloaded_bytes = _resident(worker)
    except ModelLabError as error:
        failure = Failure(stage=_stage(error), kind=kind_of(error), message=str(error))
    finally:
        worker.close()
    return _Sizes(
        loaded_bytes=sizes[0] if sizes else None,
        resident_bytes=tuple(sizes[1:]),
        unloaded_bytes=unloaded_bytes,
        failure=failure,
    )


def _resident(worker: Worker) -> int:
    resident_bytes = worker.memory().resident_bytes
    if resident_bytes is None:
        raise SensorUnreadable("this machine does not tell how much memory a process holds")
    return resident_bytes


def _stage(error: ModelLabError) -> Stage:
    if isinstance(error, WorkerError) and error.stage in {"start", "load", "unload"}:
        return "load"
    return "crash" if isinstance(error, WorkerFailed) else "transcribe"

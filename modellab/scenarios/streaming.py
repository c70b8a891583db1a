"""Streaming: utterances that come as fast as they were spoken, and everything that is shown on the way."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from modellab.backends.base import Recogniser
from modellab.errors import BadAudio, BadTranscript, MeasurementRefused, WorkerFailed, kind_of
from modellab.machine.clock import MONOTONIC, Clock
from modellab.measuring.accuracy import Loadable, listen
from modellab.records.failure import Failure, Stage
from modellab.records.scenario import Partial, Stream
from modellab.scenarios.agreement import Agreement
from modellab.scenarios.microphone import Microphone
from modellab.scoring.unit import joined, units
from modellab.speech.audio import Audio
from modellab.speech.utterance import Utterance

Method: TypeAlias = Literal["native", "local-agreement-2"]

STEP_S = 1.0
LEAST_STEP_S = 0.01  # one frame of what most models see of audio
WINDOW_S = 30.0  # what Whisper hears at once


@runtime_checkable
class Streamer(Protocol):
    """What writes while it listens."""

    def stream(self, chunks: Iterable[Audio], language: str | None = None) -> Iterable[str]:
        """Give all text so far each time it changes, and once more after the last chunk.

        Asking for the next chunk waits until it was spoken.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """How the utterances of one corpus are streamed to one model.

    What is a `Streamer` is given audio chunk by chunk: "native". Any other recogniser hears all that was said so far
    again each time there is enough that is new, and shows what two successive hearings agree on as settled:
    "local-agreement-2", which costs more work than the model needs offline.

    Attributes:
        step_s: the least new audio between two partials.
        window_s: what the model hears at once. An utterance may not be longer where it is heard again and again:
            without the times of words nobody knows where its settled part could be cut off.
        clock: tells when a text was there.
        sleep: waits for audio to be spoken.

    Raises:
        MeasurementRefused: when the step is below 0.01 s or the window is no time at all.
    """

    model: str
    corpus: str
    session: int
    step_s: float = STEP_S
    window_s: float = WINDOW_S
    clock: Clock = MONOTONIC
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        if not (isfinite(self.step_s) and self.step_s >= LEAST_STEP_S):
            raise MeasurementRefused(f"step_s must be {LEAST_STEP_S:g} s or more, not {self.step_s}")
        if not self.window_s > 0:
            raise MeasurementRefused(f"window_s must be above 0, not {self.window_s}: what the model hears at once")

    def each(self, model: Loadable, utterances: Iterable[Utterance]) -> Iterator[Stream]:
        """Stream utterances one after another; what cannot be loaded, heard or written ends as a failure, in its turn.

        A first call pays for what later ones do not, so have the model hear something before.
        """
        for utterance in utterances:
            try:
                recogniser = model.backend
            except Exception as error:  # noqa: BLE001 - a failure is a record
                yield self._failed(utterance, "local-agreement-2", "load", error)
            else:
                yield self.hear(recogniser, utterance)

    def hear(self, recogniser: Recogniser | Streamer, utterance: Utterance) -> Stream:
        """Stream one utterance, which takes as long as it was spoken, and what the model needs after its end."""
        method: Method = "native" if isinstance(recogniser, Streamer) else "local-agreement-2"
        try:
            audio = utterance.hear()
        except BadAudio as error:
            return self._failed(utterance, method, "read", error)
        try:
            partials = tuple(self._partials(recogniser, utterance, audio))
        except Exception as error:  # noqa: BLE001 - a failure is a record
            stage: Stage = "crash" if isinstance(error, WorkerFailed) else "transcribe"
            return self._failed(utterance, method, stage, error)
        return self._stream(utterance, method, audio.duration_s, partials=partials)

    def _partials(self, recogniser: Recogniser | Streamer, utterance: Utterance, audio: Audio) -> Iterator[Partial]:
        if isinstance(recogniser, Streamer):
            return self._written_by(recogniser, utterance, self._microphone(audio))
        if audio.duration_s > self.window_s:
            raise MeasurementRefused(
                f"utterance {utterance.id!r} lasts {audio.duration_s:.1f} s, and what is heard again and again must "
                f"fit into {self.window_s:g} s. Stream shorter utterances, or set window_s to what the model hears at "
                "once"
            )
        return self._heard_again(recogniser, utterance, self._microphone(audio))

    def _microphone(self, audio: Audio) -> Microphone:
        return Microphone(audio=audio, clock=self.clock, sleep=self.sleep)

    def _heard_again(self, recogniser: Recogniser, utterance: Utterance, microphone: Microphone) -> Iterator[Partial]:
        agreement = Agreement()
        while not microphone.ended:
            (transcript,), _ = listen(recogniser, [microphone.hear(self.step_s)], utterance.language or None)
            words = units(transcript.text, utterance.language)
            agreement = agreement.ending(words) if microphone.ended else agreement.hearing(words)
            text = joined(agreement.words, utterance.language)
            yield _shown(microphone, text, agreed=len(agreement.confirmed))

    def _written_by(self, streamer: Streamer, utterance: Utterance, microphone: Microphone) -> Iterator[Partial]:
        """Give what a streamer writes; nothing of it is known to be settled before the end."""
        chunks = microphone.chunks(self.step_s)
        shown = [_shown(microphone, text) for text in streamer.stream(chunks, utterance.language or None)]
        if not (shown and microphone.ended and shown[-1].heard_s == microphone.heard_s):
            raise BadTranscript(
                f"{type(streamer).__name__} wrote nothing after the last chunk: it must give its final text there"
            )
        yield from shown[:-1]
        yield replace(shown[-1], agreed=len(units(shown[-1].text, utterance.language)))

    def _failed(self, utterance: Utterance, method: Method, stage: Stage, error: Exception) -> Stream:
        failure = Failure(stage=stage, kind=kind_of(error), message=str(error) or repr(error))
        return self._stream(utterance, method, utterance.duration_s, failure=failure)

    def _stream(
        self,
        utterance: Utterance,
        method: Method,
        audio_duration_s: float,
        *,
        partials: tuple[Partial, ...] = (),
        failure: Failure | None = None,
    ) -> Stream:
        return Stream(
            model=self.model,
            corpus=self.corpus,
            session=self.session,
            utterance=utterance.id,
            audio_duration_s=audio_duration_s,
            reference=utterance.reference,
            method=method,
            step_s=self.step_s,
            language=utterance.language,
            speaker=utterance.speaker,
            partials=partials,
            failure=failure,
            facts=utterance.extra,
        )


def _shown(microphone: Microphone, text: str, agreed: int = 0) -> Partial:
    return Partial(at_s=microphone.now_s(), heard_s=microphone.heard_s, text=text, agreed=agreed)

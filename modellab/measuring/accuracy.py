"""Hearing a corpus: every utterance ends as a record, whatever happens on the way."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from modellab.backends.base import Backend
from modellab.errors import BadAudio, BadTranscript
from modellab.measuring.clock import MONOTONIC, Clock, timed
from modellab.measuring.model import Model
from modellab.records.record import Failure, Lane, Record, Stage
from modellab.speech.audio import Audio
from modellab.speech.transcript import Transcript
from modellab.speech.utterance import Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the records of one hearing have in common."""

    model: str
    corpus: str
    lane: Lane
    session: int
    variation: str = ""

    def heard(
        self, utterance: Utterance, transcript: Transcript, seconds: tuple[float, ...], batch_size: int
    ) -> Record:
        """Give the record of an utterance that was transcribed."""
        return self._record(utterance, transcript=transcript, transcribe_s=seconds, batch_size=batch_size)

    def recalled(self, utterance: Utterance, transcript: Transcript) -> Record:
        """Give the record of an utterance that an equal model transcribed in an earlier run."""
        return self._record(utterance, transcript=transcript, cached=True)

    def failed(self, utterance: Utterance, stage: Stage, error: Exception) -> Record:
        """Give the record of an utterance that was not."""
        failure = Failure(stage=stage, kind=type(error).__name__, message=str(error) or repr(error))
        return self._record(utterance, failure=failure)

    def _record(self, utterance: Utterance, **outcome: object) -> Record:
        return Record(
            model=self.model,
            corpus=self.corpus,
            lane=self.lane,
            session=self.session,
            utterance=utterance.id,
            audio_duration_s=utterance.duration_s,
            reference=utterance.reference,
            language=utterance.language,
            speaker=utterance.speaker,
            reference_words=utterance.words,
            facts=utterance.extra,
            variation=self.variation,
            **outcome,  # type: ignore[arg-type]
        )


def hear(
    model: Model, utterances: Iterable[Utterance], place: Place, batch_size: int, clock: Clock = MONOTONIC
) -> Iterator[Record]:
    """Transcribe utterances in batches of like language and duration, the longest first; give records as they come.

    Audio is read outside the clock. A model that cannot be loaded, audio that cannot be read and a batch that raises
    become failure records; a failed batch is tried again one by one, so that one bad utterance fails alone.
    """
    waiting = sorted(utterances, key=lambda u: (u.language, -u.duration_s))
    try:
        backend = model.backend
    except Exception as error:  # noqa: BLE001 - a failure is a record
        yield from (place.failed(utterance, "load", error) for utterance in waiting)
        return
    for language, group in groupby(waiting, key=lambda u: u.language):
        while batch := tuple(islice(group, batch_size)):
            readable: list[tuple[Utterance, Audio]] = []
            for utterance in batch:
                try:
                    readable.append((utterance, utterance.hear()))
                except BadAudio as error:
                    yield place.failed(utterance, "read", error)
            if readable:
                yield from _hear_batch(backend, readable, language or None, place, clock)


def listen(
    backend: Backend, audios: Sequence[Audio], language: str | None, clock: Clock = MONOTONIC
) -> tuple[Sequence[Transcript], float]:
    """Transcribe one batch inside the clock; give the transcripts and the seconds.

    Raises:
        BadTranscript: when there is not one finished transcript per audio.
    """
    transcripts, seconds = timed(lambda: backend.transcribe(audios, language), clock)
    if not isinstance(transcripts, Sequence) or not all(isinstance(t, Transcript) for t in transcripts):
        raise BadTranscript(f"{type(backend).__name__} must answer a sequence of Transcripts, not {transcripts!r:.80}")
    if len(transcripts) != len(audios):
        raise BadTranscript(f"{type(backend).__name__} wrote {len(transcripts)} transcripts of {len(audios)} audios")
    return transcripts, seconds


def _hear_batch(
    backend: Backend, batch: Sequence[tuple[Utterance, Audio]], language: str | None, place: Place, clock: Clock
) -> Iterator[Record]:
    try:
        transcripts, seconds = listen(backend, [audio for _, audio in batch], language, clock)
    except Exception as error:  # noqa: BLE001 - a failure is a record
        if len(batch) == 1:
            yield place.failed(batch[0][0], "transcribe", error)
        else:
            for alone in batch:
                yield from _hear_batch(backend, [alone], language, place, clock)
        return
    for (utterance, _), transcript in zip(batch, transcripts, strict=True):
        yield place.heard(utterance, transcript, (seconds,), len(batch))

"""Hearing a corpus: every utterance ends as a record, whatever happens on the way."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, Protocol

from modellab.backends.base import Recogniser
from modellab.errors import BadAudio, BadTranscript, WorkerFailed, kind_of
from modellab.machine.clock import MONOTONIC, Clock, timed
from modellab.records.failure import Failure, Stage
from modellab.records.record import Lane, Record
from modellab.records.transcripts import TranscriptCache
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
        failure = Failure(stage=stage, kind=kind_of(error), message=str(error) or repr(error))
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


class Loadable(Protocol):
    """Something whose backend is there when it is asked for, or raises why not."""

    @property
    def backend(self) -> Recogniser:
        """What listens, loaded."""
        ...


def hear(
    model: Loadable,
    utterances: Iterable[Utterance],
    place: Place,
    batch_size: int,
    clock: Clock = MONOTONIC,
    *,
    cache: TranscriptCache | None = None,
) -> Iterator[Record]:
    """Transcribe utterances in batches of like language and duration, the longest first; give records as they come.

    Audio is read outside the clock. What the cache recalls is not heard again, and a model of which all is recalled
    is not loaded. A model that cannot be loaded, audio that cannot be read and a batch that raises become failure
    records; a failed batch is tried again one by one, so that one bad utterance fails alone.
    """
    for step in steps(utterances, place, batch_size, cache):
        if isinstance(step, Record):
            yield step
        else:
            yield from kept(step, step.heard_by(model, place, clock), cache)


def steps(
    utterances: Iterable[Utterance], place: Place, batch_size: int, cache: TranscriptCache | None
) -> Iterator["Record | Batch"]:
    """Give what is to be heard in batches, and in between the records of what is known or cannot be read."""
    waiting = sorted(utterances, key=lambda u: (u.language, -u.duration_s))
    for language, group in groupby(waiting, key=lambda u: u.language or None):
        together: list[Audible] = []
        for utterance in group:
            try:
                audio = utterance.hear()
            except BadAudio as error:
                yield place.failed(utterance, "read", error)
                continue
            known = cache.recall(audio, language) if cache else None
            if known:
                yield place.recalled(utterance, known)
                continue
            together.append(Audible(utterance, audio))
            if len(together) == batch_size:
                yield Batch(language=language, audible=tuple(together))
                together = []
        if together:
            yield Batch(language=language, audible=tuple(together))


def recall(
    utterances: Iterable[Utterance], place: Place, cache: TranscriptCache | None
) -> Iterator[tuple[Utterance, Record | None]]:
    """Give each utterance with the record of what an equal model wrote of it; None where nobody knows."""
    for utterance in utterances:
        known = None
        if cache:
            with suppress(BadAudio):
                known = cache.recall(utterance.hear(), utterance.language or None)
        yield utterance, place.recalled(utterance, known) if known else None


def kept(batch: "Batch", records: Iterable[Record], cache: TranscriptCache | None) -> Iterator[Record]:
    """Give the records of a batch, keeping in the cache what was written."""
    audio_of = {utterance.id: audio for utterance, audio in batch.audible}
    for record in records:
        if cache and record.transcript:
            cache.keep(audio_of[record.utterance], batch.language, record.transcript)
        yield record


class Audible(NamedTuple):
    """An utterance and what is heard of it."""

    utterance: Utterance
    audio: Audio


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Utterances of one language that are heard together."""

    language: str | None
    audible: tuple[Audible, ...]

    def heard_by(self, model: Loadable, place: Place, clock: Clock = MONOTONIC) -> Iterator[Record]:
        """Give the records of its utterances, which are tried one by one where they fail together."""
        try:
            backend = model.backend
        except Exception as error:  # noqa: BLE001 - a failure is a record
            yield from (place.failed(utterance, "load", error) for utterance, _ in self.audible)
            return
        try:
            transcripts, seconds = listen(backend, [audio for _, audio in self.audible], self.language, clock)
        except Exception as error:  # noqa: BLE001 - a failure is a record
            if len(self.audible) == 1:
                stage: Stage = "crash" if isinstance(error, WorkerFailed) else "transcribe"
                yield place.failed(self.audible[0].utterance, stage, error)
            else:
                for alone in self.audible:
                    yield from Batch(language=self.language, audible=(alone,)).heard_by(model, place, clock)
            return
        for (utterance, _), transcript in zip(self.audible, transcripts, strict=True):
            yield place.heard(utterance, transcript, (seconds,), len(self.audible))


def listen(
    backend: Recogniser, audios: Sequence[Audio], language: str | None, clock: Clock = MONOTONIC
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

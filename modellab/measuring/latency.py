"""Latency: one utterance at a time, warm, in rounds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from modellab.backends.base import Recogniser
from modellab.errors import BadAudio
from modellab.machine.clock import MONOTONIC, Clock
from modellab.measuring.accuracy import Place, listen
from modellab.records.record import Record
from modellab.speech.audio import Audio
from modellab.speech.transcript import Transcript
from modellab.speech.utterance import Corpus, Utterance


@dataclass(kw_only=True)
class LatencyTrial:
    """Rounds over a corpus, each utterance once a round, so that a drifting machine touches all alike.

    Audio is read before, outside the clock. An utterance that fails once is not heard again.
    """

    backend: Recogniser
    corpus: Corpus
    place: Place
    clock: Clock = MONOTONIC
    _seconds: dict[str, list[float]] = field(default_factory=dict, init=False)
    _written: dict[str, Transcript] = field(default_factory=dict, init=False)
    _failed: dict[str, Record] = field(default_factory=dict, init=False)
    _audios: Mapping[str, Audio] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._audios = dict(self._read())

    def warm_up(self) -> None:
        """Hear the shortest utterance once; a first call pays for what later ones do not."""
        for utterance in sorted(self._left(), key=lambda u: u.duration_s)[:1]:
            self.hear(utterance, keep=False)

    def rounds(self, count: int) -> Iterator[Utterance]:
        """Give the utterances to hear, in turn, `count` times over, leaving out what has failed."""
        for _ in range(count):
            yield from self._left()

    def hear(self, utterance: Utterance, *, keep: bool = True) -> None:
        """Hear one utterance and keep the seconds."""
        if utterance.id in self._failed:
            return
        try:
            (transcript,), seconds = listen(
                self.backend, [self._audios[utterance.id]], utterance.language or None, self.clock
            )
        except Exception as error:  # noqa: BLE001 - a failure is a record
            self._failed[utterance.id] = self.place.failed(utterance, "transcribe", error)
            return
        if keep:
            self._seconds.setdefault(utterance.id, []).append(seconds)
            self._written[utterance.id] = transcript

    def records(self) -> Iterator[Record]:
        """Give one record per utterance that was heard or failed, with the seconds of every round."""
        for utterance in self.corpus:
            if utterance.id in self._failed:
                yield self._failed[utterance.id]
            elif utterance.id in self._written:
                seconds = tuple(self._seconds[utterance.id])
                yield self.place.heard(utterance, self._written[utterance.id], seconds, 1)

    def _left(self) -> list[Utterance]:
        return [utterance for utterance in self.corpus if utterance.id not in self._failed]

    def _read(self) -> Iterator[tuple[str, Audio]]:
        for utterance in self.corpus:
            try:
                yield utterance.id, utterance.hear()
            except BadAudio as error:
                self._failed[utterance.id] = self.place.failed(utterance, "read", error)

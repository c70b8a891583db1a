"""Timing: how long a model took over one utterance, and what so many rounds can say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from modellab.records.failure import Failure
from modellab.records.record import Record
from modellab.scoring.quantile import percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One utterance heard alone by one model: seconds of audio, and seconds of work for each round."""

    model: str
    corpus: str
    utterance: str
    audio_duration_s: float
    transcribe_s: tuple[float, ...]

    @property
    def rtf(self) -> tuple[float, ...]:
        """Real-time factor of each round: seconds of work per second of audio."""
        return tuple(seconds / self.audio_duration_s for seconds in self.transcribe_s)


class Timed(NamedTuple):
    """What is kept of a record of the timing lane: seconds of audio and of each round, and why it failed if it did."""

    audio_duration_s: float
    transcribe_s: tuple[float, ...]
    batch_size: int
    failure: Failure | None

    @property
    def alone(self) -> bool:
        """Whether it was heard alone: what was heard in a batch says nothing of latency."""
        return _alone(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rtf:
    """The real-time factor over all rounds of all utterances; a percentile too few samples support is None."""

    samples: int = 0
    utterances: int = 0
    median: float | None = None
    p95: float | None = None


def timings(records: Iterable[Record]) -> tuple[Timing, ...]:
    """Give the timings of the utterances that were heard alone; one heard in a batch says nothing of latency."""
    return tuple(
        Timing(
            model=record.model,
            corpus=record.corpus,
            utterance=record.utterance,
            audio_duration_s=record.audio_duration_s,
            transcribe_s=record.transcribe_s,
        )
        for record in records
        if record.lane == "timing" and _alone(record)
    )


def pool_rtf(timed: Sequence[Timing]) -> Rtf:
    """Give the median and the 95th percentile of the real-time factor over all rounds."""
    samples = [rtf for timing in timed for rtf in timing.rtf]
    return Rtf(
        samples=len(samples),
        utterances=len(timed),
        median=percentile(samples, 0.5),
        p95=percentile(samples, 0.95),
    )


def _alone(heard: Record | Timed) -> bool:
    return heard.batch_size == 1 and len(heard.transcribe_s) > 0 and heard.audio_duration_s > 0

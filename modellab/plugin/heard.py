"""Heard and Timed: what a claim may ask about the records it rests on."""

from dataclasses import dataclass, field

from modellab.records.record import Record
from modellab.reporting.accuracy import judge_utterance, pool_scores, words_in_silence, words_of
from modellab.reporting.alignment import pool_time_errors
from modellab.reporting.nonspeech import Nonspeech, nonspeech
from modellab.reporting.outcome import Scorer
from modellab.reporting.quantisation import cost
from modellab.reporting.timing import Rtf, pool_rtf, timings
from modellab.scoring.difference import Difference
from modellab.scoring.language import Detections, detections
from modellab.scoring.missing import Gap, gaps
from modellab.scoring.timestamps import TimeErrors


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An utterance that two runtimes wrote differently, and how many errors each made in it."""

    utterance: str
    left: str
    right: str
    left_errors: int
    right_errors: int

    def __str__(self) -> str:
        return (
            f"{self.utterance}: {self.left_errors} against {self.right_errors} errors\n"
            f"    {self.left}\n    {self.right}"
        )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The records of one model and one corpus."""

    model: str
    corpus: str
    records: tuple[Record, ...] = field(repr=False)

    @property
    def failures(self) -> tuple[str, ...]:
        """The utterances that have no transcript, each with its reason."""
        return tuple(
            f"{record.utterance}: {record.failure.stage} failed: {record.failure.message}"
            for record in self.records
            if record.failure
        )


@dataclass(frozen=True, kw_only=True)
class Heard(Measured):
    """What one model wrote for one corpus."""

    @property
    def error_rate(self) -> float | None:
        """The pooled word error rate (character error rate for languages without spaces); None if nothing was said.

        A corpus of several kinds has one rate for each; this is the worst.
        """
        rates = [score.rate for score in pool_scores(self.records) if score.rate is not None]
        return max(rates, default=None)

    @property
    def words_in_silence(self) -> int | None:
        """Words written where nobody spoke; None where somebody always did."""
        return words_in_silence(self.records)

    @property
    def nonspeech(self) -> Nonspeech | None:
        """What was written where nobody spoke; None where somebody always did."""
        return nonspeech(self.records)

    @property
    def detections(self) -> Detections:
        """Which languages were detected for which spoken ones."""
        return detections((r.language, r.transcript.language) for r in self.records if r.transcript and r.language)

    @property
    def time_errors(self) -> TimeErrors:
        """How far the times of words are from those of the reference."""
        return pool_time_errors(self.records)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Where five words or more in a row were left out."""
        judged = (judge_utterance(record) for record in self.records if record.transcript)
        return tuple(gap for each in judged for gap in gaps(each.edits))

    def changes_from(self, other: "Heard") -> tuple[Change, ...]:
        """Give the utterances whose normalised words differ from those of another hearing of the same corpus."""
        theirs, ours = other.words(), self.words()
        return tuple(
            Change(
                utterance=name,
                left=theirs.get(name, ""),
                right=ours.get(name, ""),
                left_errors=other.errors(name),
                right_errors=self.errors(name),
            )
            for name in sorted(ours.keys() | theirs.keys())
            if ours.get(name) != theirs.get(name)
        )

    def cost_over(self, other: "Heard") -> Difference | None:
        """Give the error rate less that of another hearing of the same corpus, paired by utterance, with its bounds.

        None where nobody speaks.
        """
        scorer = Scorer()
        theirs, ours = (
            {record.utterance: scorer.outcome(record, record.failure) for record in heard.records}
            for heard in (other, self)
        )
        return cost(theirs, ours)

    def words(self) -> dict[str, str]:
        """Give the normalised words of each utterance that has a transcript, by id."""
        return {r.utterance: words_of(r) for r in self.records if r.transcript}

    def errors(self, utterance: str) -> int:
        """Give the number of errors in one utterance."""
        return next(judge_utterance(record).score.errors for record in self.records if record.utterance == utterance)


@dataclass(frozen=True, kw_only=True)
class Timed(Measured):
    """What one model took for one corpus, one utterance at a time."""

    @property
    def rtf(self) -> Rtf:
        """The real-time factor: its median, and its 95th percentile where there are samples enough."""
        return pool_rtf(timings(self.records))

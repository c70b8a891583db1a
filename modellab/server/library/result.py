"""Result: what one model came to on one corpus of a run, as it goes over the wire. What was not measured is None."""

from collections.abc import Mapping
from math import isfinite
from typing import Self

from pydantic import BaseModel, ConfigDict

from modellab.reporting.deployment import Deployment
from modellab.reporting.summary import Hearing, Report, Row, Start
from modellab.reporting.timing import Rtf
from modellab.scoring.difference import Difference
from modellab.scoring.interval import Interval
from modellab.scoring.score import Score

MOST_FAILURES = 20


class Body(BaseModel):
    """What goes over the wire."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, from_attributes=True)


class ScoreBody(Body):
    """Pooled errors. `rate` is a fraction of the reference's units, which are words for wer and characters for cer."""

    metric: str
    normalizer: str
    rate: float | None
    errors: int
    reference_length: int
    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @classmethod
    def of(cls, score: Score) -> Self:
        """Give the body of a score."""
        return cls.model_validate(score)


class IntervalBody(Body):
    """Where a rate lies at a level of confidence, and how many speakers or utterances that was drawn from."""

    low: float
    high: float
    level: float
    clusters: int
    unit: str

    @classmethod
    def of(cls, interval: Interval) -> Self:
        """Give the body of an interval."""
        return cls.model_validate(interval)


class DifferenceBody(Body):
    """One error rate less another on the same utterances, as fractions; above 0 is worse."""

    before: float
    after: float
    change: float
    low: float | None
    high: float | None
    level: float
    clusters: int
    unit: str
    settled: bool

    @classmethod
    def of(cls, difference: Difference) -> Self:
        """Give the body of a difference."""
        return cls.model_validate(difference)


class HearingBody(Body):
    """How many utterances were tried, and what became of them; `missing` belong to the corpus and were never tried."""

    utterances: int
    heard: int
    failed: int
    missing: int
    silent: int
    cached: int

    @classmethod
    def of(cls, hearing: Hearing) -> Self:
        """Give the body of what was heard."""
        return cls.model_validate(hearing)


class SpeedBody(Body):
    """Seconds of work per second of audio, of utterances heard alone, and the median the other way round."""

    rtf_median: float | None
    rtf_p95: float | None
    rtfx: float | None
    samples: int
    timed: int
    failed: int
    batched: int

    @classmethod
    def of(cls, rtf: Rtf, *, timed: int = 0, failed: int = 0, batched: int = 0) -> Self:
        """Give the body of the timing lane."""
        return cls(
            rtf_median=rtf.median,
            rtf_p95=rtf.p95,
            rtfx=1 / rtf.median if rtf.median else None,
            samples=rtf.samples,
            timed=timed,
            failed=failed,
            batched=batched,
        )


class StartBody(Body):
    """Cold starts."""

    tried: int
    failed: int
    total_s: float | None
    peak_memory_bytes: int | None

    @classmethod
    def of(cls, start: Start) -> Self:
        """Give the body of a model's starts."""
        return cls.model_validate(start)


class SilenceBody(Body):
    """What was written where nobody spoke."""

    utterances: int
    written: int
    words: int
    loops: int
    duration_s: float


class DeploymentBody(Body):
    """What scenarios tell, in short; report.md of a run tells the rest."""

    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_p99_s: float | None
    offline_rtfx: float | None
    served_rate_per_s: float | None
    first_partial_s: float | None
    final_s: float | None
    growth_bytes: float | None

    @classmethod
    def of(cls, found: Deployment) -> Self:
        """Give the body of what was performed."""
        waited, streamed = found.latency, found.streamed
        return cls(
            latency_p50_s=waited.value(0.5) if waited else None,
            latency_p95_s=waited.value(0.95) if waited else None,
            latency_p99_s=waited.value(0.99) if waited else None,
            offline_rtfx=found.best.rtfx if found.best else None,
            served_rate_per_s=found.served.rate_per_s if found.served else None,
            first_partial_s=streamed.first_partial_s if streamed else None,
            final_s=streamed.final_s if streamed else None,
            growth_bytes=found.growth.kept_bytes if found.growth else None,
        )


class Result(Body):
    """One model on one corpus; an empty corpus is that of a model that was only started."""

    model: str
    corpus: str
    error_rate: float | None
    """The pooled rate as a fraction; the worst, where a corpus has several metrics."""
    interval: IntervalBody | None
    scores: tuple[ScoreBody, ...]
    hearing: HearingBody
    silence: SilenceBody | None
    speed: SpeedBody
    start: StartBody
    clean_rate: float | None
    wer_ratio: float | None
    """The error rate over that without the corpus's conditions; None where there is none, or it has no errors."""
    quantisation: DifferenceBody | None
    deployment: DeploymentBody | None
    verdict: str
    verdicts: Mapping[str, str]
    unmeasured: tuple[str, ...]

    @classmethod
    def of(cls, row: Row) -> Self:
        """Give the body of a row."""
        return cls(
            model=row.model.id,
            corpus=row.corpus,
            error_rate=row.error_rate,
            interval=IntervalBody.of(row.interval) if row.interval else None,
            scores=tuple(map(ScoreBody.of, row.scores)),
            hearing=HearingBody.of(row.hearing),
            silence=SilenceBody.model_validate(row.nonspeech) if row.nonspeech else None,
            speed=SpeedBody.of(row.rtf, timed=row.timed, failed=row.timing_failed, batched=row.batched),
            start=StartBody.of(row.start),
            clean_rate=row.clean_rate,
            wer_ratio=_finite(row.wer_ratio),
            quantisation=DifferenceBody.of(row.quantisation) if row.quantisation else None,
            deployment=DeploymentBody.of(row.deployment) if row.deployment else None,
            verdict=row.verdict.value,
            verdicts={name: verdict.value for name, verdict in row.verdicts.items()},
            unmeasured=row.unmeasured,
        )


class FailureBody(Body):
    """One thing that failed."""

    model: str
    corpus: str
    utterance: str
    lane: str
    stage: str
    kind: str
    message: str


class Summary(Body):
    """What a run came to. Of the failures the first are told, and how many there are."""

    results: tuple[Result, ...]
    verdict: str
    failures: tuple[FailureBody, ...]
    failures_total: int
    untouched: tuple[str, ...]
    torn_lines: int

    @classmethod
    def of(cls, report: Report) -> Self:
        """Give the summary of a report."""
        return cls(
            results=tuple(map(Result.of, report.rows)),
            verdict=report.verdict.value,
            failures=tuple(map(FailureBody.model_validate, report.failures[:MOST_FAILURES])),
            failures_total=len(report.failures),
            untouched=report.untouched,
            torn_lines=report.torn,
        )

    def result(self, model: str, corpus: str) -> Result | None:
        """Give what a model came to on a corpus."""
        return next((each for each in self.results if (each.model, each.corpus) == (model, corpus)), None)


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None

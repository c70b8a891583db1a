"""Report: what the facts of one run come to. A pure function of them: nothing is read, timed or drawn here."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from statistics import median

from modellab.backends.spec import ModelSpec, parse_spec
from modellab.records.record import ColdStart, Fact, Record
from modellab.records.run import Run, Skipped
from modellab.reporting.accuracy import is_silence, latest, pool, score_spoken, spread, words_in_silence
from modellab.reporting.parity import Parity, compare
from modellab.reporting.timing import Rtf, Timing, pool_rtf, timings
from modellab.scoring.interval import Interval
from modellab.scoring.score import Score
from modellab.verdicts.budget import Budget, Budgets, Verdict, budgets_from, judge, worst

NO_CORPUS = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What one model heard of one corpus in the accuracy lane.

    `utterances` were tried: `heard` gave a transcript and `failed` did not. `missing` belong to the corpus and were
    never tried. Nobody speaks in `silent` of those tried.
    """

    utterances: int = 0
    heard: int = 0
    failed: int = 0
    missing: int = 0
    silent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The cold starts of one model: the median of the seconds they took, and the most memory held, in bytes."""

    tried: int = 0
    failed: int = 0
    total_s: float | None = None
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model on one corpus. A figure is None where it was not measured.

    Attributes:
        corpus: its name; empty where the model was only started.
        scores: pooled, one per metric and normaliser; empty where nothing was heard.
        interval: of the rate, where there is one score and more than one speaker or utterance to draw from.
        words_in_silence: words written where nobody spoke.
        timed: utterances tried in the timing lane, of which `timing_failed` failed and `batched` shared their seconds
            with others and so say nothing of latency.
        verdicts: by claim (wer, rtf, cold_start_s, words_in_silence), for the claims this run has facts for.
        unmeasured: claims that have a budget and no facts in this run.
    """

    model: ModelSpec
    corpus: str
    scores: tuple[Score, ...]
    hearing: Hearing
    words_in_silence: int | None
    rtf: Rtf
    timed: int
    timing_failed: int
    batched: int
    start: Start
    interval: Interval | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    unmeasured: tuple[str, ...] = ()

    @property
    def score(self) -> Score | None:
        """The pooled score, where the corpus has one metric and normaliser."""
        return self.scores[0] if len(self.scores) == 1 else None

    @property
    def error_rate(self) -> float | None:
        """The pooled rate as a fraction, the worst where there are several scores, since a budget bounds each."""
        rates = [score.rate for score in self.scores if score.rate is not None]
        return max(rates) if rates else None

    @property
    def verdict(self) -> Verdict:
        """The gravest of the verdicts."""
        return worst(tuple(self.verdicts.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """One failure: which model, on what, at which stage, and what was said. A cold start has no corpus."""

    model: str
    corpus: str
    utterance: str
    lane: str
    stage: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run came to: its rows sorted by checkpoint, backend, device, precision and corpus, and all that was lost.

    `torn` counts lines of the record file that a crash cut short; `untouched` names models that were planned and
    left neither a fact nor a reason.
    """

    run: Run
    rows: tuple[Row, ...]
    parity: tuple[Parity, ...]
    timings: tuple[Timing, ...]
    failures: tuple[Failed, ...]
    untouched: tuple[str, ...]
    torn: int

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What was asked for and not run, and why; each combination and reason once."""
        return tuple(dict.fromkeys(skipped for session in self.run.sessions for skipped in session.skipped))

    @property
    def not_honoured(self) -> Mapping[str, tuple[str, ...]]:
        """By model, the decode options that its runtime cannot follow."""
        options: dict[str, tuple[str, ...]] = {}
        for session in self.run.sessions:
            options |= {model: facts.not_honoured for model, facts in session.models.items() if facts.not_honoured}
        return dict(sorted(options.items()))

    @property
    def partial(self) -> bool:
        """Whether a session of the run ended before all it had planned, or has not ended."""
        return self.run.partial

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict of all rows and pairs."""
        return worst([*(row.verdict for row in self.rows), *(pair.verdict for pair in self.parity)])


def summarize(run: Run, facts: Iterable[Fact], budgets: Budgets | None = None, *, torn: int = 0) -> Report:
    """Give what the facts come to, judged by `budgets`, or else by those stored with the run.

    Raises:
        BadDefinition: when the budgets stored with the run cannot be understood.
    """
    limits = budgets if budgets is not None else budgets_from(run.budgets, source=f"run {run.id}")
    every = tuple(facts)
    records = latest(fact for fact in every if isinstance(fact, Record))
    starts = _last_session(fact for fact in every if isinstance(fact, ColdStart))
    return Report(
        run=run,
        rows=_rows(run, records, starts, limits),
        parity=compare(records, limits),
        timings=timings(records),
        failures=_failures(records, starts),
        untouched=_untouched(run, every),
        torn=torn,
    )


def _last_session(starts: Iterable[ColdStart]) -> Mapping[str, tuple[ColdStart, ...]]:
    """Give by model the cold starts of the last session that tried any: a resumed run measures them anew."""
    last: dict[str, tuple[ColdStart, ...]] = {}
    for start in starts:
        before = last.get(start.model, ())
        same = before and before[-1].session == start.session
        last[start.model] = (*before, start) if same else (start,)
    return last


def _rows(
    run: Run, records: Sequence[Record], starts: Mapping[str, tuple[ColdStart, ...]], budgets: Budgets
) -> tuple[Row, ...]:
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.model, record.corpus].append(record)
    heard = {model for model, _ in groups}
    only_started = [(model, NO_CORPUS) for model in starts if model not in heard]
    rows = (
        _row(run, key, groups.get(key, ()), _start(starts.get(key[0], ())), budgets) for key in [*groups, *only_started]
    )
    return tuple(sorted(rows, key=_order))


def _order(row: Row) -> tuple[str, ...]:
    model = row.model
    return (model.checkpoint, model.backend, model.device, model.compute_type, model.id, row.corpus)


def _row(run: Run, key: tuple[str, str], records: Sequence[Record], start: Start, budgets: Budgets) -> Row:
    model, corpus = key
    accuracy = [record for record in records if record.lane == "accuracy"]
    timing = [record for record in records if record.lane == "timing"]
    hearing = _hearing(run, corpus, accuracy)
    scored = score_spoken(accuracy) if hearing.heard else ()
    scores = pool(score for _, score in scored)
    unjudged = Row(
        model=parse_spec(model),
        corpus=corpus,
        scores=scores,
        interval=spread(scored) if len(scores) == 1 else None,
        hearing=hearing,
        words_in_silence=words_in_silence(accuracy),
        rtf=pool_rtf(timings(timing)),
        timed=len(timing),
        timing_failed=sum(record.failure is not None for record in timing),
        batched=sum(record.batch_size > 1 for record in timing),
        start=start,
    )
    budget = budgets.of(model, corpus or "*")
    claims = _claims(unjudged)
    return replace(
        unjudged,
        verdicts={name: claim.verdict(getattr(budget, name)) for name, claim in claims.items() if claim.tried},
        unmeasured=_unmeasured(claims, budget, hearing),
    )


def _claims(row: Row) -> Mapping[str, "_Claim"]:
    """Give what each claim rests on; a corpus that was not heard whole gives no figure to judge."""
    hearing, start = row.hearing, row.start
    whole = hearing.missing == 0
    return {
        "wer": _Claim(
            tried=hearing.utterances > hearing.silent, failed=hearing.failed, figure=row.error_rate if whole else None
        ),
        "words_in_silence": _Claim(
            tried=hearing.silent > 0, failed=hearing.failed, figure=row.words_in_silence if whole else None
        ),
        "rtf": _Claim(tried=row.timed > 0, failed=row.timing_failed, figure=row.rtf.median),
        "cold_start_s": _Claim(tried=start.tried > 0, failed=start.failed, figure=start.total_s),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    tried: bool
    failed: int
    figure: float | None

    def verdict(self, limit: float | None) -> Verdict:
        """A failure is an error with or without a budget: the figure would speak of the rest only."""
        return Verdict.ERROR if self.failed else judge(self.figure, limit)


def _unmeasured(claims: Mapping[str, _Claim], budget: Budget, hearing: Hearing) -> tuple[str, ...]:
    """Name the claims with a budget that nobody tried; a claim this corpus cannot speak of is none of them."""
    names = [name for name, claim in claims.items() if not claim.tried and getattr(budget, name) is not None]
    heard_all = hearing.utterances and not hearing.missing
    return tuple(name for name in names if not (heard_all and name in {"wer", "words_in_silence"}))


def _hearing(run: Run, corpus: str, records: Sequence[Record]) -> Hearing:
    planned = run.corpora[corpus].utterances if records and corpus in run.corpora else len(records)
    failed = sum(record.failure is not None for record in records)
    return Hearing(
        utterances=len(records),
        heard=len(records) - failed,
        failed=failed,
        missing=max(0, planned - len(records)),
        silent=sum(is_silence(record) for record in records),
    )


def _start(starts: Sequence[ColdStart]) -> Start:
    totals = [start.total_s for start in starts if start.total_s is not None and start.failure is None]
    peaks = [start.peak_memory_bytes for start in starts if start.peak_memory_bytes is not None]
    return Start(
        tried=len(starts),
        failed=sum(start.failure is not None for start in starts),
        total_s=median(totals) if totals else None,
        peak_memory_bytes=max(peaks) if peaks else None,
    )


def _failures(records: Sequence[Record], starts: Mapping[str, tuple[ColdStart, ...]]) -> tuple[Failed, ...]:
    of_records = (
        Failed(
            model=record.model,
            corpus=record.corpus,
            utterance=record.utterance,
            lane=record.lane,
            stage=record.failure.stage,
            kind=record.failure.kind,
            message=record.failure.message,
        )
        for record in records
        if record.failure
    )
    of_starts = (
        Failed(
            model=start.model,
            corpus=NO_CORPUS,
            utterance="",
            lane="cold start",
            stage=start.failure.stage,
            kind=start.failure.kind,
            message=start.failure.message,
        )
        for own in starts.values()
        for start in own
        if start.failure
    )
    return tuple(sorted((*of_records, *of_starts), key=lambda f: tuple(getattr(f, field.name) for field in fields(f))))


def _untouched(run: Run, facts: Sequence[Fact]) -> tuple[str, ...]:
    planned = {model for session in run.sessions for model in session.models}
    explained = {skipped.model for session in run.sessions for skipped in session.skipped}
    return tuple(sorted(planned - explained - {fact.model for fact in facts}))

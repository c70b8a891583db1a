"""Report: what the facts of one run come to. A pure function of them: nothing is read, timed or drawn here."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from math import inf
from operator import attrgetter
from statistics import median

from modellab.backends.spec import ModelSpec, parse_spec
from modellab.records.failure import Failure
from modellab.records.record import Arrangement, ColdStart
from modellab.records.run import Run, Skipped
from modellab.records.store import Line
from modellab.reporting.accuracy import pool, spread_over
from modellab.reporting.deployment import Deployment, deployment, is_warm
from modellab.reporting.ledger import Ledger, Place
from modellab.reporting.nonspeech import Nonspeech
from modellab.reporting.nonspeech import pool as pool_nonspeech
from modellab.reporting.outcome import Outcome
from modellab.reporting.parity import Parity, compare
from modellab.reporting.quantisation import cost, full_precision
from modellab.reporting.timing import Rtf, Timing, pool_rtf
from modellab.reporting.varied import Varied, varied
from modellab.scoring.difference import Difference
from modellab.scoring.interval import Interval
from modellab.scoring.score import Score
from modellab.verdicts.budget import Budget, Budgets, Verdict, budgets_from, judge, worst

NO_CORPUS = ""
_OF_HEARING = frozenset({"wer", "words_in_silence", "words_per_minute", "loops", "wer_ratio", "quantisation_wer"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What one model heard of one corpus in the accuracy lane.

    `utterances` were tried: `heard` gave a transcript and `failed` did not. `missing` belong to the corpus and were
    never tried. Nobody speaks in `silent` of those tried. Of the transcripts, `cached` were written in an earlier run.
    """

    utterances: int = 0
    heard: int = 0
    failed: int = 0
    missing: int = 0
    silent: int = 0
    cached: int = 0


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
        nonspeech: what was written where nobody spoke.
        clean_rate: the model's error rate on the same corpus without its conditions; None where it has none.
        quantisation: what the compute type costs against the model's fullest in this run; None where it is that one.
        timed: utterances tried in the timing lane, of which `timing_failed` failed and `batched` shared their seconds
            with others and so say nothing of latency.
        deployment: what scenarios tell; None where none was performed.
        verdicts: by claim, as budgets name them, for the claims this run has facts for.
        unmeasured: claims that have a budget and no facts in this run.
    """

    model: ModelSpec
    corpus: str
    scores: tuple[Score, ...]
    hearing: Hearing
    nonspeech: Nonspeech | None
    rtf: Rtf
    timed: int
    timing_failed: int
    batched: int
    start: Start
    interval: Interval | None = None
    clean_rate: float | None = None
    quantisation: Difference | None = None
    deployment: Deployment | None = None
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
    def words_in_silence(self) -> int | None:
        """Words written where nobody spoke."""
        return self.nonspeech.words if self.nonspeech else None

    @property
    def wer_ratio(self) -> float | None:
        """The error rate under the corpus's conditions over that without; infinite where there it is 0."""
        if self.error_rate is None or self.clean_rate is None:
            return None
        if self.clean_rate == 0:
            return inf if self.error_rate else 1.0
        return self.error_rate / self.clean_rate

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
    varied: tuple[Varied, ...]
    arrangements: tuple[Arrangement, ...]
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
        """The gravest verdict of all rows, pairs and variations."""
        judged: tuple[Row | Parity | Varied, ...] = (*self.rows, *self.parity, *self.varied)
        return worst([each.verdict for each in judged])


def summarize(run: Run, lines: Iterable[Line], budgets: Budgets | None = None, *, torn: int = 0) -> Report:
    """Give what the lines of a run's file come to, judged by `budgets`, or else by those stored with the run.

    They are gone through once and none is held, so that a run may be larger than memory. `torn` counts lines that
    were passed over before.

    Raises:
        BadDefinition: when the budgets stored with the run cannot be understood.
    """
    limits = budgets if budgets is not None else budgets_from(run.budgets, source=f"run {run.id}")
    ledger = Ledger()
    for line in lines:
        ledger.enter(line)
    timings = {place: ledger.timings(place) for place in ledger.timed}
    return Report(
        run=run,
        rows=_rows(run, ledger, timings, limits),
        parity=compare(ledger.heard, limits),
        varied=tuple(
            varied(place, way, others, ledger.heard.get(place, {}), limits)
            for (place, way), others in sorted(ledger.varied.items(), key=lambda entered: entered[0])
        ),
        arrangements=tuple(ledger.arrangements),
        timings=tuple(chain.from_iterable(timings.values())),
        failures=_failures(ledger),
        untouched=_untouched(run, ledger.models),
        torn=torn + ledger.torn,
    )


def _rows(run: Run, ledger: Ledger, timings: Mapping[Place, tuple[Timing, ...]], budgets: Budgets) -> tuple[Row, ...]:
    places = dict.fromkeys((*ledger.heard, *ledger.timed, *ledger.performed))
    heard = {place.model for place in places}
    only_started = [Place(model, NO_CORPUS) for model in ledger.starts if model not in heard]
    every = (*places, *only_started)
    rows = {place: _row(run, place, ledger, timings.get(place, ())) for place in every}
    beside = {
        place: _beside_full(_beside_clean(row, run, place, rows), place, ledger.heard) for place, row in rows.items()
    }
    judged = (_judged(row, place, budgets) for place, row in beside.items())
    return tuple(sorted(judged, key=_order))


def _order(row: Row) -> tuple[str, ...]:
    model = row.model
    return (model.checkpoint, model.backend, model.device, model.compute_type, model.id, row.corpus)


def _beside_clean(row: Row, run: Run, place: Place, rows: Mapping[Place, Row]) -> Row:
    """Give the row with the error rate that the model has without the corpus's conditions."""
    facts = run.corpora.get(place.corpus)
    clean = rows.get(Place(place.model, facts.clean)) if facts and facts.clean else None
    return replace(row, clean_rate=clean.error_rate) if clean else row


def _beside_full(row: Row, place: Place, heard: Mapping[Place, Mapping[str, Outcome]]) -> Row:
    """Give the row with what its compute type costs, where the model was heard in full precision too."""
    models = {other.model: parse_spec(other.model) for other in heard if other.corpus == place.corpus}
    full = full_precision(row.model, models.values())
    if full is None or place not in heard:
        return row
    return replace(row, quantisation=cost(heard[Place(full.id, place.corpus)], heard[place]))


def _row(run: Run, place: Place, ledger: Ledger, timings: Sequence[Timing]) -> Row:
    heard, timed = ledger.heard.get(place, {}), ledger.timed.get(place, {}).values()
    hearing = _hearing(run, place.corpus, heard.values())
    spoken = [(name, of.speaker, of.score) for name, of in heard.items() if not of.silent] if hearing.heard else []
    scores = pool(score for _, _, score in spoken)
    return Row(
        model=parse_spec(place.model),
        corpus=place.corpus,
        scores=scores,
        interval=spread_over(spoken) if len(scores) == 1 else None,
        hearing=hearing,
        nonspeech=pool_nonspeech(of.nonspeech for of in heard.values() if of.nonspeech),
        rtf=pool_rtf(timings),
        timed=len(timed),
        timing_failed=sum(of.failure is not None for of in timed),
        batched=sum(of.batch_size > 1 for of in timed),
        start=_start(ledger.starts.get(place.model, ())),
        deployment=_deployment(place, ledger),
    )


def _deployment(place: Place, ledger: Ledger) -> Deployment | None:
    return deployment(
        ledger.performances.get(place, ()),
        ledger.streams.get(place, {}).values(),
        ledger.growths.get(place.model, {}),
        ledger.starts.get(place.model, ()),
        {utterance: heard.score for utterance, heard in ledger.heard.get(place, {}).items() if heard.failure is None},
    )


def _judged(row: Row, place: Place, budgets: Budgets) -> Row:
    budget = budgets.of(place.model, place.corpus or "*")
    claims = _claims(row)
    return replace(
        row,
        verdicts={name: claim.verdict(getattr(budget, name)) for name, claim in claims.items() if claim.tried},
        unmeasured=_unmeasured(claims, budget, row.hearing),
    )


def _claims(row: Row) -> Mapping[str, "_Claim"]:
    """Give what each claim rests on; a corpus that was not heard whole gives no figure to judge."""
    hearing, start = row.hearing, row.start
    whole = hearing.missing == 0
    found = row.nonspeech if whole else None
    silent: Mapping[str, float | None] = {
        "words_in_silence": found.words if found else None,
        "words_per_minute": found.words_per_minute if found else None,
        "loops": found.loops if found else None,
    }
    return {
        "wer": _Claim(
            tried=hearing.utterances > hearing.silent, failed=hearing.failed, figure=row.error_rate if whole else None
        ),
        **{
            name: _Claim(tried=hearing.silent > 0, failed=hearing.failed, figure=figure)
            for name, figure in silent.items()
        },
        "wer_ratio": _Claim(
            tried=row.clean_rate is not None, failed=hearing.failed, figure=row.wer_ratio if whole else None
        ),
        "quantisation_wer": _Claim(
            tried=row.quantisation is not None,
            failed=hearing.failed,
            figure=row.quantisation.change if row.quantisation and whole else None,
        ),
        "rtf": _Claim(tried=row.timed > 0, failed=row.timing_failed, figure=row.rtf.median),
        "cold_start_s": _Claim(tried=start.tried > 0, failed=start.failed, figure=start.total_s),
        "peak_memory_bytes": _Claim(tried=start.tried > 0, failed=start.failed, figure=start.peak_memory_bytes),
        **_claims_of_deployment(row.deployment),
    }


def _claims_of_deployment(found: Deployment | None) -> Mapping[str, "_Claim"]:
    own = found or Deployment()
    waited, rates, shown = own.latency, own.served, own.streamed
    streams = {
        "first_partial_s": shown.first_partial_s if shown else None,
        "final_s": shown.final_s if shown else None,
        "revisions_per_word": shown.revisions_per_word if shown else None,
        "streaming_cost": shown.cost.change if shown and shown.cost else None,
    }
    p95_s = waited.value(0.95) if waited else None
    fastest = own.best.rtfx if own.best else None
    rate_per_s = rates.rate_per_s if rates else None
    return {
        "latency_p95_s": _Claim(tried=waited is not None, failed=waited.failed if waited else 0, figure=p95_s),
        "offline_rtf": _Claim(tried=bool(own.offline), failed=0, figure=1 / fastest if fastest else None),
        "server_interval_s": _Claim(tried=rates is not None, failed=0, figure=1 / rate_per_s if rate_per_s else None),
        **{
            name: _Claim(tried=shown is not None, failed=shown.failed if shown else 0, figure=figure)
            for name, figure in streams.items()
        },
        "growth_bytes": _Claim(
            tried=own.growth is not None, failed=0, figure=own.growth.kept_bytes if own.growth else None
        ),
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
    return tuple(name for name in names if not (heard_all and name in _OF_HEARING))


def _hearing(run: Run, corpus: str, heard: Collection[Outcome]) -> Hearing:
    planned = run.corpora[corpus].utterances if heard and corpus in run.corpora else len(heard)
    failed = sum(outcome.failure is not None for outcome in heard)
    return Hearing(
        utterances=len(heard),
        heard=len(heard) - failed,
        failed=failed,
        missing=max(0, planned - len(heard)),
        silent=sum(outcome.silent for outcome in heard),
        cached=sum(outcome.cached for outcome in heard),
    )


def _start(starts: Sequence[ColdStart]) -> Start:
    usual = [start for start in starts if is_warm(start)] or starts
    totals = [start.total_s for start in usual if start.total_s is not None and start.failure is None]
    peaks = [start.peak_memory_bytes for start in starts if start.peak_memory_bytes is not None]
    return Start(
        tried=len(starts),
        failed=sum(start.failure is not None for start in starts),
        total_s=median(totals) if totals else None,
        peak_memory_bytes=max(peaks) if peaks else None,
    )


def _failures(ledger: Ledger) -> tuple[Failed, ...]:
    of_records = (
        Failed(model=place.model, corpus=place.corpus, utterance=utterance, lane=lane, **_why(failure))
        for place, utterance, lane, failure in ledger.failures()
    )
    of_starts = (
        Failed(model=start.model, corpus=NO_CORPUS, utterance="", lane="cold start", **_why(start.failure))
        for own in ledger.starts.values()
        for start in own
        if start.failure
    )
    return tuple(sorted((*of_records, *of_starts), key=attrgetter(*(field.name for field in fields(Failed)))))


def _why(failure: Failure) -> Mapping[str, str]:
    return {"stage": failure.stage, "kind": failure.kind, "message": failure.message}


def _untouched(run: Run, touched: Set[str]) -> tuple[str, ...]:
    planned = {model for session in run.sessions for model in session.models}
    explained = {skipped.model for session in run.sessions for skipped in session.skipped}
    return tuple(sorted(planned - explained - touched))

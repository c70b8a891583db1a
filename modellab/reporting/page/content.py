"""Content: the figures of a report as the page reads them. Rates are fractions, durations seconds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from modellab.backends.spec import parse_spec
from modellab.records.run import ModelFacts, Run
from modellab.reporting import figure
from modellab.reporting.curve import Curve, Point
from modellab.reporting.ledger import Place
from modellab.reporting.markdown import environment, models
from modellab.reporting.notes import notes
from modellab.reporting.page.finding import Style
from modellab.reporting.rescore import Rescored, disputes
from modellab.reporting.slices import Slicing
from modellab.reporting.summary import Report, Row
from modellab.reporting.timing import Timing
from modellab.scoring.confusion import Confusion, Confusions
from modellab.scoring.interval import Interval
from modellab.scoring.score import Score
from modellab.scoring.writing import MARKS, MarkCounts, Writing

MOST_CONFUSIONS = 25

Object = Mapping[str, object]


def head(report: Report) -> Object:
    """Give what stands above and below the figures: the run, its verdict, its notes, its machine and its models."""
    run = report.run
    return {
        "id": run.id,
        "created_at": run.created_at,
        "verdict": report.verdict,
        "partial": report.partial,
        "failures": len(report.failures),
        "environment": environment(run),
        "sessions": [_session(run, number) for number in range(len(run.sessions))],
        "models": [_model(model, facts) for model, facts in models(run).items()],
        "corpora": [_corpus(run, name) for name in sorted(run.corpora)],
        "notes": [asdict(note) for note in notes(report)],
    }


def rows(report: Report) -> Sequence[Object]:
    """Give one object for each model and corpus, with everything the table of the report has."""
    spans = _spans(report.timings)
    return [_row(row, spans.get(Place(row.model.id, row.corpus))) for row in report.rows]


def sliced(slicings: Iterable[Slicing]) -> Sequence[Object]:
    """Give the slices by corpus and field."""
    return [
        {
            "corpus": slicing.corpus,
            "field": slicing.field,
            "slices": [
                {
                    "model": one.model,
                    "value": one.value,
                    "values": one.values,
                    "utterances": one.utterances,
                    "small": one.is_small,
                    **_score(one.score),
                    "interval": _interval(one.interval),
                }
                for one in slicing.slices
            ],
        }
        for slicing in slicings
    ]


def confused(by_place: Mapping[Place, Confusions]) -> Sequence[Object]:
    """Give the most frequent confusions of each kind, and how many kinds and errors there are in all."""
    return [
        {
            "model": place.model,
            "corpus": place.corpus,
            **{
                kind: {
                    "kinds": len(every),
                    "errors": sum(one.count for one in every),
                    "most": [(one.said, one.written, one.count) for one in every[:MOST_CONFUSIONS]],
                }
                for kind, every in _by_kind(confusions).items()
            },
        }
        for place, confusions in sorted(by_place.items())
    ]


def rescored(found: Sequence[Rescored]) -> Object:
    """Give the rates under each normaliser, and where their ranking of models depends on it."""
    return {
        "rows": [
            {
                "model": row.model,
                "corpus": row.corpus,
                "metric": row.metric,
                "rates": {name: row.rate(name) for name in row.scores},
            }
            for row in found
        ],
        "disputes": [asdict(dispute) for dispute in disputes(found)],
    }


def styled(by_place: Mapping[Place, Style]) -> Sequence[Object]:
    """Give how each model writes: capitals, marks and loops."""
    return [
        {
            "model": place.model,
            "corpus": place.corpus,
            "case_error_rate": style.writing.case_error_rate,
            "cased": style.writing.cased,
            "punctuation": _marks(style.writing.punctuation),
            "marks": {mark: _marks(style.writing.of(mark)) for mark in _marks_of(style.writing)},
            "loops": style.repetition.loops,
            "looped_share": style.repetition.looped_share,
        }
        for place, style in sorted(by_place.items())
    ]


def curved(found: Iterable[Curve]) -> Sequence[Object]:
    """Give the curves, each with its points by rising strength."""
    return [
        {
            "model": curve.model,
            "corpus": curve.corpus,
            "metric": curve.metric,
            "kind": curve.kind,
            "unit": curve.unit,
            "clean": _point(curve.clean) if curve.clean else None,
            "points": [_point(point) for point in curve.points],
        }
        for curve in found
    ]


def _point(point: Point) -> Object:
    return {
        "label": point.label,
        "strength": point.strength,
        "rate": point.rate,
        "interval": _interval(point.interval),
    }


def _session(run: Run, number: int) -> Object:
    session = run.sessions[number]
    return {
        "number": session.number,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "workers": session.workers,
        "seed": session.seed,
        "limit": session.limit,
        "outcome": session.outcome,
    }


def _model(model: str, facts: ModelFacts) -> Object:
    """Give what is known of a model, without the folder of its weights, which is nobody's business."""
    spec, weights = parse_spec(model), facts.options.get("weights")
    known = weights if isinstance(weights, dict) else {}
    return {
        "id": model,
        "checkpoint": spec.checkpoint,
        "backend": spec.backend,
        "device": spec.device,
        "compute_type": spec.compute_type,
        "runtime": facts.runtime,
        "revision": known.get("revision"),
        "sha256": known.get("sha256"),
        "options": {k: v for k, v in facts.options.items() if k not in {"weights", "device", "compute_type"}},
        "not_honoured": facts.not_honoured,
    }


def _corpus(run: Run, name: str) -> Object:
    facts = run.corpora[name]
    return {
        "name": name,
        "revision": facts.revision,
        "utterances": facts.utterances,
        "duration_s": facts.duration_s,
        "languages": facts.languages,
    }


def _row(row: Row, span: tuple[float, float] | None) -> Object:
    hearing, rtf = row.hearing, row.rtf
    fastest, slowest = span or (None, None)
    return {
        "model": row.model.id,
        "corpus": row.corpus,
        "scores": [_score(score) for score in row.scores],
        "interval": _interval(row.interval),
        "heard": hearing.heard,
        "failed": hearing.failed,
        "missing": hearing.missing,
        "planned": hearing.utterances + hearing.missing,
        "words_in_silence": row.words_in_silence,
        "rtf": {
            "median": rtf.median,
            "p95": rtf.p95,
            "p95_text": figure.quantile(rtf, rtf.p95, 0.95),
            "fastest": fastest,
            "slowest": slowest,
            "samples": rtf.samples,
        },
        "cold_start_s": row.start.total_s,
        "peak_memory_bytes": row.start.peak_memory_bytes,
        "verdict": row.verdict,
        "blamed": figure.blamed(row),
    }


def _spans(timings: Iterable[Timing]) -> Mapping[Place, tuple[float, float]]:
    """Give the real-time factors of the fastest and the slowest round of each model on each corpus."""
    spans: dict[Place, tuple[float, float]] = {}
    for timing in timings:
        place = Place(timing.model, timing.corpus)
        known = spans.get(place, ())
        spans[place] = min((*timing.rtf, *known)), max((*timing.rtf, *known))
    return spans


def _score(score: Score) -> Object:
    return {
        "metric": score.metric,
        "normalizer": score.normalizer,
        "rate": score.rate,
        "length": score.reference_length,
        "substitutions": score.substitutions,
        "deletions": score.deletions,
        "insertions": score.insertions,
    }


def _interval(interval: Interval | None) -> Object | None:
    return None if interval is None else asdict(interval)


def _by_kind(confusions: Confusions) -> Mapping[str, tuple[Confusion, ...]]:
    return {
        "substitutions": confusions.substitutions,
        "deletions": confusions.deletions,
        "insertions": confusions.insertions,
    }


def _marks_of(writing: Writing) -> tuple[str, ...]:
    """Name the classes of marks that either side has."""
    return tuple(mark for mark in MARKS if (counts := writing.of(mark)) is not None and counts.f1 is not None)


def _marks(counts: MarkCounts | None) -> Object | None:
    if counts is None:
        return None
    return {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}

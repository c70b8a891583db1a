"""Page: the report as Markdown, with the environment it was measured in and its plots by relative path."""

from collections.abc import Iterator, Mapping, Sequence

from modellab.records.run import ModelFacts, Run
from modellab.reporting import figure
from modellab.reporting.curve import Curve, Point, curves
from modellab.reporting.hardware import hardware
from modellab.reporting.notes import notes
from modellab.reporting.summary import Report, Row
from modellab.scoring.score import Score

_COLUMNS = (
    "model", "backend", "device", "precision", "corpus", "heard", "WER", "S, D, I", "words in silence", "RTF median",
    "RTF p95", "cold start", "peak memory", "verdict",
)  # fmt: skip
_UNDER = ("model", "corpus", "condition", "clean", "rate", "times the clean one")
_RIGHT = frozenset(_COLUMNS[6:13] + _UNDER[3:])
_LEGEND = (
    "WER is pooled: errors over all words of the corpus, where a failed utterance counts as wholly deleted; in "
    "brackets, a bootstrap interval at 95 % confidence in percent, over speakers where all are known, else over "
    "utterances. "
    "RTF is seconds of work per second of audio, one utterance at a time; lower is better. "
    f"{figure.NOT_MEASURED} means not measured; `{figure.NOT_MEASURED} (15 < 130)` means that 15 rounds are too few "
    "for this percentile at 99 % confidence."
)


_RATES = ("model", "corpus", "metric", "normaliser", "reference", "error rate", "MER", "WIL")
_RATES_LEGEND = (
    "MER, the match error rate, counts errors per aligned pair; WIL, word information lost, weighs what was kept of "
    "both sides. CER counts characters, where words are written without spaces between them."
)


def markdown(report: Report, plots: Mapping[str, str]) -> str:
    """Give the report as Markdown; `plots` maps titles to paths relative to it."""
    return "\n".join((*_head(report), *table(_COLUMNS, [_cells(row) for row in report.rows]), *_rest(report, plots)))


def _head(report: Report) -> Iterator[str]:
    yield from (f"# Model Lab: {escape(report.run.id)}", "")
    yield from (f"{report.run.created_at}. Overall: **{report.verdict}**.", "")
    if report.partial:
        yield from ("**This run is partial.**", "")
    yield from (_LEGEND, "")


def _cells(row: Row) -> tuple[str, ...]:
    model = row.model
    silence = figure.NOT_MEASURED if row.words_in_silence is None else str(row.words_in_silence)
    blamed = ", ".join(figure.blamed(row))
    texts = (
        model.checkpoint,
        model.backend,
        model.device,
        model.compute_type,
        row.corpus or figure.NOT_MEASURED,
        figure.heard(row),
        f"{' / '.join(figure.error_rates(row))} {', '.join(figure.bounds(row.interval))}".rstrip(),
        " / ".join(figure.errors_by_kind(row)),
        silence,
        figure.ratio(row.rtf.median),
        figure.quantile(row.rtf, row.rtf.p95, 0.95),
        figure.seconds(row.start.total_s),
        figure.mebibytes(row.start.peak_memory_bytes),
        f"{row.verdict}: {blamed}" if blamed else str(row.verdict),
    )
    return tuple(escape(text) for text in texts)


def _rest(report: Report, plots: Mapping[str, str]) -> Iterator[str]:
    for title, path in plots.items():
        yield from ("", f"![{escape(title)}]({path})")
    yield from _conditions(curves(report))
    yield from _rates(report)
    for note in notes(report):
        yield from ("", f"## {note.title}", "", *(f"- {escape(line)}" for line in note.lines))
    yield from ("", "## Environment", "", *_environment(report.run))
    yield from ("", "## Models", "", *_models(report.run))
    yield from ("", "## Corpora", "", *_corpora(report.run), "")


def _rates(report: Report) -> Iterator[str]:
    """Give the section with every rate that follows from the counts; nothing where nothing was heard."""
    rows = [_rated(row, score) for row in report.rows for score in row.scores]
    if rows:
        yield from ("", "## Rates", "", _RATES_LEGEND, "")
        yield from table(_RATES, rows)


def _rated(row: Row, score: Score) -> tuple[str, ...]:
    rates = (score.rate, score.mer, score.wil)
    texts = (row.model.id, row.corpus, score.metric.upper(), score.normalizer, str(score.reference_length))
    return tuple(escape(text) for text in (*texts, *map(figure.percent, rates)))


def _conditions(found: Sequence[Curve]) -> Iterator[str]:
    """Give the section of error rates under conditions; nothing where everything was heard clean."""
    if not found:
        return
    metrics = " and ".join(sorted({curve.metric.upper() for curve in found}))
    yield from ("", f"## {metrics} under conditions", "")
    yield from table(_UNDER, [_degraded(curve, point) for curve in found for point in curve.points])


def _degraded(curve: Curve, point: Point) -> tuple[str, ...]:
    clean = curve.clean.rate if curve.clean else None
    bounds = ", ".join(figure.bounds(point.interval))
    rate = f"{figure.percent(point.rate)} {bounds}".rstrip()
    texts = (curve.model, curve.corpus, point.label, figure.percent(clean), rate, figure.ratio(curve.ratio(point)))
    return tuple(escape(text) for text in texts)


def environment(run: Run) -> Mapping[str, str]:
    """Give the environment of a run as names and texts: machine, devices, commit, versions of Python and runtimes."""
    made = run.environment
    dirty = {True: "with uncommitted changes", False: "clean", None: "state unknown"}[made.git_dirty]
    runtimes = {facts.backend: facts.runtime for facts in models(run).values()}
    silent = "; ".join(f"{sensor} ({why})" for sensor, why in made.unreadable.items())
    return {
        "processor": made.processor,
        "cores": str(made.cores),
        "memory": figure.mebibytes(made.memory_bytes),
        **{f"device {facts.device.name}": hardware(facts) for facts in made.devices},
        **({"not readable": silent} if silent else {}),
        "machine": made.machine,
        "platform": made.platform,
        "python": made.python,
        "commit": f"{made.git_commit} ({dirty})" if made.git_commit else "not a checkout",
        **{f"runtime {backend}": version for backend, version in sorted(runtimes.items())},
    }


def models(run: Run) -> Mapping[str, ModelFacts]:
    """Give the facts of every model of a run, as the last session that used it has them."""
    known: dict[str, ModelFacts] = {}
    for session in run.sessions:
        known |= session.models
    return dict(sorted(known.items()))


def _environment(run: Run) -> Iterator[str]:
    yield from (f"- {escape(name)}: {escape(text)}" for name, text in environment(run).items())
    for session in run.sessions:
        limit = "every utterance" if session.limit is None else f"at most {session.limit} utterances"
        yield (
            f"- session {session.number}: {session.started_at}, {session.workers} worker(s), seed {session.seed}, "
            f"{limit}, {session.outcome}"
        )


def _models(run: Run) -> Iterator[str]:
    rows = [
        tuple(escape(text) for text in (name, facts.runtime, *_weights(facts), _options(facts)))
        for name, facts in models(run).items()
    ]
    yield from table(("model", "runtime version", "weights revision", "weights SHA-256", "options"), rows)


def _weights(facts: ModelFacts) -> tuple[str, str]:
    weights = facts.options.get("weights")
    if not isinstance(weights, dict):
        return figure.NOT_MEASURED, figure.NOT_MEASURED
    return str(weights.get("revision", figure.NOT_MEASURED)), str(weights.get("sha256", figure.NOT_MEASURED))


def _options(facts: ModelFacts) -> str:
    named = {name: value for name, value in facts.options.items() if name not in {"weights", "device", "compute_type"}}
    return ", ".join(f"{name}={text}" for name, text in _flat(named))


def _flat(options: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _flat(value)
        elif value is not None:
            yield name, str(value)


def _corpora(run: Run) -> Iterator[str]:
    rows = [
        (escape(name), facts.revision, str(facts.utterances), f"{facts.duration_s:.1f} s", " ".join(facts.languages))
        for name, facts in sorted(run.corpora.items())
    ]
    yield from table(("corpus", "revision", "utterances", "speech", "languages"), rows)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Give the lines of a table; its cells are Markdown already."""
    yield f"| {' | '.join(columns)} |"
    yield f"| {' | '.join('---:' if column in _RIGHT else '---' for column in columns)} |"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def escape(text: str) -> str:
    """Give text that Markdown shows as it is: no cell, tag, emphasis or link begins in it."""
    for character in "\\|`*_[]<>#~":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())

"""Table: the report on a terminal. A few lines a row, so that it fits a hundred columns, in colour or without."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from modellab.reporting import figure
from modellab.reporting.notes import notes
from modellab.reporting.summary import Report, Row
from modellab.verdicts.budget import Verdict

_STYLES = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.ERROR: "bold magenta", Verdict.NO_BUDGET: "dim"}
_CLAIMS = {
    "wer": "error rate",
    "rtf": "RTF",
    "cold_start_s": "cold start",
    "words_in_silence": "silence",
    "changed_utterances": "other words",
    "quantisation_wer": "quantisation",
    "wer_ratio": "robustness",
    "words_per_minute": "hallucination",
    "loops": "loops",
    "flips": "invariance",
    "missing_words": "missing words",
    "word_time_error_s": "word times",
    "language_error_rate": "language",
    "latency_p95_s": "latency",
    "offline_rtf": "throughput",
    "server_interval_s": "request rate",
    "first_partial_s": "first partial",
    "final_s": "final text",
    "revisions_per_word": "revisions",
    "streaming_cost": "streaming",
    "peak_memory_bytes": "peak memory",
    "growth_bytes": "memory growth",
}


def print_report(report: Report, console: Console) -> None:
    """Print the table, and below it all that failed, was skipped, differs or is missing."""
    console.print(report_table(report) if report.rows else Text("No facts: nothing was heard in this run."))
    console.print()
    for note in notes(report):
        console.print(Text(note.title, style="bold"))
        for line in note.lines:
            console.print(Text(f"  {line}"), soft_wrap=False)
        console.print()
    console.print(Text(f"Overall: {report.verdict.upper()}", style=_STYLES[report.verdict]))


def report_table(report: Report) -> Table:
    """Give the table of all models and corpora."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, leading=1, padding=(0, 1, 0, 0))
    table.add_column("model\nbackend\ndevice, type", overflow="fold")
    table.add_column("corpus\nutterances\nin silence", overflow="fold")
    table.add_column(_rate_header(report), justify="right")
    table.add_column("RTF median\np95", justify="right")
    table.add_column("cold start\npeak memory", justify="right")
    table.add_column("verdict")
    for row in report.rows:
        table.add_row(*_cells(row))
    return table


def _rate_header(report: Report) -> str:
    metrics = {score.metric for row in report.rows for score in row.scores} or {"wer"}
    level = next((f"\n{row.interval.level * 100:.0f} % interval" for row in report.rows if row.interval), "")
    return f"{' or '.join(sorted(metric.upper() for metric in metrics))}\nS, D, I{level}"


def _cells(row: Row) -> tuple[Text, ...]:
    rates = zip(figure.error_rates(row), figure.errors_by_kind(row), strict=True)
    bounds = figure.bounds(row.interval)
    model = row.model
    return (
        _two(model.checkpoint, f"{model.backend}\n{', '.join((model.device, model.compute_type))}".strip()),
        _two(row.corpus or figure.NOT_MEASURED, figure.heard(row) + _silence(row)),
        Text("\n").join(_two(rate, "\n".join((errors, *bounds))) for rate, errors in rates),
        _two(figure.ratio(row.rtf.median), figure.quantile(row.rtf, row.rtf.p95, 0.95)),
        _two(figure.seconds(row.start.total_s), figure.mebibytes(row.start.peak_memory_bytes)),
        _verdict(row),
    )


def _silence(row: Row) -> str:
    return "" if row.words_in_silence is None else f"\n{row.words_in_silence} in silence"


def _verdict(row: Row) -> Text:
    loud = row.verdict in {Verdict.FAIL, Verdict.ERROR}
    text = Text(row.verdict.upper() if loud else str(row.verdict), style=_STYLES[row.verdict])
    return text.append("".join(f"\n{_CLAIMS[claim]}" for claim in figure.blamed(row)))


def _two(upper: str, lower: str) -> Text:
    return Text(upper).append(f"\n{lower}", style="dim")

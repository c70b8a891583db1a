"""Figure: how a number is written for people. What was not measured is a dash, never a zero."""

from modellab.reporting.summary import Row
from modellab.reporting.timing import Rtf
from modellab.scoring.interval import Interval
from modellab.scoring.quantile import SAMPLES_FOR
from modellab.scoring.score import Score
from modellab.verdicts.budget import Verdict

NOT_MEASURED = "–"  # noqa: RUF001
_MEBIBYTE = 1024 * 1024
_HUNDRED = 100


def percent(rate: float | None) -> str:
    """Write a fraction as percent, to two decimals."""
    return NOT_MEASURED if rate is None else f"{rate * _HUNDRED:.2f} %"


def ratio(value: float | None) -> str:
    """Write a real-time factor to three significant digits."""
    return NOT_MEASURED if value is None else f"{value:#.3g}"


def seconds(value: float | None) -> str:
    """Write seconds to three significant digits, and whole from a hundred on."""
    if value is None:
        return NOT_MEASURED
    return f"{value:.0f} s" if value >= _HUNDRED else f"{value:#.3g} s"


def mebibytes(value: int | None) -> str:
    """Write bytes as whole mebibytes."""
    return NOT_MEASURED if value is None else f"{value / _MEBIBYTE:.0f} MiB"


def counts(score: Score) -> str:
    """Write the errors by kind."""
    return f"{score.substitutions} S, {score.deletions} D, {score.insertions} I"


def quantile(rtf: Rtf, value: float | None, fraction: float) -> str:
    """Write a percentile of the real-time factor; one refused says how many samples there were and were needed."""
    if value is None and 0 < rtf.samples < SAMPLES_FOR[fraction]:
        return f"{NOT_MEASURED} ({rtf.samples} < {SAMPLES_FOR[fraction]})"
    return ratio(value)


def error_rates(row: Row) -> tuple[str, ...]:
    """Write the rates of a row; where there are several, each says its metric and normaliser."""
    if not row.scores:
        return (NOT_MEASURED,)
    if len(row.scores) == 1 and row.scores[0].metric == "wer":
        return (percent(row.scores[0].rate),)
    return tuple(f"{percent(score.rate)} {score.metric.upper()} ({score.normalizer})" for score in row.scores)


def bounds(interval: Interval | None) -> tuple[str, ...]:
    """Write an interval of a rate in percent, and what it was drawn from; nothing where there is none."""
    if interval is None:
        return ()
    low, high = (f"{bound * _HUNDRED:.1f}" for bound in (interval.low, interval.high))
    return f"[{low}, {high}]", f"{interval.clusters} {interval.unit}s"


def errors_by_kind(row: Row) -> tuple[str, ...]:
    """Write the errors by kind, one text for each rate."""
    return tuple(counts(score) for score in row.scores) or (NOT_MEASURED,)


def heard(row: Row) -> str:
    """Write how much of a corpus was heard."""
    hearing = row.hearing
    planned = hearing.utterances + hearing.missing
    return f"{hearing.heard} of {planned} heard" if planned else "not heard"


def blamed(row: Row) -> tuple[str, ...]:
    """Name the claims that gave a row its verdict; empty where it passed or nothing is claimed."""
    if row.verdict not in {Verdict.FAIL, Verdict.ERROR}:
        return ()
    return tuple(claim for claim, verdict in row.verdicts.items() if verdict == row.verdict)

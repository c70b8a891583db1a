"""Page: what scenarios came to as Markdown, a table a question, with the machine it was measured on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from modellab.records.record import ColdStart
from modellab.reporting import figure
from modellab.reporting.deployment import Deployment
from modellab.reporting.markdown import environment, escape, table
from modellab.reporting.performance import Point
from modellab.reporting.summary import Report, Row
from modellab.scoring.growth import Slope
from modellab.scoring.quantile import SAMPLES_FOR, Quantile

Columns: TypeAlias = Mapping[str, Callable[[Row, Deployment], str]]

_HEAD = "# What deployment meets"
_ABOUT = (
    "Written by `modellab performance`. Seconds are those of this machine. "
    f"{figure.NOT_MEASURED} means not measured; `{figure.NOT_MEASURED} (130 < 662)` means that 130 calls are too few "
    "for this percentile at 99 % confidence. RTF is seconds of work per second of audio, lower is better; RTFx is its "
    "inverse. In brackets are bounds at 95 % confidence."
)


def deployment_page(report: Report, price: tuple[str, float] | None = None) -> str:
    """Give the page; `price` is the currency and what an hour of the machine costs.

    Tables of what was not performed are left out.
    """
    rows = [(row, row.deployment) for row in report.rows if row.deployment]
    parts = [_HEAD, "", _ABOUT]
    for title, about, columns, shown in _tables(price):
        own = [(row, found) for row, found in rows if shown(found)]
        if own:
            cells = [tuple(escape(cell(row, found)) for cell in columns.values()) for row, found in own]
            parts += ["", f"## {title}", "", about, "", *table(tuple(columns), cells)]
    parts += _sweeps(rows)
    parts += [
        "",
        "## The machine",
        "",
        *(f"- {name}: {escape(text)}" for name, text in environment(report.run).items()),
    ]
    return "\n".join([*parts, ""])


def _tables(price: tuple[str, float] | None) -> Iterator[tuple[str, str, Columns, Callable[[Deployment], object]]]:
    yield "All at a glance", _GLANCE_ABOUT, _GLANCE, lambda _: True
    yield "One caller", _CALLER_ABOUT, _CALLER, lambda found: found.latency
    yield "Everything at once", _OFFLINE_ABOUT, _offline(price), lambda found: found.offline
    yield "Requests by chance", _SERVER_ABOUT, _SERVER, lambda found: found.served
    yield "As it is spoken", _STREAM_ABOUT, _STREAM, lambda found: found.streamed
    yield "Starting", _START_ABOUT, _START, lambda found: found.starts.warm or found.starts.cold
    yield "Memory", _MEMORY_ABOUT, _MEMORY, lambda found: found.footprint or found.growth


_GLANCE_ABOUT = (
    "The error rate is of the same corpus heard whole. p50 and p95 are of a single caller's latency; the rate is the "
    "highest at which requests that arrive by chance keep the bound below; partial and final are of streams."
)
_CALLER_ABOUT = (
    "Each call is made when the last is answered. Latency is `fixed + RTF * audio`, by least squares; *around* is the "
    "standard deviation of calls about that line. *harness* is the share of a call that was not the worker's own: "
    "pipes, JSON and queue. Rounds of few utterances are not independent, so that bounds are somewhat too narrow."
)
_OFFLINE_ABOUT = (
    "Everything is asked for at once; the best of the settings below. Core-hours, energy and price are for an hour of "
    "audio under that setting, by a machine that does nothing else."
)
_SERVER_ABOUT = (
    "Requests arrive by chance, whatever became of those before, and latency counts from when each was due. The "
    "rate is the highest that kept the bound, and kept it again under other arrivals."
)
_STREAM_ABOUT = (
    "Audio comes as fast as it was spoken. These runtimes do not stream: all that was said so far is heard again and "
    "again, and what two successive hearings agree on is settled (LocalAgreement-2). *first* is from the start of the "
    "audio to the first text, *final* from its end to the final text, *stable* from when a word's place first showed a "
    "word until it showed the final one. *revisions* are words shown and taken back, per final word."
)
_START_ABOUT = (
    "A fresh process, from its start to its first transcript; the steady call is the same utterance once warm. Beside "
    "it the same with the weights dropped from the page cache, as after a restart of the machine."
)
_MEMORY_ABOUT = (
    "Resident size of one process: loaded, at its peak while one caller asked, after its model was closed, and by how "
    "much it grows with each transcription and each time the model is loaded again (Theil-Sen, from the lower bound to "
    "the upper). What grows by less than 100 kB a turn is not called a leak."
)


def _model(row: Row, _: Deployment) -> str:
    return row.model.id


def _corpus(row: Row, _: Deployment) -> str:
    return row.corpus


def _error_rate(row: Row, _: Deployment) -> str:
    return " / ".join(figure.error_rates(row))


_ABOUT_ROW: Columns = {"model": _model, "corpus": _corpus}


def _of_latency(q: float) -> Callable[[Row, Deployment], str]:
    def cell(_: Row, found: Deployment) -> str:
        if found.latency is None:
            return figure.NOT_MEASURED
        known = found.latency.quantiles[q]
        if known is None:
            return f"{figure.NOT_MEASURED} ({found.latency.calls} < {SAMPLES_FOR[q]})"
        return f"{figure.seconds(known.value)} {_bounds(known)}".rstrip()

    return cell


def _bounds(known: Quantile) -> str:
    if known.low is None or known.high is None:
        return ""
    return f"[{figure.ratio(known.low)}, {figure.ratio(known.high)}]"


def _plain(q: float) -> Callable[[Row, Deployment], str]:
    return lambda _, found: figure.seconds(found.latency.value(q) if found.latency else None)


def _line(_: Row, found: Deployment) -> str:
    line = found.latency.line if found.latency else None
    if line is None:
        return figure.NOT_MEASURED
    fixed, slope = line.fixed_bounds_s, line.rtf_bounds
    return (
        f"{line.fixed_s:.3f} s [{fixed[0]:.3f}, {fixed[1]:.3f}] + "
        f"{line.rtf:.4f} [{slope[0]:.4f}, {slope[1]:.4f}] * audio"
    )


def _rtfx(_: Row, found: Deployment) -> str:
    return figure.ratio(found.best.rtfx if found.best else None)


def _rate(_: Row, found: Deployment) -> str:
    if found.served is None:
        return figure.NOT_MEASURED
    return f"{found.served.rate_per_s:.2f}" if found.served.rate_per_s else "none"


def _of_stream(name: str) -> Callable[[Row, Deployment], str]:
    return lambda _, found: figure.seconds(getattr(found.streamed, name, None))


_GLANCE: Columns = {
    **_ABOUT_ROW,
    "WER": _error_rate,
    "p50": _plain(0.5),
    "p95": _plain(0.95),
    "RTFx at best": _rtfx,
    "requests a second": _rate,
    "first partial": _of_stream("first_partial_s"),
    "final": _of_stream("final_s"),
    "cold start": lambda _, found: figure.seconds(found.starts.warm.total_s if found.starts.warm else None),
    "peak memory": lambda _, found: figure.mebibytes(found.footprint.peak_bytes if found.footprint else None),
}
_CALLER: Columns = {
    **_ABOUT_ROW,
    "calls": lambda _, found: str(found.latency.calls) if found.latency else figure.NOT_MEASURED,
    **{f"p{100 * q:g}": _of_latency(q) for q in SAMPLES_FOR},
    "latency": _line,
    "around": lambda _, found: figure.seconds(
        found.latency.line.residual_s if found.latency and found.latency.line else None
    ),
    "harness": lambda _, found: figure.percent(found.latency.harness_share if found.latency else None),
    "CPU seconds per second": lambda _, found: figure.ratio(found.latency.cpu_s if found.latency else None),
}
_SERVER: Columns = {
    **_ABOUT_ROW,
    "bound": lambda _, found: (
        f"p{100 * found.served.quantile:g} below {found.served.bound_s:g} s" if found.served else figure.NOT_MEASURED
    ),
    "requests a second": _rate,
    "tried: a second, p50, kept": lambda _, found: (
        "; ".join(
            f"{rate:.2f}, {figure.seconds(own.p50_s)}, {'yes' if kept else 'no'}"
            for rate, own, kept in found.served.tried
        )
        if found.served
        else figure.NOT_MEASURED
    ),
}
_STREAM: Columns = {
    **_ABOUT_ROW,
    "method": lambda _, found: (
        f"{found.streamed.method}, {found.streamed.step_s:g} s" if found.streamed else figure.NOT_MEASURED
    ),
    "utterances": lambda _, found: (
        f"{found.streamed.utterances - found.streamed.failed} of {found.streamed.utterances}"
        if found.streamed
        else figure.NOT_MEASURED
    ),
    "first": _of_stream("first_partial_s"),
    "final": _of_stream("final_s"),
    "slowest final": _of_stream("slowest_final_s"),
    "stable": _of_stream("stable_s"),
    "revisions": lambda _, found: figure.ratio(found.streamed.revisions_per_word if found.streamed else None),
    "WER streamed": lambda _, found: (
        " / ".join(figure.percent(score.rate) for score in found.streamed.scores)
        if found.streamed
        else figure.NOT_MEASURED
    ),
    "more than whole": lambda _, found: figure.percent(
        found.streamed.cost.change if found.streamed and found.streamed.cost else None
    ),
}


def _of_start(which: str, name: str) -> Callable[[Row, Deployment], str]:
    def cell(_: Row, found: Deployment) -> str:
        start: ColdStart | None = getattr(found.starts, which)
        return figure.seconds(getattr(start, name) if start else None)

    return cell


_START: Columns = {
    "model": _model,
    "process": _of_start("warm", "process_s"),
    "import": _of_start("warm", "import_s"),
    "load": _of_start("warm", "load_s"),
    "first call": _of_start("warm", "first_call_s"),
    "in all": _of_start("warm", "total_s"),
    "steady call": _of_start("warm", "steady_call_s"),
    "load, not cached": _of_start("cold", "load_s"),
    "in all, not cached": _of_start("cold", "total_s"),
}


def _slope(slope: Slope | None) -> str:
    if slope is None:
        return figure.NOT_MEASURED
    low, middle, high = (f"{value / 1000:+.1f}" for value in (slope.low_bytes, slope.bytes_per_turn, slope.high_bytes))
    return f"{middle} kB [{low}, {high}]{': leaks' if slope.leaks() else ''}"


_MEMORY: Columns = {
    "model": _model,
    "loaded": lambda _, found: figure.mebibytes(found.footprint.loaded_bytes if found.footprint else None),
    "peak": lambda _, found: figure.mebibytes(found.footprint.peak_bytes if found.footprint else None),
    "closed": lambda _, found: figure.mebibytes(found.unloaded_bytes),
    "a transcription": lambda _, found: _slope(found.growth),
    "a reload": lambda _, found: _slope(found.reloads),
}


def _offline(price: tuple[str, float] | None) -> Columns:
    def of_best(tell: Callable[[Point], str]) -> Callable[[Row, Deployment], str]:
        return lambda _, found: tell(found.best) if found.best else figure.NOT_MEASURED

    own: Columns = {
        **_ABOUT_ROW,
        "RTFx at best": _rtfx,
        "by": of_best(_said),
        "peak memory": of_best(lambda best: figure.mebibytes(best.peak_bytes)),
        "core-hours": of_best(lambda best: figure.ratio(best.cost.core_hours)),
        "kWh": of_best(lambda best: figure.ratio(best.cost.energy_kwh)),
    }
    if price is None:
        return own
    currency, per_hour = price
    return {
        **own,
        f"price at {per_hour:g} {currency} an hour": of_best(lambda b: f"{b.price(per_hour) or 0:.5f} {currency}"),
    }


def _said(point: Point) -> str:
    """Give a setting in words."""
    setting = point.setting
    order = "by length" if setting.get("by_length", True) else "as they come"
    return f"{setting['replicas']} x {setting['threads']} threads, batches of {setting['batch_size']}, {order}"


def _sweeps(rows: Sequence[tuple[Row, Deployment]]) -> Iterator[str]:
    """Give every setting that was tried, of all models."""
    tried = [(row, point) for row, found in rows for point in found.offline]
    if tried:
        cells = [(row.model.id, _said(point), figure.ratio(point.rtfx), _reason(point)) for row, point in tried]
        yield from ("", "## Every setting of everything at once", "")
        yield from table(("model", "setting", "RTFx", "failed"), [tuple(map(escape, own)) for own in cells])
    asked = [(row, point) for row, found in rows for point in found.concurrent]
    if asked:
        yield from (
            "",
            "## Several callers",
            "",
            "Each asks again once it is answered. *fairness* is Jain's index.",
            "",
        )
        yield from table(
            ("model", "callers", "workers", "threads of each", "RTFx", "p50", "fairness", "failed"),
            [tuple(map(escape, (row.model.id, *_met(point)))) for row, point in asked],
        )


def _met(point: Point) -> tuple[str, ...]:
    setting = point.setting
    counts = (str(setting[name]) for name in ("callers", "replicas", "threads"))
    return (
        *counts,
        figure.ratio(point.rtfx),
        figure.seconds(point.p50_s),
        figure.ratio(point.fairness),
        _reason(point),
    )


def _reason(point: Point) -> str:
    return f"{point.failure.kind}: {point.failure.message}" if point.failure else ""

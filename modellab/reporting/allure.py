"""Allure: what it needs beside pytest's own results, and what a test attaches. Allure itself is not imported here."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from shutil import copyfile
from statistics import median
from typing import Protocol

from modellab.errors import BadAudio, ReportToolMissing
from modellab.records.record import Record
from modellab.records.run import Run
from modellab.records.scenario import Growth, Performance, Scenario, Stream
from modellab.reporting.accuracy import judge_utterance, latest, worst_utterances
from modellab.reporting.deployment_plots import plot_growth, plot_latencies, plot_rates, plot_throughput
from modellab.reporting.html import utterance_page
from modellab.reporting.markdown import environment, models
from modellab.reporting.plots import plot_latency
from modellab.reporting.stream_plot import plot_stream
from modellab.reporting.summary import Report, Row
from modellab.reporting.timing import timings
from modellab.speech.audio import Audio

HISTORY_LIMIT = 50
_MOST_STREAMS = 3
_PLOTS: Mapping[Scenario, Callable[[Sequence[Performance]], bytes]] = {
    "single-stream": plot_latencies,
    "offline": plot_throughput,
    "server": plot_rates,
}
_MEBIBYTE = 1024 * 1024
_PERCENT = 100
_CSV_COLUMNS = (
    "utterance", "errors", "length", "S", "D", "I", "audio_s", "work_s", "lane", "reference", "hypothesis", "failure",
)  # fmt: skip
_ASCII_END = 0x80

_COULD_NOT_LOAD = ".*(could not load|BackendUnavailable|BadCheckpoint|WrongHash|SourceUnreachable).*"
# In order: the first that matches takes the test. Allure 2 matches the whole message, Allure 3 any part of it.
_CATEGORIES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("Crashed", ("failed", "broken"), ".*(crash|killed by|exit code|died).*"),
    ("Could not load", ("failed", "broken"), _COULD_NOT_LOAD),
    ("An utterance failed", ("failed", "broken"), ".*utterances? failed.*"),
    ("Not measurable", ("failed", "broken"), ".*(MeasurementRefused|not measured).*"),
    ("Over budget", ("failed",), ".*budget.*"),
    ("No budget", ("skipped",), ".*no budget.*"),
    ("Cannot run here", ("skipped",), ".*"),
)  # fmt: skip


class Attach(Protocol):
    """What `allure.attach` looks like."""

    def __call__(self, body: str | bytes, name: str, attachment_type: str, extension: str) -> None:
        """Attach a body to the test that runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number that Allure follows from run to run: lower is better in all of them."""

    key: str
    title: str
    unit: str
    group: str
    value: float


def attach_utterances(
    attach: Attach, records: Iterable[Record], listen: Callable[[Record], Audio], *, worst: int = 3
) -> None:
    """Attach the worst utterances to listen to, a table of all, and the plot of latency where there are timings.

    `listen` gives the audio of a record; where it raises BadAudio, the page says so in the player's place.
    """
    known = latest(records)
    for place, judged in enumerate(worst_utterances(known, worst), start=1):
        try:
            page = utterance_page(judged, listen(judged.record))
        except BadAudio as error:
            page = utterance_page(judged, None, why_silent=f"no audio: {error}")
        attach(page, f"{place}. worst: {judged.record.utterance}", "text/html", "html")
    attach(utterance_csv(known), "all utterances", "text/csv", "csv")
    timed = timings(known)
    if timed:
        _attach_plot(attach, "latency", lambda: plot_latency(timed))


def attach_performed(attach: Attach, facts: Sequence[Performance | Stream | Growth]) -> None:
    """Attach the plots of what was performed for one claim; of streams those of which the final text came last."""
    performances = [fact for fact in facts if isinstance(fact, Performance) and fact.calls]
    for scenario, plot in _PLOTS.items():
        own = [each for each in performances if each.scenario == scenario]
        if own:
            _attach_plot(attach, scenario, partial(plot, own))
    streams = [fact for fact in facts if isinstance(fact, Stream) and fact.partials]
    for stream in sorted(streams, key=_late_s, reverse=True)[:_MOST_STREAMS]:
        _attach_plot(attach, f"stream of {stream.utterance}", partial(plot_stream, stream))
    growths = [fact for fact in facts if isinstance(fact, Growth) and fact.resident_bytes]
    if growths:
        _attach_plot(attach, "memory", lambda: plot_growth(growths))


def _late_s(stream: Stream) -> float:
    return stream.partials[-1].at_s - stream.audio_duration_s


def _attach_plot(attach: Attach, name: str, plot: Callable[[], bytes]) -> None:
    try:
        attach(plot(), name, "image/png", "png")
    except ReportToolMissing as error:
        attach(str(error), name, "text/plain", "txt")


def utterance_csv(records: Iterable[Record]) -> str:
    """Give one line for each record, the failed ones first: errors, seconds, what was said and written, or why not.

    `work_s` is the median over the rounds; for an utterance heard in a batch it is that of the whole batch.
    """
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for record in sorted(records, key=lambda record: record.failure is None):
        heard = record.transcript is not None
        score = judge_utterance(record).score
        counted = (score.errors, score.reference_length, score.substitutions, score.deletions, score.insertions)
        writer.writerow(
            (
                record.utterance,
                *(counted if heard else ("",) * len(counted)),
                f"{record.audio_duration_s:.2f}",
                f"{median(record.transcribe_s):.3f}" if record.transcribe_s else "",
                record.lane,
                record.reference,
                record.transcript.text if record.transcript else "",
                f"{record.failure.stage}: {record.failure.kind}: {record.failure.message}" if record.failure else "",
            )
        )
    return target.getvalue()


def metrics(report: Report) -> tuple[Metric, ...]:
    """Give the numbers of a report that Allure shows and follows; what was not measured is not among them."""
    by_key = {metric.key: metric for row in report.rows for metric in (*_of_corpus(row), *_of_model(row))}
    return tuple(by_key.values())


def write_results(report: Report, results: Path, env: Mapping[str, str]) -> None:
    """Write environment.properties, categories.json, modellab-perf.json and, in GitHub Actions, executor.json."""
    results.mkdir(parents=True, exist_ok=True)
    _write(results / "environment.properties", _properties(_about(report.run)))
    _write(results / "categories.json", json.dumps(_categories(), indent=2))
    _write(results / "modellab-perf.json", json.dumps(_perf(report), indent=2))
    executor = _executor(env)
    if executor:
        _write(results / "executor.json", json.dumps(executor, indent=2))


def write_plots(plots: Mapping[str, Path], results: Path) -> None:
    """Copy the plots of the whole run, by title, to where Allure finds them: they belong to no single test."""
    stale = [*results.glob("modellab-*-attachment.png"), *results.glob("modellab-globals.json")]
    for path in stale:
        path.unlink()
    attached = [
        {"name": title, "source": f"modellab-{path.stem}-attachment.png", "type": "image/png"}
        for title, path in plots.items()
    ]
    for path, entry in zip(plots.values(), attached, strict=True):
        copyfile(path, results / entry["source"])
    if attached:
        _write(results / "modellab-globals.json", json.dumps({"attachments": attached}, indent=2))


def allure_config(report: Report) -> Mapping[str, object]:
    """Give Allure's configuration as it goes into `allurerc.json`; where history lies is added there."""
    shown = metrics(report)
    look: Mapping[str, object] = {
        "reportName": "Model Lab",
        "reportLanguage": "en",
        "groupBy": ["epic", "feature"],
        "charts": [
            {"type": "currentStatus", "title": "Claims by status"},
            {"type": "statusDynamics", "title": "Claims over the last runs"},
            {"type": "durations", "title": "How long the tests took", "groupBy": "none"},
            {"type": "durationDynamics", "title": "How long the runs took"},
        ],
    }
    return {
        "name": f"Model Lab {report.run.id}",
        "historyLimit": HISTORY_LIMIT,
        "appendHistory": True,
        "hideLabels": ["host", "thread", "framework", "language", "package"],
        "categories": {"rules": [dict(category) for category in _categories()]},
        "performance": {
            "groups": {group: {"title": group} for group in dict.fromkeys(metric.group for metric in shown)},
            "metrics": {m.key: {"title": m.title, "unit": m.unit, "better": "lower", "group": m.group} for m in shown},
        },
        "plugins": {
            "awesome": {"options": {**look, "singleFile": False}},
            "single": {"import": "@allurereport/plugin-awesome", "options": {**look, "singleFile": True}},
        },
    }


def _of_corpus(row: Row) -> Iterator[Metric]:
    model, corpus = row.model.id, row.corpus
    names = [score.metric for score in row.scores]
    for score in row.scores:
        if score.rate is not None:
            rules = f".{score.normalizer}" if names.count(score.metric) > 1 else ""
            yield Metric(
                key=f"{score.metric}.{model}.{corpus}{rules}",
                title=f"{score.metric.upper()}: {model} on {corpus}{rules.replace('.', ', ', 1)}",
                unit="%",
                group="Accuracy",
                value=score.rate * _PERCENT,
            )
    if row.words_in_silence is not None:
        title = f"Words in silence: {model} on {corpus}"
        yield Metric(
            key=f"words_in_silence.{model}.{corpus}", title=title, unit="words", group="Accuracy",
            value=row.words_in_silence,
        )  # fmt: skip
    for name, value in (("median", row.rtf.median), ("p95", row.rtf.p95)):
        if value is not None:
            key = "rtf" if name == "median" else f"rtf_{name}"
            yield Metric(
                key=f"{key}.{model}.{corpus}", title=f"RTF {name}: {model} on {corpus}", unit="s/s", group="Speed",
                value=value,
            )  # fmt: skip


def _of_model(row: Row) -> Iterator[Metric]:
    model, start = row.model.id, row.start
    if start.total_s is not None:
        yield Metric(
            key=f"cold_start_s.{model}", title=f"Cold start: {model}", unit="s", group="Speed", value=start.total_s
        )
    if start.peak_memory_bytes is not None:
        mebibytes = start.peak_memory_bytes / _MEBIBYTE
        yield Metric(
            key=f"peak_memory_mib.{model}", title=f"Peak memory: {model}", unit="MiB", group="Memory", value=mebibytes
        )


def _perf(report: Report) -> list[Mapping[str, object]]:
    run = report.run
    started = _milliseconds(run.created_at)
    ended = max((_milliseconds(session.ended_at) for session in run.sessions if session.ended_at), default=started)
    return [
        {"id": f"{run.id}.{m.key}", "key": m.key, "value": m.value, "start": started, "stop": max(started, ended)}
        for m in metrics(report)
    ]


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def _about(run: Run) -> Mapping[str, str]:
    held = (facts.options.get("weights") for facts in models(run).values())
    weights = {f"weights {w['checkpoint']}": str(w["sha256"]) for w in held if isinstance(w, dict)}
    corpora = {f"corpus {name}": facts.revision for name, facts in sorted(run.corpora.items())}
    return {"run": run.id, **environment(run), **corpora, **weights}


def _categories() -> list[Mapping[str, object]]:
    return [
        {"name": name, "matchedStatuses": list(statuses), "messageRegex": regex}
        for name, statuses, regex in _CATEGORIES
    ]


def _executor(env: Mapping[str, str]) -> Mapping[str, object] | None:
    if env.get("GITHUB_ACTIONS") != "true":
        return None
    repository = f"{env.get('GITHUB_SERVER_URL', 'https://github.com')}/{env.get('GITHUB_REPOSITORY', '')}"
    number = env.get("GITHUB_RUN_NUMBER", "0")
    return {
        "name": "GitHub Actions",
        "type": "github",
        "url": repository,
        "buildOrder": int(number),
        "buildName": f"{env.get('GITHUB_WORKFLOW', 'workflow')} #{number}",
        "buildUrl": f"{repository}/actions/runs/{env.get('GITHUB_RUN_ID', '')}",
        "reportName": "Model Lab",
    }


def _properties(values: Mapping[str, str]) -> str:
    return "".join(f"{_escape(key)} = {_escape(value)}\n" for key, value in values.items())


def _escape(text: str) -> str:
    """Write text for a Java properties file, in ASCII."""
    line = " ".join(text.split())
    for character in "\\:=#! ":
        line = line.replace(character, f"\\{character}")
    units = memoryview(line.encode("utf-16-le")).cast("H")
    return "".join(chr(unit) if unit < _ASCII_END else f"\\u{unit:04x}" for unit in units)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")

"""Published: every form of a report in one folder. A form that cannot be made here is named with its reason."""

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from rich.console import Console

from modellab.errors import ReportToolMissing
from modellab.records.store import Store
from modellab.reporting.allure import allure_config, write_plots, write_results
from modellab.reporting.curve import curves, pictures
from modellab.reporting.deployment_plots import plot_tradeoffs
from modellab.reporting.markdown import markdown
from modellab.reporting.page.clip import DEFAULT_BUDGET_BYTES, Listen
from modellab.reporting.page.document import document
from modellab.reporting.performed import Performed
from modellab.reporting.plots import plot_curve, plot_latency, plot_rtf
from modellab.reporting.site import Node, Site, render_allure
from modellab.reporting.summary import Report, summarize
from modellab.reporting.table import print_report
from modellab.reporting.tradeoff import tradeoffs
from modellab.verdicts.budget import Budgets

# A title, the name of a file, and what draws it.
Plot: TypeAlias = tuple[str, str, Callable[[], bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A report and where its forms are; `unmade` says of each form that is missing why."""

    report: Report
    markdown: Path
    page: Path
    plots: tuple[Path, ...]
    site: Site | None
    unmade: tuple[str, ...]


def make_report(
    run_folder: Path,
    output: Path,
    console: Console,
    *,
    allure_results: Path | None = None,
    history: Path | None = None,
    budgets: Budgets | None = None,
    cache: Path | None = None,
    node: Node | None = None,
    env: Mapping[str, str] | None = None,
    listen: Listen | None = None,
    audio_budget_bytes: int = DEFAULT_BUDGET_BYTES,
    price: tuple[str, float] | None = None,
) -> Published:
    """Print the table of a run and write report.md, report.html, plots and, given results, Allure's pages to `output`.

    Args:
        run_folder: where run.json and records.jsonl are.
        output: a folder; made where there is none.
        console: where the table and what could not be made are printed.
        allure_results: what pytest wrote with --alluredir; None for no Allure.
        history: the file in which Allure keeps earlier runs; `output/history.jsonl` by default.
        budgets: judge by these and not by those stored with the run.
        cache: where Allure is installed; the user's cache by default.
        node: the Node to use; found by itself by default.
        env: the environment variables, from which GitHub Actions is recognised.
        listen: gives the audio of a record, raising BadAudio where there is none; None for a page without audio.
        audio_budget_bytes: how much of report.html may be audio, that of the worst utterances first.
        price: a currency, and what an hour of the machine costs in it; without it no price is told.

    Raises:
        BadRecord: when there is no run, or it cannot be read.
    """
    store = Store(run_folder)
    report = summarize(store.run(), store.lines(), budgets)
    print_report(report, console)
    output.mkdir(parents=True, exist_ok=True)
    unmade: list[str] = []
    performed = Performed.of(store.lines())
    drawn = _draw(_plots(report, performed, price), output, unmade)
    text = output / "report.md"
    titles = {title: path.relative_to(output).as_posix() for title, path in drawn.items()}
    text.write_text(markdown(report, titles), encoding="utf-8")
    page = output / "report.html"
    page.write_text(
        document(report, store.records, listen, audio_budget_bytes, performed=performed, price=price), encoding="utf-8"
    )
    site = None
    if allure_results is not None:
        past = history or output / "history.jsonl"
        try:
            write_results(report, allure_results, env or {})
            write_plots(drawn, allure_results)
            site = render_allure(allure_results, output, allure_config(report), history=past, cache=cache, node=node)
        except ReportToolMissing as error:
            unmade.append(f"Allure: {error}")
    for reason in unmade:
        console.print(f"Not made: {reason}", style="yellow", markup=False)
    return Published(
        report=report, markdown=text, page=page, plots=tuple(drawn.values()), site=site, unmade=tuple(unmade)
    )


def _draw(plots: Iterable[Plot], output: Path, unmade: list[str]) -> dict[str, Path]:
    """Draw plots into a folder of their own, in which nothing else is left; give the paths by title."""
    paths: dict[str, Path] = {}
    shutil.rmtree(output / "plots", ignore_errors=True)
    try:
        for title, name, plot in plots:
            path = output / "plots" / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(plot())
            paths[title] = path
    except ReportToolMissing as error:
        unmade.append(f"plots: {error}")
    return paths


def _plots(report: Report, performed: Performed, price: tuple[str, float] | None) -> Iterator[Plot]:
    """Give the plots of every corpus that was timed, heard under conditions, or in which scenarios were performed."""
    for corpus in sorted({timing.corpus for timing in report.timings}):
        timed = tuple(timing for timing in report.timings if timing.corpus == corpus)
        yield f"Latency on {corpus}", f"latency-{_slug(corpus)}", partial(plot_latency, timed)
        yield f"Real-time factor on {corpus}", f"rtf-{_slug(corpus)}", partial(plot_rtf, timed)
    currency, per_hour = price or ("", None)
    for corpus, bought in tradeoffs(report.rows, performed.performances, per_hour).items():
        draw = partial(plot_tradeoffs, bought, currency)
        yield f"What errors are bought with on {corpus}", f"tradeoff-{_slug(corpus)}", draw
    for (corpus, kind), alike in pictures(curves(report)).items():
        yield f"{corpus} under {kind}", f"curve-{_slug(corpus)}-{_slug(kind)}", partial(plot_curve, alike)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)

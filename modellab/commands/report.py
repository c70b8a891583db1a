"""modellab report: write the report of a run."""

import argparse
import os
from math import inf
from pathlib import Path

from modellab.commands.console import console

SITE = Path("reports") / "site"
HISTORY = Path("reports") / "history.jsonl"
AUDIO_BUDGET_MIB = 20


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    report = commands.add_parser("report", help="write the report of a run")
    report.add_argument("run_folder", type=Path, metavar="RUN", help="a folder under runs/, or runs/latest")
    report.add_argument("--output", type=Path, default=SITE, help=f"where to write it ({SITE})")
    report.add_argument("--allure-results", type=Path, help="what pytest wrote with --alluredir")
    report.add_argument("--history", type=Path, default=HISTORY, help=f"earlier runs, for Allure ({HISTORY})")
    report.add_argument(
        "--audio-budget-mib",
        type=_budget,
        default=AUDIO_BUDGET_MIB,
        metavar="MIB",
        help=f"how much audio report.html may hold, that of the worst utterances first; 0 for none "
        f"({AUDIO_BUDGET_MIB})",
    )
    report.add_argument("--price", metavar="MACHINE", help="say what an hour of audio costs: one of prices.toml")
    report.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> None:
    from modellab.commands.performance import price_of
    from modellab.records.replay import Replay
    from modellab.records.store import Store
    from modellab.reporting.publish import make_report
    from modellab.sources.cache import cache_root

    results = options.allure_results if options.allure_results and options.allure_results.is_dir() else None
    cache, folder = cache_root(options.cache_dir), options.run_folder.resolve()
    listen = (
        Replay(run=Store(folder).run(), fixtures=options.fixtures, cache=cache) if options.audio_budget_mib else None
    )
    published = make_report(
        folder,
        options.output,
        console(),
        allure_results=results,
        history=options.history,
        cache=cache,
        env=os.environ,
        listen=listen,
        audio_budget_bytes=int(options.audio_budget_mib * (1 << 20)),
        price=price_of(options.fixtures, options.price) if options.price else None,
    )
    print(f"report: {published.markdown}")
    print(f"report: {published.page} (opens from disk)")
    if published.site:
        print(f"report: {published.site.single_file} (opens from disk)")


def _budget(text: str) -> float:
    """Give a size in MiB, not below 0."""
    value = float(text)
    if not 0 <= value < inf:
        raise ValueError(text)
    return value

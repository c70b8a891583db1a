"""modellab report: write the report of a run."""

import argparse
import os
from pathlib import Path

from modellab.commands.console import console

SITE = Path("reports") / "site"
HISTORY = Path("reports") / "history.jsonl"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    report = commands.add_parser("report", help="write the report of a run")
    report.add_argument("run_folder", type=Path, metavar="RUN", help="a folder under runs/, or runs/latest")
    report.add_argument("--output", type=Path, default=SITE, help=f"where to write it ({SITE})")
    report.add_argument("--allure-results", type=Path, help="what pytest wrote with --alluredir")
    report.add_argument("--history", type=Path, default=HISTORY, help=f"earlier runs, for Allure ({HISTORY})")
    report.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> None:
    from modellab.reporting.publish import make_report
    from modellab.sources.cache import cache_root

    results = options.allure_results if options.allure_results and options.allure_results.is_dir() else None
    published = make_report(
        options.run_folder.resolve(),
        options.output,
        console(),
        allure_results=results,
        history=options.history,
        cache=cache_root(options.cache_dir),
        env=os.environ,
    )
    print(f"report: {published.markdown}")
    if published.site:
        print(f"report: {published.site.single_file} (opens from disk)")

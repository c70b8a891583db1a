"""modellab performance: what the scenarios of a run came to, as Markdown."""

import argparse
import sys
from pathlib import Path

from modellab.errors import UnknownName

NEWEST = Path("runs") / "latest"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    performance = commands.add_parser(
        "performance",
        help="write what the scenarios of a run came to",
        description="Write what the scenarios of a run came to, as Markdown: latency, throughput, the rate a server "
        "keeps, streams, starts and memory. `make performance` performs them.",
    )
    performance.add_argument(
        "run_folder", type=Path, nargs="?", default=NEWEST, metavar="RUN", help=f"a folder under runs/ ({NEWEST})"
    )
    performance.add_argument("--output", type=Path, metavar="FILE", help="write there (standard output)")
    performance.add_argument("--price", metavar="MACHINE", help="say what an hour of audio costs: one of prices.toml")
    performance.set_defaults(run=_performance)


def _performance(options: argparse.Namespace) -> None:
    from modellab.records.store import Store
    from modellab.reporting.deployment_page import deployment_page
    from modellab.reporting.summary import summarize

    price = price_of(options.fixtures, options.price) if options.price else None
    store = Store(options.run_folder)
    written = deployment_page(summarize(store.run(), store.lines()), price)
    if options.output is None:
        sys.stdout.write(written)
        return
    options.output.write_text(written, encoding="utf-8")
    print(f"performance: {options.output}")


def price_of(fixtures: Path, machine: str) -> tuple[str, float]:
    """Give the currency, and what an hour of a machine costs in it, as prices.toml has them.

    Raises:
        UnknownName: when no such machine is in it.
        BadDefinition: when it cannot be read.
    """
    from modellab.sources.price import FILE, read_prices

    prices = read_prices(fixtures / FILE)
    if machine not in prices:
        raise UnknownName("machine", machine, prices)
    return prices[machine].currency, prices[machine].per_hour

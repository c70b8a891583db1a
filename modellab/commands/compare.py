"""modellab compare: say what changed from one run to another."""

import argparse
from pathlib import Path

from modellab.commands.console import console


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    compare = commands.add_parser(
        "compare",
        help="say what changed from one run to another",
        description="Compare two runs utterance by utterance: whose words changed, which way, and the difference of "
        "the error rates with its interval.",
    )
    compare.add_argument("before", type=Path, metavar="RUN_A", help="a folder under runs/")
    compare.add_argument("after", type=Path, metavar="RUN_B", help="another, or runs/latest")
    compare.add_argument(
        "--most", type=int, default=5, metavar="N", help="changed utterances to show of each model (5)"
    )
    compare.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> None:
    from modellab.records.store import Store
    from modellab.reporting.compare import compare_runs
    from modellab.reporting.comparison_table import print_comparison

    before, after = Store(options.before.resolve()), Store(options.after.resolve())
    comparisons, alone = compare_runs((before.run(), before.records()), (after.run(), after.records()))
    print_comparison(comparisons, alone, console(), most=options.most)

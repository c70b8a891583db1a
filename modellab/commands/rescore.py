"""modellab rescore: score a run under other normalisers."""

import argparse
from pathlib import Path

from rich.table import Table
from rich.text import Text

from modellab.commands.console import console as open_console


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    rescore = commands.add_parser(
        "rescore",
        help="score a run under other normalisers",
        description="Print the error rates of a run under several normalisers, from what the models wrote: nothing is "
        "heard again. Says where the ranking of models depends on the normaliser.",
    )
    rescore.add_argument("run_folder", type=Path, metavar="RUN", help="a folder under runs/, or runs/latest")
    rescore.add_argument(
        "--normalizer",
        action="append",
        metavar="NAME",
        help="none, basic, whisper-en, leaderboard or numbers-de and the like; may be repeated (the first four)",
    )
    rescore.add_argument("--metric", choices=("wer", "cer"), help="words or characters (what suits each language)")
    rescore.set_defaults(run=_rescore)


def _rescore(options: argparse.Namespace) -> None:
    from modellab.records.store import Store
    from modellab.reporting import figure
    from modellab.reporting.rescore import disputes, rescore
    from modellab.scoring.normalize import NORMALIZERS

    store, names = Store(options.run_folder.resolve()), tuple(dict.fromkeys(options.normalizer or NORMALIZERS))
    run, rows = store.run(), rescore(store.records(), names, options.metric)
    table = Table("model", "corpus", "heard", "metric", box=None)
    table.columns[0].overflow = table.columns[1].overflow = "fold"
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        rates = (figure.percent(row.rate(name)) for name in names)
        heard = f"{row.heard} of {row.utterances}"
        table.add_row(Text(row.model), Text(row.corpus), heard, row.metric.upper(), *rates)
    console = open_console()
    console.print(table if rows else Text(f"No facts: nothing was heard in run {run.id}."))
    if any(score is None for row in rows for score in row.scores.values()):
        console.print(Text(f"{figure.NOT_MEASURED}: the normaliser is made for another language."))
    disputed = disputes(rows)
    for dispute in disputed:
        console.print(Text(f"\n{dispute.corpus}: the ranking of models depends on the normaliser. Best first:"))
        for name, models in dispute.rankings.items():
            console.print(Text(f"  {name}: {' < '.join(models)}"))
    if rows and not disputed:
        console.print(Text("\nNo ranking of models depends on the normaliser."))

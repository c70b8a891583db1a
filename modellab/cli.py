"""The command `modellab`: look at checkpoints and corpora, fetch them, and write reports of runs."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from modellab.errors import ModelLabError

FIXTURES = Path("fixtures")
CACHE_VARIABLE = "MODELLAB_CACHE_DIR"
SITE = Path("reports") / "site"
HISTORY = Path("reports") / "history.jsonl"
WIDTH = 100
_MEBIBYTE = 1024 * 1024


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give 0, or 1 where something that can be named went wrong, or 130 after Ctrl-C."""
    options = _parser().parse_args(argv)
    try:
        options.run(options)
    except ModelLabError as error:
        print(f"modellab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("modellab: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="modellab", description=__doc__)
    parser.add_argument("--fixtures", type=Path, default=FIXTURES, help="folder of models.toml and the like")
    parser.add_argument("--cache-dir", type=Path, default=os.environ.get(CACHE_VARIABLE), help="weights and corpora")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    models = commands.add_parser("models", help="list checkpoints, or fetch some")
    models.set_defaults(run=_list_models)
    verbs = models.add_subparsers(metavar="fetch")
    fetch_models = verbs.add_parser("fetch", help="fetch and verify checkpoints")
    fetch_models.add_argument("names", nargs="+", metavar="NAME")
    fetch_models.set_defaults(run=_fetch_models)

    corpora = commands.add_parser("corpora", help="list corpora")
    corpora.set_defaults(run=_list_corpora)

    fetch = commands.add_parser("fetch", help="fetch and convert all that the bench needs by default")
    fetch.set_defaults(run=_fetch_bench)

    report = commands.add_parser("report", help="write the report of a run")
    report.add_argument("run_folder", type=Path, metavar="RUN", help="a folder under runs/, or runs/latest")
    report.add_argument("--output", type=Path, default=SITE, help=f"where to write it ({SITE})")
    report.add_argument("--allure-results", type=Path, help="what pytest wrote with --alluredir")
    report.add_argument("--history", type=Path, default=HISTORY, help=f"earlier runs, for Allure ({HISTORY})")
    report.set_defaults(run=_report)
    return parser


def _console() -> Console:
    """Give a console; one that is no terminal is wide enough for a table."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _list_models(options: argparse.Namespace) -> None:
    from modellab.checkpoints.listing import list_checkpoints
    from modellab.checkpoints.registry import Registry
    from modellab.sources.cache import cache_root

    registry, cache = Registry.read(options.fixtures / "models.toml"), cache_root(options.cache_dir)
    table = Table("name", "languages", "licence", "comes from", "size", "on this disk", "pinned", box=None)
    table.columns[0].no_wrap, table.columns[3].overflow = True, "fold"
    for row in list_checkpoints(registry, cache):
        size = "unknown" if row.size_bytes is None else f"{row.size_bytes / _MEBIBYTE:.0f} MiB"
        table.add_row(
            row.name,
            "many" if "*" in row.languages or len(row.languages) > 3 else ", ".join(row.languages),  # noqa: PLR2004
            row.license,
            ",\n".join(row.sources),
            size,
            f"{row.disk_bytes / _MEBIBYTE:.0f} MiB" if row.present else "no",
            "yes" if row.pinned else f"{len(row.unpinned)} files not",
        )
    _console().print(table)
    print(f"cache: {cache}")


def _fetch_models(options: argparse.Namespace) -> None:
    from modellab.checkpoints.layouts import prepare
    from modellab.checkpoints.registry import Registry
    from modellab.sources.cache import cache_root

    registry, cache = Registry.read(options.fixtures / "models.toml"), cache_root(options.cache_dir)
    for checkpoint in [registry.get(name) for name in options.names]:
        weights = prepare(checkpoint, checkpoint.layout, cache)
        print(f"{checkpoint.name}: {weights.sha256} verified, in {weights.folder}")


def _list_corpora(options: argparse.Namespace) -> None:
    from modellab.corpora.registry import read_corpora

    table = Table("name", "what", "licence", box=None)
    for definition in read_corpora(options.fixtures / "corpora.toml").definitions.values():
        table.add_row(definition.name, definition.description, definition.license)
    _console().print(table)


def _fetch_bench(options: argparse.Namespace) -> None:
    from modellab.backends.registry import backend_class
    from modellab.checkpoints.layouts import prepare
    from modellab.checkpoints.registry import Registry
    from modellab.corpora.registry import read_corpora
    from modellab.corpora.selection import Selection
    from modellab.defaults import read_defaults
    from modellab.sources.cache import cache_root

    defaults, cache = read_defaults(options.fixtures / "bench.toml"), cache_root(options.cache_dir)
    registry, corpora = Registry.read(options.fixtures / "models.toml"), read_corpora(options.fixtures / "corpora.toml")
    for layout in {backend_class(name).layout: None for name in defaults.backends}:
        for name in defaults.models:
            prepare(registry.get(name), layout, cache)
    for name in defaults.corpora:
        corpora.read(Selection(source=name), cache)


def _report(options: argparse.Namespace) -> None:
    from modellab.reporting.publish import make_report
    from modellab.sources.cache import cache_root

    results = options.allure_results if options.allure_results and options.allure_results.is_dir() else None
    published = make_report(
        options.run_folder.resolve(),
        options.output,
        _console(),
        allure_results=results,
        history=options.history,
        cache=cache_root(options.cache_dir),
        env=os.environ,
    )
    print(f"report: {published.markdown}")
    if published.site:
        print(f"report: {published.site.single_file} (opens from disk)")


if __name__ == "__main__":
    sys.exit(main())

"""modellab models: list checkpoints, or fetch some."""

import argparse

from rich.table import Table

from modellab.commands.console import console

LANGUAGES_SHOWN = 3
_MEBIBYTE = 1024 * 1024


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    models = commands.add_parser("models", help="list checkpoints, or fetch some")
    models.set_defaults(run=_list_models)
    verbs = models.add_subparsers(metavar="fetch")
    fetch = verbs.add_parser("fetch", help="fetch and verify checkpoints")
    fetch.add_argument("names", nargs="+", metavar="NAME")
    fetch.set_defaults(run=_fetch_models)


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
            "many" if "*" in row.languages or len(row.languages) > LANGUAGES_SHOWN else ", ".join(row.languages),
            row.license,
            row.upstream if row.elsewhere else ",\n".join(row.sources),
            "no files" if row.elsewhere else size,
            f"{row.disk_bytes / _MEBIBYTE:.0f} MiB" if row.present else "no",
            "yes" if row.pinned else "no" if row.elsewhere else f"{len(row.unpinned)} files not",
        )
    console().print(table)
    print(f"cache: {cache}")


def _fetch_models(options: argparse.Namespace) -> None:
    from modellab.checkpoints.layouts import prepare
    from modellab.checkpoints.registry import Registry
    from modellab.sources.cache import cache_root

    registry, cache = Registry.read(options.fixtures / "models.toml"), cache_root(options.cache_dir)
    for checkpoint in [registry.get(name) for name in options.names]:
        weights = prepare(checkpoint, checkpoint.layout, cache)
        print(f"{checkpoint.name}: {weights.sha256} verified, in {weights.folder}")

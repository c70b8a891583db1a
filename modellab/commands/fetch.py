"""modellab fetch: fetch and convert all that the bench needs by default."""

import argparse


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    fetch = commands.add_parser("fetch", help="fetch and convert all that the bench needs by default")
    fetch.set_defaults(run=_fetch_bench)


def _fetch_bench(options: argparse.Namespace) -> None:
    from modellab.backends.base import NO_WEIGHTS
    from modellab.backends.registry import backend_class
    from modellab.checkpoints.layouts import prepare
    from modellab.checkpoints.registry import Registry
    from modellab.corpora.registry import read_corpora
    from modellab.corpora.selection import parse_selection
    from modellab.defaults import read_defaults
    from modellab.sources.cache import cache_root

    defaults, cache = read_defaults(options.fixtures / "bench.toml"), cache_root(options.cache_dir)
    registry, corpora = Registry.read(options.fixtures / "models.toml"), read_corpora(options.fixtures / "corpora.toml")
    for layout in {backend_class(name).layout: None for name in defaults.backends}:
        for checkpoint in map(registry.get, defaults.models):
            if layout != NO_WEIGHTS and not checkpoint.elsewhere:
                prepare(checkpoint, layout, cache)
    for name in defaults.corpora:
        corpora.read(parse_selection(name), cache)

"""modellab fetch: fetch and convert all that the bench needs by default."""

import argparse
from itertools import product


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    fetch = commands.add_parser("fetch", help="fetch and convert all that the bench needs by default")
    fetch.set_defaults(run=_fetch_bench)


def _fetch_bench(options: argparse.Namespace) -> None:
    from modellab.backends.registry import misfit, weights_for
    from modellab.checkpoints.registry import Registry
    from modellab.corpora.registry import read_corpora
    from modellab.corpora.selection import parse_selection
    from modellab.defaults import read_defaults
    from modellab.sources.cache import cache_root

    defaults, cache = read_defaults(options.fixtures / "bench.toml"), cache_root(options.cache_dir)
    registry, corpora = Registry.read(options.fixtures / "models.toml"), read_corpora(options.fixtures / "corpora.toml")
    for backend, checkpoint in product(defaults.backends, map(registry.get, defaults.models)):
        for compute_type in defaults.compute_types_of(backend) if not misfit(backend, checkpoint) else ():
            weights_for(backend, compute_type, checkpoint, cache)
    for name in defaults.corpora:
        corpora.read(parse_selection(name), cache)

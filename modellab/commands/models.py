"""modellab models: list checkpoints, fetch some, or convert one."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from modellab.commands.console import console

LANGUAGES_SHOWN = 3
_MEBIBYTE = 1024 * 1024


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    models = commands.add_parser("models", help="list checkpoints, fetch some, or convert one")
    models.set_defaults(run=_list_models)
    verbs = models.add_subparsers(metavar="fetch|convert")
    fetch = verbs.add_parser("fetch", help="fetch and verify checkpoints")
    fetch.add_argument("names", nargs="+", metavar="NAME")
    fetch.set_defaults(run=_fetch_models)
    convert = verbs.add_parser(
        "convert",
        help="write a checkpoint in another layout, and check that it still hears the same",
        description="Write a checkpoint in another layout, with a manifest of what came from what. Original and result "
        "hear a small corpus: ends with 1 where their words, or what their encoders make, differ too much.",
    )
    convert.add_argument("name", metavar="NAME")
    convert.add_argument(
        "--to", required=True, metavar="LAYOUT", help="ct2, ct2:int8, ggml, ggml:q5_1, openai, transformers"
    )
    convert.add_argument("--output", type=Path, metavar="DIR", help="a folder that is not there (NAME-LAYOUT)")
    convert.add_argument("--corpus", default="librivox", metavar="NAME", help="what both hear (librivox)")
    convert.add_argument("--threads", type=int, default=1, metavar="N", help="threads of each runtime (1)")
    convert.set_defaults(run=_convert_model)


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


def _convert_model(options: argparse.Namespace) -> int:
    from modellab.checkpoints.conversion import MANIFEST, convert
    from modellab.checkpoints.registry import Registry
    from modellab.checkpoints.target import parse_target
    from modellab.checkpoints.weights import Weights
    from modellab.corpora.registry import read_corpora
    from modellab.corpora.selection import parse_selection
    from modellab.measuring.parity import parity
    from modellab.sources.cache import cache_root

    cache, target = cache_root(options.cache_dir), parse_target(options.to)
    checkpoint = Registry.read(options.fixtures / "models.toml").get(options.name)
    folder = options.output or Path(f"{checkpoint.name}-{target.layout.replace(':', '-')}")
    corpus = read_corpora(options.fixtures / "corpora.toml").read(parse_selection(options.corpus), cache)

    def check(original: Weights, converted: Weights) -> Mapping[str, object]:
        return parity(
            original,
            converted,
            corpus,
            architecture=checkpoint.architecture,
            quantisation=target.quantisation,
            threads=options.threads,
        ).table()

    made = convert(checkpoint, target, folder, cache, check)
    print(f"{checkpoint.name} in {target.layout}: {made.folder}, described in {made.folder / MANIFEST}")
    return _tell_parity(made.manifest["parity"])


def _tell_parity(found: Any) -> int:  # noqa: ANN401 - as the manifest has it
    """Say how far original and result are apart; give 0 where that is within the tolerance, 1 where not."""
    states, allowed = found["states"], found["tolerance"]
    print(f"{found['before']} against {found['after']}, {found['utterances']} utterances of {found['corpus']}:")
    print(f"  words: {found['words']:.2%} differ, {allowed['words']:.2%} allowed")
    if isinstance(states, str):
        print(f"  encoder states: {states}")
    else:
        most = "not judged" if allowed["most"] is None else f"{allowed['most']:g} allowed"
        print(f"  encoder states, mean: {states['mean']:.2g} apart, {allowed['mean']:g} allowed")
        print(f"  encoder states, most: {states['most']:.2g} apart, {most}")
    for changed in found["changed"]:
        print(f"  {changed['utterance']}\n    before  {changed['before']}\n    after   {changed['after']}")
    if found["passed"]:
        return 0
    print("modellab: the result does not hear what the original does; its files are kept", file=sys.stderr)
    return 1

"""modellab env: make, list and remove the environments of runtimes that do not live together."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from modellab.commands.console import console

if TYPE_CHECKING:
    from modellab.environments.environment import Environment

_MEBIBYTE = 1024 * 1024


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    env = commands.add_parser("env", help="make, list or remove environments of runtimes that do not live together")
    verbs = env.add_subparsers(metavar="create|list|remove", required=True)
    create = verbs.add_parser("create", help="make environments of fixtures/environments.toml")
    create.add_argument("names", nargs="+", metavar="NAME")
    create.add_argument("--python", type=Path, metavar="PATH", help="the interpreter to make them with")
    create.set_defaults(run=_create)
    listed = verbs.add_parser("list", help="list those that are defined, and say which can be used")
    listed.set_defaults(run=_list)
    remove = verbs.add_parser("remove", help="throw environments away")
    remove.add_argument("names", nargs="+", metavar="NAME")
    remove.set_defaults(run=_remove)


def _create(options: argparse.Namespace) -> None:
    for environment in _environments(options, options.names):
        print(f"{environment.name}: being made; what pip says goes into {environment.log}")
        told = environment.create(options.python)
        size = environment.disk_bytes / _MEBIBYTE
        print(f"{environment.name}: Python {told.python}, {len(told.versions)} packages, {size:.0f} MiB")


def _list(options: argparse.Namespace) -> None:
    table = Table("name", "python", "extras", "on this disk", "state", box=None)
    table.columns[-1].overflow = "fold"
    for environment in _environments(options):
        definition, made = environment.definition, environment.made
        table.add_row(
            environment.name,
            definition.python or "this one",
            ", ".join(definition.extras),
            f"{environment.disk_bytes / _MEBIBYTE:.0f} MiB" if made else "no",
            environment.fault() or "ready",
        )
    console().print(table)


def _remove(options: argparse.Namespace) -> None:
    for environment in _environments(options, options.names):
        there = environment.folder.exists()
        environment.remove()
        print(f"{environment.name}: {'removed' if there else 'was not there'}")


def _environments(options: argparse.Namespace, names: list[str] | None = None) -> list["Environment"]:
    from modellab.environments.definition import read_environments
    from modellab.environments.environment import Environment
    from modellab.sources.cache import cache_root

    definitions, cache = read_environments(options.fixtures / "environments.toml"), cache_root(options.cache_dir)
    chosen = [definitions.get(name) for name in names] if names is not None else list(definitions)
    return [Environment.of(definition, cache) for definition in chosen]

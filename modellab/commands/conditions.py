"""modellab conditions: list what speech can be heard under."""

import argparse

from rich.table import Table
from rich.text import Text

from modellab.commands.console import console


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    conditions = commands.add_parser(
        "conditions",
        help="list what can be written after a corpus and a +",
        description="List the conditions that a corpus can be heard under, as in --corpus 'librivox+noise:10dB'.",
    )
    conditions.set_defaults(run=_list_conditions)


def _list_conditions(options: argparse.Namespace) -> None:
    from modellab.conditions.registry import read_conditions

    table = Table("write", "number", "what", box=None)
    for definition in read_conditions(options.fixtures / "conditions.toml").definitions.values():
        table.add_row(Text(definition.spelling), Text(definition.strengths), Text(definition.description))
    console().print(table)

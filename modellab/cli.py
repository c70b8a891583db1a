"""The command `modellab`: look at checkpoints, corpora and runs, fetch what is needed, and write reports."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from modellab.commands import (
    compare,
    conditions,
    corpora,
    env,
    fetch,
    gate,
    history,
    models,
    new,
    performance,
    profile,
    query,
    report,
    rescore,
    serve,
    server,
)
from modellab.errors import ModelLabError
from modellab.sources.cache import CACHE_VARIABLE

FIXTURES = Path("fixtures")
COMMANDS = (
    models,
    corpora,
    conditions,
    fetch,
    report,
    compare,
    rescore,
    query,
    gate,
    history,
    profile,
    performance,
    env,
    new,
    serve,
    server,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give its code or 0, 1 where something that can be named went wrong, or 130 after Ctrl-C."""
    options = _parser().parse_args(argv)
    try:
        return options.run(options) or 0
    except ModelLabError as error:
        print(f"modellab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("modellab: interrupted; what was finished is kept", file=sys.stderr)
        return 130


class _Given(argparse.Action):
    """Keeps a value, and in `given` that somebody wrote it: a server's own settings win over what nobody wrote."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - as argparse calls it
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002 - as argparse calls it
    ) -> None:
        """Keep it."""
        setattr(namespace, self.dest, values)
        namespace.given |= {self.dest}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="modellab", description=__doc__)
    parser.set_defaults(given=frozenset())
    parser.add_argument(
        "--fixtures", type=Path, default=FIXTURES, action=_Given, help="folder of models.toml and the like"
    )
    parser.add_argument(
        "--cache-dir", type=Path, default=os.environ.get(CACHE_VARIABLE), action=_Given, help="weights and corpora"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())

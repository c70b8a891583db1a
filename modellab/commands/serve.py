"""modellab serve: models, runs and transcription over HTTP."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from modellab.errors import CannotServe

if TYPE_CHECKING:
    from modellab.server.settings import ServerSettings


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    serve = commands.add_parser(
        "serve",
        help="serve models, runs and transcription over HTTP",
        description="Serve models, runs and transcription over HTTP until a signal says to stop. All settings: "
        "`modellab server config --example`.",
    )
    add_places(serve)
    serve.add_argument("--host", help="the address to listen on (127.0.0.1)")
    serve.add_argument("--port", help="the port to listen on; 0 for any that is free (8000)")
    serve.add_argument("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR (INFO)")
    serve.add_argument(
        "--insecure", action="store_true", default=None, help="let in whoever reaches the server, without a key"
    )
    serve.add_argument("--print-config", action="store_true", help="print the settings without secrets, and end")
    serve.set_defaults(run=_serve)


def add_places(parser: argparse.ArgumentParser) -> None:
    """Declare what says where a server keeps things."""
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="where the runs are (runs)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where the server keeps its own (.modellab)")


def settings_of(options: argparse.Namespace) -> "ServerSettings":
    """Give the settings: what was written on the command line wins over the environment, and that over `.env`.

    Raises:
        CannotServe: with a line for each that is wrong.
    """
    from modellab.server.variables import read_settings, unknown_variables

    for line in unknown_variables(os.environ):
        print(f"modellab: {line}", file=sys.stderr)
    names = ("runs", "data", "host", "port", "log_level", "insecure")
    arguments = {name: getattr(options, name, None) for name in names}
    arguments |= {name: getattr(options, name) for name in options.given}
    settings = read_settings(arguments)
    return settings if settings.cache_dir else settings.model_copy(update={"cache_dir": options.cache_dir})


@contextmanager
def server_installed() -> Iterator[None]:
    """Say what to install where a package of the server is missing.

    Raises:
        CannotServe: naming the package and the remedy.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).startswith("modellab"):
            raise
        raise CannotServe(f"the server needs the package {error.name}: pip install 'modellab[server]'") from error


def _serve(options: argparse.Namespace) -> None:
    with server_installed():
        from modellab.server.serving import serve
        from modellab.server.variables import effective
    settings = settings_of(options)
    if options.print_config:
        print(effective(settings), end="")
        return
    serve(settings, lambda line: print(line, file=sys.stderr, flush=True))

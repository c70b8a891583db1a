"""Console: where a command prints."""

from rich.console import Console

WIDTH = 100


def console() -> Console:
    """Give a console; one that is no terminal is wide enough for a table."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH)

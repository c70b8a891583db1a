"""Route: the conversions that lead from one layout to another, one after another."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from modellab.checkpoints.convert import CONVERSIONS
from modellab.errors import BackendUnavailable, BadCheckpoint

Step: TypeAlias = Callable[[Path, Path], None]  # reads one folder and writes into another, which is there


def targets(architecture: str, source: str) -> tuple[str, ...]:
    """Give the layouts that a layout can be converted to, sorted; one that lies on the way to others among them."""
    return tuple(sorted(_routes(architecture, source)))


def route(architecture: str, source: str, target: str) -> tuple[Step, ...]:
    """Give the fewest conversions from a layout to another.

    Raises:
        BadCheckpoint: when none lead there; the message says what there is.
    """
    found = _routes(architecture, source)
    if target not in found:
        listed = ", ".join(sorted(found)) or "nothing"
        raise BadCheckpoint(
            f"{architecture} in the layout {source} is not converted to {target!r}. It converts to: {listed}."
        )
    return found[target]


def follow(steps: tuple[Step, ...], source: Path, into: Path) -> None:
    """Convert a folder step by step; what lies between is written beside `into`, and removed.

    Raises:
        BadCheckpoint: when the source is not what a step reads.
        BackendUnavailable: when a package that a step needs is not installed.
    """
    with TemporaryDirectory(dir=into.parent, prefix=f".{into.name}.") as between:
        for number, step in enumerate(steps[:-1]):
            written = Path(between) / str(number)
            written.mkdir()
            _take(step, source, written)
            source = written
        _take(steps[-1], source, into)


def _take(step: Step, source: Path, into: Path) -> None:
    try:
        step(source, into)
    except ImportError as error:
        raise BackendUnavailable(
            f"to convert weights needs the package {error.name}: pip install 'modellab[all]'"
        ) from error


def _routes(architecture: str, source: str) -> dict[str, tuple[Step, ...]]:
    """Give the fewest steps to each layout that can be reached, the source itself left out."""
    found: dict[str, tuple[Step, ...]] = {source: ()}
    waiting = deque([source])
    while waiting:
        here = waiting.popleft()
        for (kind, before, after), step in CONVERSIONS.items():
            if (kind, before) == (architecture, here) and after not in found:
                found[after] = (*found[here], step)
                waiting.append(after)
    return {layout: steps for layout, steps in found.items() if steps}

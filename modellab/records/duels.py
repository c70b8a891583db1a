"""Duels: the file of all blocks that were measured of two arms. Evidence is added to it, and never taken away."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from modellab.errors import StoreFull
from modellab.records.duel import DuelBlock
from modellab.records.lines import Lines, Torn

FILE = "duels.jsonl"


class Duels:
    """The blocks in a folder, in `duels.jsonl`, to which several processes may append at once."""

    def __init__(self, folder: Path) -> None:
        self._lines = Lines(folder / FILE)

    @property
    def path(self) -> Path:
        """Where the blocks are, one JSON object a line."""
        return self._lines.path

    def append(self, block: DuelBlock) -> None:
        """Write one block.

        Raises:
            StoreFull: when the disk does not take the whole line; all earlier lines stay readable.
        """
        try:
            self._lines.append(_blocks().dump_json(block))
        except OSError as error:
            reason = error.strerror or str(error)
            raise StoreFull(
                f"cannot write a block to {self.path}: {reason}. "
                "What was written before is kept: free some room and go on"
            ) from error

    def lines(self) -> Iterator[DuelBlock | Torn]:
        """Give what every line says, in the order of writing: a block, or that it was torn.

        Raises:
            BadRecord: when a line is whole JSON but no block; the message names file and line.
        """
        return self._lines.read(_blocks().validate_json)

    def blocks(self) -> Iterator[DuelBlock]:
        """Give every block in the order of writing; raises what `lines` raises.

        A line torn by a crash or a full disk is passed over.
        """
        return (line for line in self.lines() if not isinstance(line, Torn))

    def close(self) -> None:
        """Close the file; harmless when called again."""
        self._lines.close()


@cache
def _blocks() -> TypeAdapter[DuelBlock]:
    return TypeAdapter(DuelBlock)

"""Listing: what `modellab models` shows of each checkpoint."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modellab.checkpoints.layouts import disk_bytes, is_present
from modellab.checkpoints.registry import Checkpoint
from modellab.checkpoints.route import targets


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRow:
    """One checkpoint as a person wants to see it.

    `sources` say where it would come from, in the order they are tried. `size_bytes` is what there is to fetch, None
    where unknown or nothing; `disk_bytes` is what all its layouts take on this disk now. `present` names the layouts
    that are there, whole. `unpinned` names the files whose hash is only trusted on first use.
    """

    name: str
    languages: tuple[str, ...]
    license: str
    upstream: str
    revision: str
    sources: tuple[str, ...]
    size_bytes: int | None
    disk_bytes: int
    present: tuple[str, ...]
    unpinned: tuple[str, ...]
    elsewhere: bool = False

    @property
    def pinned(self) -> bool:
        """Whether the hash of every file was known before it was fetched; never of a model that lies elsewhere."""
        return not (self.unpinned or self.elsewhere)


def list_checkpoints(checkpoints: Iterable[Checkpoint], cache: Path) -> tuple[CheckpointRow, ...]:
    """Give one row a checkpoint; nothing is fetched."""
    return tuple(_row(checkpoint, cache) for checkpoint in checkpoints)


def _row(checkpoint: Checkpoint, cache: Path) -> CheckpointRow:
    return CheckpointRow(
        name=checkpoint.name,
        languages=checkpoint.languages,
        license=checkpoint.license,
        upstream=checkpoint.upstream,
        revision=checkpoint.revision,
        sources=tuple(source.describe() for source in checkpoint.sources),
        size_bytes=checkpoint.size_bytes,
        disk_bytes=disk_bytes(checkpoint, cache),
        present=tuple(layout for layout in _layouts(checkpoint) if is_present(checkpoint, layout, cache)),
        unpinned=tuple(file.name for file in checkpoint.files if file.sha256 is None),
        elsewhere=checkpoint.elsewhere,
    )


def _layouts(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Give the layout of its files, and those that they convert to."""
    return () if checkpoint.elsewhere else (checkpoint.layout, *targets(checkpoint.architecture, checkpoint.layout))

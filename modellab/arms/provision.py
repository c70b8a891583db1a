"""Provision: the weights of an arm, which must not become the other's where both call theirs by one name."""

import hashlib
from dataclasses import replace
from pathlib import Path

from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Checkpoint, Registry
from modellab.checkpoints.weights import Weights
from modellab.sources.folder import FolderSource

_NAME_DIGITS = 16


def provide(name: str, layout: str, theirs: Registry, mine: Registry, cache: Path) -> Weights:
    """Give the weights of a checkpoint as one arm defines it, in a layout: fetched, verified and converted.

    Where the arm defines it as `mine`, the candidate, does, the files are those of everyday's cache; else they lie
    apart. A folder of the user's own that is not in the arm's revision is looked for where the candidate has it.

    Raises:
        UnknownName: when the arm defines no such checkpoint.
        SourceUnreachable, WrongHash, BadCheckpoint, BackendUnavailable: as `prepare` does.
    """
    checkpoint = _at_home(theirs.get(name), mine.path.parent)
    shared = name in mine.names and _equal(checkpoint, mine.get(name))
    return prepare(checkpoint, layout, cache if shared else cache / "arms" / "weights" / _digest(checkpoint))


def _at_home(checkpoint: Checkpoint, fixtures: Path) -> Checkpoint:
    sources = (
        replace(source, base=fixtures)
        if isinstance(source, FolderSource) and not (source.base / source.path).is_dir()
        else source
        for source in checkpoint.sources
    )
    return replace(checkpoint, sources=tuple(sources))


def _equal(one: Checkpoint, other: Checkpoint) -> bool:
    """Say whether two definitions mean the same files: by their hashes, or where nobody has pinned them, in all."""
    if one.pinned:
        return (one.files, one.layout, one.architecture) == (other.files, other.layout, other.architecture)
    return one == other


def _digest(checkpoint: Checkpoint) -> str:
    meant = replace(checkpoint, sources=()) if checkpoint.pinned else checkpoint
    return hashlib.sha256(repr(meant).encode()).hexdigest()[:_NAME_DIGITS]

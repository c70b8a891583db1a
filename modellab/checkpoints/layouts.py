"""Layouts: a checkpoint's weights on this disk, as the runtime that asks for them reads them."""

import json
from hashlib import sha256
from pathlib import Path

from modellab.checkpoints.convert import VERSION
from modellab.checkpoints.registry import Checkpoint
from modellab.checkpoints.route import Step, follow, route
from modellab.checkpoints.weights import Weights
from modellab.errors import BadCheckpoint
from modellab.sources.cache import build_once, bytes_on_disk, is_verified, obtain, verified

_STAMP = "converted.json"


def prepare(checkpoint: Checkpoint, layout: str, cache: Path) -> Weights:
    """Give a checkpoint's weights in a layout: fetched, verified and converted where that was not done before.

    Raises:
        SourceUnreachable: when no source can give its files.
        WrongHash: when the sources give other files than were pinned.
        BadCheckpoint: when its files do not convert to this layout, or it has none.
        BackendUnavailable: when a package that the conversion needs is not installed.
    """
    if checkpoint.elsewhere:
        raise BadCheckpoint(f"{checkpoint.name} lies elsewhere ({checkpoint.upstream}): there are no files to fetch")
    steps = _steps(checkpoint, layout)
    original = obtain(checkpoint.fileset, _original(checkpoint, cache))
    folder = original
    if steps:
        folder = _converted(checkpoint, layout, cache)
        build_once(folder, lambda: _is_whole(folder), lambda part: _convert(steps, original, part))
    return Weights(
        checkpoint=checkpoint.name,
        layout=layout,
        revision=checkpoint.revision,
        sha256=verified(original)[str(checkpoint.weights_file)].sha256,
        languages=checkpoint.languages,
        folder=folder,
    )


def locate(checkpoint: Checkpoint, layout: str, cache: Path) -> Path | None:
    """Give the folder with the weights in a layout where they are already there, whole; None where not."""
    if layout == checkpoint.layout:
        folder = _original(checkpoint, cache)
        return folder if is_verified(checkpoint.fileset, folder) else None
    folder = _converted(checkpoint, layout, cache)
    return folder if _is_whole(folder) else None


def weights_sha256(checkpoint: Checkpoint, cache: Path) -> str | None:
    """Give the hash of a checkpoint's weights: the pinned one, else that of the file in the cache, else None."""
    if checkpoint.elsewhere:
        return None
    seen = verified(_original(checkpoint, cache)).get(str(checkpoint.weights_file))
    return checkpoint.weights_sha256 or (seen.sha256 if seen else None)


def is_present(checkpoint: Checkpoint, layout: str, cache: Path) -> bool:
    """Say whether the weights in a layout are there, so that `prepare` would neither fetch nor convert."""
    return locate(checkpoint, layout, cache) is not None


def disk_bytes(checkpoint: Checkpoint, cache: Path) -> int:
    """Give the bytes that a checkpoint takes on this disk in all its layouts together."""
    return bytes_on_disk(_home(checkpoint, cache))


def _home(checkpoint: Checkpoint, cache: Path) -> Path:
    return cache / "checkpoints" / checkpoint.name


def _original(checkpoint: Checkpoint, cache: Path) -> Path:
    return _home(checkpoint, cache) / checkpoint.layout


def _converted(checkpoint: Checkpoint, layout: str, cache: Path) -> Path:
    """Give the folder of a conversion, named by what it is made from and by which version of the converter."""
    seen = verified(_original(checkpoint, cache))
    facts = "".join(f"{name}={seen[name].sha256};" for name in sorted(seen))
    return _home(checkpoint, cache) / f"{layout}-{sha256(facts.encode()).hexdigest()[:12]}-v{VERSION}"


def _steps(checkpoint: Checkpoint, layout: str) -> tuple[Step, ...]:
    if layout == checkpoint.layout:
        return ()
    try:
        return route(checkpoint.architecture, checkpoint.layout, layout)
    except BadCheckpoint as error:
        raise BadCheckpoint(f"{checkpoint.name}: {error}") from error


def _convert(steps: tuple[Step, ...], original: Path, into: Path) -> None:
    follow(steps, original, into)
    sizes = {path.name: path.stat().st_size for path in sorted(into.iterdir())}
    (into / _STAMP).write_text(json.dumps({"schema": 1, "converter": VERSION, "size_bytes": sizes}, indent=1))


def _is_whole(folder: Path) -> bool:
    try:
        sizes = json.loads((folder / _STAMP).read_text())["size_bytes"]
        return all((folder / name).stat().st_size == size_bytes for name, size_bytes in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False

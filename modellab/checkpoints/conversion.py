"""Conversion: a checkpoint in another layout in a folder of the user's, with a manifest of what came from what."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

from modellab.checkpoints.convert import VERSION
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Checkpoint
from modellab.checkpoints.route import follow, route
from modellab.checkpoints.target import Target
from modellab.checkpoints.weights import Weights
from modellab.errors import NotWritten
from modellab.sources.cache import verified
from modellab.sources.files import sha256_of

MANIFEST = "conversion.json"
SCHEMA = 1

# What conversions compute with.
_PACKAGES = ("modellab", "numpy", "ctranslate2", "transformers", "safetensors", "torch")

Check = Callable[[Weights, Weights], Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A folder that was written, and what its manifest says."""

    folder: Path
    manifest: Mapping[str, object]


def convert(checkpoint: Checkpoint, target: Target, folder: Path, cache: Path, check: Check) -> Conversion:
    """Write a checkpoint in another layout, with `conversion.json`, into a folder that takes its place in one step.

    `check` hears the original and the converted weights and gives what the manifest says of their parity. Where it
    raises, nothing is left.

    Raises:
        NotWritten: when the folder is there already, or cannot be made.
        BadCheckpoint: when the checkpoint does not convert to the target.
        SourceUnreachable, WrongHash, BackendUnavailable: as `prepare` does.
    """
    if folder.exists():
        raise NotWritten(f"{folder} is there already: name another folder with --output, or remove it")
    steps = route(checkpoint.architecture, checkpoint.layout, target.layout)
    original = prepare(checkpoint, checkpoint.layout, cache)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as beside:
            part = Path(beside) / folder.name
            part.mkdir()
            follow(steps, original.folder, part)
            parity = check(original, _weights(original, target, part))
            manifest = _manifest(checkpoint, original, target, part) | {"parity": parity}
            (part / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            part.rename(folder)
    except OSError as error:
        raise NotWritten(f"{folder} cannot be written: {error}") from error
    return Conversion(folder=folder, manifest=manifest)


def _weights(original: Weights, target: Target, folder: Path) -> Weights:
    return Weights(
        checkpoint=original.checkpoint,
        layout=target.layout,
        revision=original.revision,
        sha256=original.sha256,
        languages=original.languages,
        folder=folder,
    )


def _manifest(checkpoint: Checkpoint, original: Weights, target: Target, folder: Path) -> dict[str, object]:
    seen = verified(original.folder)
    return {
        "schema": SCHEMA,
        "checkpoint": checkpoint.name,
        "upstream": checkpoint.upstream,
        "revision": checkpoint.revision,
        "license": checkpoint.license,
        "source": {"layout": checkpoint.layout, "sha256": {name: seen[name].sha256 for name in sorted(seen)}},
        "target": {"layout": target.family, "quantisation": target.quantisation or None},
        "converter": VERSION,
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "files": {
            path.name: {"sha256": sha256_of(path), "size_bytes": path.stat().st_size}
            for path in sorted(folder.iterdir())
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

"""Registry: the checkpoints that a definition file names."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from modellab.checkpoints.weights import Layout
from modellab.errors import BadDefinition, UnknownName
from modellab.sources.definition import read_files, read_sources
from modellab.sources.files import FileSet, PinnedFile, Source
from modellab.sources.table import Table

SCHEMA = 1

# The one file of a layout that holds the weights: its hash is what records know the weights by.
WEIGHTS_FILE: dict[str, str] = {
    "ctranslate2": "model.bin",
    "openai": "model.pt",
    "transformers": "model.safetensors",
}

_KEYS = ("architecture", "layout", "languages", "license", "upstream", "revision", "files", "sources")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What is known of a trained model: its files, where they come from and what it may be used for.

    `layout` is that of its files. `languages` are ISO 639-1 codes; `("*",)` means many. `license` is an SPDX name.
    `revision` is the commit of `upstream`, or a branch where nobody has pinned one.
    """

    name: str
    architecture: str
    layout: Layout
    languages: tuple[str, ...]
    license: str
    upstream: str
    revision: str
    files: tuple[PinnedFile, ...]
    sources: tuple[Source, ...]

    @property
    def pinned(self) -> bool:
        """Whether the hash of every file was known before it was fetched."""
        return all(file.sha256 is not None for file in self.files)

    @property
    def weights_sha256(self) -> str | None:
        """The pinned hash of the weights file; None where it is not pinned."""
        return next(file.sha256 for file in self.files if file.name == WEIGHTS_FILE[self.layout])

    @property
    def size_bytes(self) -> int | None:
        """Bytes of all files together; None where some size is not known."""
        sizes = [file.size_bytes for file in self.files]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def fileset(self) -> FileSet:
        """The files and their sources."""
        return FileSet(name=self.name, files=self.files, sources=self.sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Checkpoints by name, in the order of their file."""

    path: Path
    checkpoints: tuple[Checkpoint, ...]

    @classmethod
    def read(cls, path: Path) -> "Registry":
        """Give the checkpoints that a definition file names.

        Raises:
            BadDefinition: naming the file, the entry, the key and what is allowed.
        """
        document = Table.read(_parse(path), str(path), ("schema", "checkpoints"))
        if document.values.get("schema") != SCHEMA:
            raise document.refusal("schema", f"{SCHEMA}, the one this version reads")
        entries = document.table("checkpoints")
        return cls(
            path=path,
            checkpoints=tuple(_checkpoint(name, value, path) for name, value in entries.values.items()),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the file."""
        return tuple(checkpoint.name for checkpoint in self.checkpoints)

    def get(self, name: str) -> Checkpoint:
        """Give a checkpoint by name.

        Raises:
            UnknownName: with the nearest name there is.
        """
        for checkpoint in self.checkpoints:
            if checkpoint.name == name:
                return checkpoint
        raise UnknownName("checkpoint", name, self.names, f"They are defined in {self.path}.")

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self.checkpoints)


def _parse(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadDefinition(f"no checkpoint definitions at {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadDefinition(f"{path} is not TOML: {error}") from error


def _checkpoint(name: str, value: object, path: Path) -> Checkpoint:
    where = f"{path}, checkpoint {name!r}"
    if not name.replace("-", "").replace(".", "").replace("_", "").isalnum() or not name[0].isalnum():
        raise BadDefinition(f"{where}: a name is of letters, digits, '-', '.' and '_', for it names a folder too")
    table = Table.read(value, where, _KEYS)
    layout = cast("Layout", table.choice("layout", get_args(Layout)))
    files = read_files(table.table("files"))
    if WEIGHTS_FILE[layout] not in {file.name for file in files}:
        raise BadDefinition(f"{where}, files: the layout {layout} has its weights in {WEIGHTS_FILE[layout]!r}")
    return Checkpoint(
        name=name,
        architecture=table.text("architecture"),
        layout=layout,
        languages=table.texts("languages"),
        license=table.text("license"),
        upstream=table.text("upstream"),
        revision=table.text("revision"),
        files=files,
        sources=read_sources(table, path.parent),
    )

"""Registry: the checkpoints that a definition file names."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, TypedDict, cast, get_args

from modellab.checkpoints.weights import Layout
from modellab.errors import BadDefinition, UnknownName
from modellab.sources.definition import read_files, read_sources
from modellab.sources.files import FileSet, PinnedFile, Source
from modellab.sources.table import Table

SCHEMA = 1

# The one file of a layout that holds the weights: its hash is what records know the weights by. Of a layout whose files
# are named as their maker likes, the first that is named so.
WEIGHTS_FILE: dict[str, str] = {
    "ctranslate2": "model.bin",
    "openai": "model.pt",
    "transformers": "model.safetensors",
    "ggml": "ggml-model.bin",
    "lfm2-audio": "model.safetensors",
    "sherpa-onnx": "*.onnx",
    "vosk": "am/final.mdl",
}

_KEYS = ("architecture", "languages", "license", "upstream", "revision")
_FILE_KEYS = ("layout", "files", "sources")
_ENVIRONMENT = "environment"
_OPTIONS = "options"  # beside files; without them the model lies elsewhere, and options say where

_WITH_USER = re.compile("//[^/?#]*@")

Option = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What is known of a trained model: its files, where they come from and what it may be used for.

    `layout` is that of its files. `languages` are ISO 639-1 codes; `("*",)` means many. `license` is an SPDX name.
    `revision` is the commit of `upstream`, or a branch where nobody has pinned one.

    A model that lies elsewhere, such as on a server, has no files: its layout is "none". `options` are what the backend
    that runs it is told: where it lies, or of which kind it is.

    `environment` names the environment that it runs in, whatever its backend; None where it is left to the bench.
    """

    name: str
    architecture: str
    layout: Layout | Literal["none"]
    languages: tuple[str, ...]
    license: str
    upstream: str
    revision: str
    files: tuple[PinnedFile, ...]
    sources: tuple[Source, ...]
    options: Mapping[str, Option] = field(default_factory=dict)
    environment: str | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether it has no files that could be fetched."""
        return not self.files

    @property
    def pinned(self) -> bool:
        """Whether the hash of every file was known before it was fetched; never of a model that lies elsewhere."""
        return not self.elsewhere and all(file.sha256 is not None for file in self.files)

    @property
    def weights_sha256(self) -> str | None:
        """The pinned hash of the weights file; None where it is not pinned, or lies elsewhere."""
        return next((file.sha256 for file in self.files if file.name == self.weights_file), None)

    @property
    def weights_file(self) -> str | None:
        """The name of the weights file; None where it lies elsewhere."""
        return None if self.layout == "none" else _weights_file(self.layout, self.files)

    @property
    def size_bytes(self) -> int | None:
        """Bytes of all files together; None where some size is not known, or all lie elsewhere."""
        sizes = [file.size_bytes for file in self.files]
        return None if self.elsewhere or None in sizes else sum(size or 0 for size in sizes)

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
    elsewhere = isinstance(value, Mapping) and _OPTIONS in value and "files" not in value
    table = Table.read(value, where, (*_KEYS, _ENVIRONMENT, _OPTIONS, *(() if elsewhere else _FILE_KEYS)))
    about = _About(
        name=name,
        architecture=table.text("architecture"),
        languages=table.texts("languages"),
        license=table.text("license"),
        upstream=table.text("upstream"),
        revision=table.text("revision"),
        environment=table.optional_text(_ENVIRONMENT),
    )
    if elsewhere:
        return Checkpoint(**about, layout="none", files=(), sources=(), options=_options(table.table(_OPTIONS)))
    layout = cast("Layout", table.choice("layout", get_args(Layout)))
    files = read_files(table.table("files"))
    if _weights_file(layout, files) is None:
        raise BadDefinition(f"{where}, files: the layout {layout} has its weights in {WEIGHTS_FILE[layout]!r}")
    options = _options(table.table(_OPTIONS)) if _OPTIONS in table.values else {}
    sources = read_sources(table, path.parent)
    return Checkpoint(**about, layout=layout, files=files, sources=sources, options=options)


def _weights_file(layout: Layout, files: tuple[PinnedFile, ...]) -> str | None:
    return next((file.name for file in files if fnmatchcase(file.name, WEIGHTS_FILE[layout])), None)


class _About(TypedDict):
    """What is stated of every checkpoint."""

    name: str
    architecture: str
    languages: tuple[str, ...]
    license: str
    upstream: str
    revision: str
    environment: str | None


def _options(table: Table) -> dict[str, Option]:
    """Give what the backend is told; it goes into records, so that none may hold a password."""
    for key, value in table.values.items():
        if not isinstance(value, Option):
            raise table.refusal(key, "a text, a number, true or false")
        if isinstance(value, str) and _WITH_USER.search(value):
            raise BadDefinition(f"{table.where}: {key} holds a user or a password, which would stand in every record")
    return cast("dict[str, Option]", dict(table.values))

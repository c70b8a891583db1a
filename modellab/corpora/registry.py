"""Which corpora there are: the definitions of `corpora.toml`, and any other by its path."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modellab.corpora.common_voice import read_common_voice
from modellab.corpora.datasets import HUB, read_hub_dataset
from modellab.corpora.format import detect
from modellab.corpora.joined import join
from modellab.corpora.kaldi import read_kaldi
from modellab.corpora.lhotse import read_lhotse
from modellab.corpora.librispeech import read_librispeech
from modellab.corpora.manifest import read_manifest
from modellab.corpora.selection import Selection
from modellab.corpora.sidecar import read_sidecars
from modellab.corpora.stm import read_stm
from modellab.corpora.synthesis import synthesize
from modellab.corpora.table import read_table
from modellab.errors import BadDefinition, UnknownName
from modellab.sources.cache import obtain
from modellab.sources.definition import read_files, read_sources
from modellab.sources.files import FileSet
from modellab.sources.table import Table
from modellab.speech.utterance import Corpus

_KEYS = (
    "reader",
    "description",
    "license",
    "language",
    "speaker",
    "manifest",
    "sounds",
    "files",
    "sources",
    "joins",
    "pause_s",
)

JOINED = "joined"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusDefinition:
    """What `corpora.toml` says of one corpus: who reads it, and the files or sounds that it is made of.

    `manifest` names the file or folder among its files that the reader is given; empty leaves it to the reader.
    `joins` names the corpus whose utterances it is, as one recording with `pause_s` seconds between two.
    """

    name: str
    reader: str
    description: str
    license: str
    language: str = ""
    speaker: str | None = None
    manifest: str = ""
    joins: str = ""
    pause_s: float = 0.0
    sounds: tuple[Mapping[str, Any], ...] = ()
    fileset: FileSet = field(default_factory=lambda: FileSet(name="", files=(), sources=()))

    def read(self, cache: Path) -> Corpus:
        """Give the corpus, fetching its files into the cache first.

        Raises:
            SourceUnreachable: when no source gives its files.
            BadManifest: when they cannot be read.
        """
        return _READERS[self.reader](self, cache / "corpora" / self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusRegistry:
    """The corpora that can be named; any other is read by its path."""

    definitions: Mapping[str, CorpusDefinition]
    source: Path

    def read(self, selection: Selection, cache: Path) -> Corpus:
        """Give a corpus by name or path, or by `hf:NAME:CONFIG:SPLIT` from the hub, restricted as the selection says.

        Raises:
            UnknownName: when there is neither a corpus of this name nor a file or folder at this path.
            SourceUnreachable: when what must be fetched cannot be.
            BadManifest: when what is there is no corpus, or one that cannot be read.
        """
        if selection.source in self.definitions:
            whole = self._read_defined(self.definitions[selection.source], cache)
        elif selection.source.startswith(HUB):
            whole = read_hub_dataset(selection.source, selection.base, cache)
        else:
            whole = self._read_path(selection, cache)
        return whole.where(selection.where)

    def _read_defined(self, definition: CorpusDefinition, cache: Path) -> Corpus:
        if definition.reader != JOINED:
            return definition.read(cache)
        parts = self.read(Selection(source=definition.joins), cache)
        return join(parts, definition.name, cache / "corpora" / definition.name, definition.pause_s)

    def _read_path(self, selection: Selection, cache: Path) -> Corpus:
        path = Path(selection.source).expanduser()
        if not path.exists():
            raise UnknownName(
                "corpus",
                selection.source,
                self.definitions,
                "Or give the path of a manifest, a table or a folder, or a hub's dataset as hf:NAME:CONFIG:SPLIT. "
                f"Names: {self.source}.",
            )
        known, found = detect(path)
        return known.read(known.unpack(found, cache), selection.base)


def read_corpora(path: Path) -> CorpusRegistry:
    """Give the corpora that a TOML file defines.

    Raises:
        BadDefinition: naming the file, the entry, the key and what is allowed.
    """
    try:
        tables = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadDefinition(f"cannot read corpora from {path}: {error}") from error
    top = Table.read(tables, str(path), ("schema", "corpus"))
    if tables.get("schema") != 1:
        raise top.refusal("schema", "1")
    entries = top.table("corpus")
    definitions = {name: _definition(name, entries.table(name, _KEYS), path.parent) for name in entries.values}
    for definition in definitions.values():
        _refuse_unjoinable(definition, definitions, path)
    return CorpusRegistry(definitions=definitions, source=path)


def _definition(name: str, table: Table, base: Path) -> CorpusDefinition:
    files = read_files(table.table("files")) if "files" in table.values else ()
    sources = read_sources(table, base) if "sources" in table.values else ()
    return CorpusDefinition(
        name=name,
        reader=table.choice("reader", (*_READERS, JOINED)),
        description=table.text("description"),
        license=table.text("license"),
        language=table.optional_text("language") or "",
        speaker=table.optional_text("speaker"),
        manifest=table.optional_text("manifest") or "",
        joins=table.optional_text("joins") or "",
        pause_s=table.optional_number("pause_s") or 0.0,
        sounds=tuple(Table.read(s, f"{table.where}, sounds").values for s in table.items("sounds"))
        if "sounds" in table.values
        else (),
        fileset=FileSet(name=name, files=files, sources=sources),
    )


def _refuse_unjoinable(definition: CorpusDefinition, every: Mapping[str, CorpusDefinition], source: Path) -> None:
    """Refuse to join what is not there, or is joined itself, which might never end."""
    if (definition.reader == JOINED) != bool(definition.joins):
        raise BadDefinition(f"{source}, corpus {definition.name!r}: the reader {JOINED}, and no other, has joins")
    if definition.joins and (definition.joins not in every or every[definition.joins].joins):
        single = ", ".join(sorted(name for name, each in every.items() if not each.joins))
        raise BadDefinition(
            f"{source}, corpus {definition.name!r}: joins must be one of {single}, not {definition.joins!r}"
        )


def _from_manifest(definition: CorpusDefinition, folder: Path) -> Corpus:
    path = obtain(definition.fileset, folder) / (definition.manifest or "manifest.jsonl")
    return read_manifest(path, definition.name, definition.language)


def _from_table(definition: CorpusDefinition, folder: Path) -> Corpus:
    path = obtain(definition.fileset, folder) / (definition.manifest or "manifest.tsv")
    return read_table(path, definition.name, definition.language)


def _from_librispeech(definition: CorpusDefinition, folder: Path) -> Corpus:
    path = obtain(definition.fileset, folder) / definition.manifest
    return read_librispeech(path, definition.name, definition.language or "en")


def _from_common_voice(definition: CorpusDefinition, folder: Path) -> Corpus:
    return read_common_voice(
        obtain(definition.fileset, folder) / definition.manifest, definition.name, definition.language
    )


def _from_kaldi(definition: CorpusDefinition, folder: Path) -> Corpus:
    return read_kaldi(obtain(definition.fileset, folder) / definition.manifest, definition.name, definition.language)


def _from_lhotse(definition: CorpusDefinition, folder: Path) -> Corpus:
    return read_lhotse(obtain(definition.fileset, folder) / definition.manifest, definition.name, definition.language)


def _from_stm(definition: CorpusDefinition, folder: Path) -> Corpus:
    return read_stm(obtain(definition.fileset, folder) / definition.manifest, definition.name, definition.language)


def _from_sidecars(definition: CorpusDefinition, folder: Path) -> Corpus:
    return read_sidecars(obtain(definition.fileset, folder), definition.name, definition.language, definition.speaker)


def _from_synthesis(definition: CorpusDefinition, folder: Path) -> Corpus:
    return synthesize(definition.sounds, definition.name, folder)


_READERS: Mapping[str, Callable[[CorpusDefinition, Path], Corpus]] = {
    "common-voice": _from_common_voice,
    "kaldi": _from_kaldi,
    "lhotse": _from_lhotse,
    "librispeech": _from_librispeech,
    "manifest": _from_manifest,
    "sidecar": _from_sidecars,
    "stm": _from_stm,
    "synthesis": _from_synthesis,
    "table": _from_table,
}

"""Definition of files and sources: how a TOML file writes them down."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast, get_args

from modellab.errors import BadDefinition
from modellab.sources.archive import Archive, ArchiveKind
from modellab.sources.files import PinnedFile, Source, is_sha256
from modellab.sources.folder import FolderSource
from modellab.sources.hub import HubSource
from modellab.sources.package import PackageSource
from modellab.sources.table import Table


def read_files(table: Table) -> tuple[PinnedFile, ...]:
    """Give the files of a `files` table: `"model.bin" = { sha256 = "…", size_bytes = 123 }`.

    Raises:
        BadDefinition: naming the file, the key and what is allowed.
    """
    return tuple(_file(name, table) for name in table.values)


def read_sources(table: Table, base: Path) -> tuple[Source, ...]:
    """Give the sources of a `sources` list, in order; a folder's path is relative to `base`.

    Raises:
        BadDefinition: naming the source, the key and what is allowed.
    """
    return tuple(
        _source(value, f"{table.where}, source {position}", base)
        for position, value in enumerate(table.items("sources"), start=1)
    )


def _file(name: str, table: Table) -> PinnedFile:
    facts = table.table(name, ("sha256", "size_bytes"))
    try:
        return PinnedFile(
            name=name, sha256=facts.optional_text("sha256"), size_bytes=facts.optional_count("size_bytes")
        )
    except BadDefinition as error:
        raise error if str(error).startswith(table.where) else BadDefinition(f"{table.where}: {error}") from error


def _source(value: object, where: str, base: Path) -> Source:
    kind = Table.read(value, where).choice("kind", _READERS)
    return _READERS[kind](value, where, base)


def _folder(value: object, where: str, base: Path) -> Source:
    return FolderSource(path=Table.read(value, where, ("kind", "path")).text("path"), base=base)


def _hub(value: object, where: str, _: Path) -> Source:
    table = Table.read(value, where, ("kind", "repo", "revision"))
    return HubSource(repo=table.text("repo"), revision=table.text("revision"))


def _package(value: object, where: str, _: Path) -> Source:
    archives = Table.read(value, where, ("kind", "archives")).items("archives")
    return PackageSource(
        archives=tuple(_archive(item, f"{where}, archive {position}") for position, item in enumerate(archives, 1))
    )


def _archive(value: object, where: str) -> Archive:
    table = Table.read(value, where, ("project", "version", "archive", "sha256", "size_bytes", "members"))
    if not is_sha256(table.text("sha256")):
        raise table.refusal("sha256", "64 lower-case hexadecimal digits")
    return Archive(
        project=table.text("project"),
        version=table.text("version"),
        kind=cast("ArchiveKind", table.choice("archive", get_args(ArchiveKind), "wheel")),
        sha256=table.text("sha256"),
        size_bytes=table.optional_count("size_bytes"),
        members=_members(table.table("members")),
    )


def _members(table: Table) -> dict[str, tuple[str, ...]]:
    """Give what makes up each file: one member, or a list of them to put one after another."""
    return {
        name: table.texts(name) if isinstance(listed, list) else (table.text(name),)
        for name, listed in table.values.items()
    }


_READERS: Mapping[str, Callable[[object, str, Path], Source]] = {"folder": _folder, "hub": _hub, "package": _package}

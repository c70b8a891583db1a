"""The cache: files fetched once, verified, and kept whole or not at all."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from modellab.errors import ModelLabError, SourceUnreachable, WrongHash
from modellab.sources.files import FileSet, PinnedFile, Source, place, verify
from modellab.sources.folder import FolderSource

STAMP = "verified.json"
CACHE_VARIABLE = "MODELLAB_CACHE_DIR"  # read by the doors only: the plugin and the command


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was seen of a file when it was verified; `pinned` is False where its hash was only trusted on first use."""

    sha256: str
    size_bytes: int
    mtime_ns: int
    pinned: bool


def cache_root(override: Path | None = None) -> Path:
    """Give the folder that everything fetched is kept in: the one given, else the user's cache folder."""
    if override is not None:
        return override.expanduser()
    return user_cache_path("modellab")


def obtain(fileset: FileSet, folder: Path) -> Path:
    """Give the folder with every file of the set in it, fetched from the first source that has them all.

    What was verified before is not hashed again unless its size or time of change differ. Two processes that ask at
    once fetch once. A process that dies on the way leaves nothing that is later taken for good.

    Raises:
        SourceUnreachable: naming every source that was tried and what it answered.
        WrongHash: when every source answered, and none with the files that were pinned.
    """
    return build_once(folder, lambda: is_verified(fileset, folder), lambda part: _bring(fileset, folder, part))


def build_once(folder: Path, is_ready: Callable[[], bool], build: Callable[[Path], None]) -> Path:
    """Give a folder that is ready, building it in a sibling that takes its place in one step; one builder at a time.

    Raises:
        SourceUnreachable: when the cache cannot be written to.
    """
    if is_ready():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not is_ready():
                _build(folder, build)
    except OSError as error:
        raise SourceUnreachable(
            f"the cache cannot be written: {error}. Set MODELLAB_CACHE_DIR to a folder with room in it."
        ) from error
    return folder


def is_verified(fileset: FileSet, folder: Path) -> bool:
    """Say whether a folder holds every file of the set as it was when it was verified."""
    seen = verified(folder)
    return not _outdated(fileset, folder) and all(
        file.name in seen
        and file.sha256 in {None, seen[file.name].sha256}
        and _unchanged(folder / file.name, seen[file.name])
        for file in fileset.files
    )


def verified(folder: Path) -> Mapping[str, Verified]:
    """Give what is known of the files in a folder by name; empty where nothing was verified."""
    try:
        written = json.loads((folder / STAMP).read_text())
        return {name: Verified(**facts) for name, facts in written["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def bytes_on_disk(folder: Path) -> int:
    """Give the size of everything in a folder, in bytes; 0 where there is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        build(part)
        if folder.exists():
            shutil.rmtree(folder)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _bring(fileset: FileSet, folder: Path, part: Path) -> None:
    """Fill a folder from the first source that gives every file as it was pinned."""
    failures: list[tuple[str, ModelLabError]] = []
    expected = _expected(fileset, folder)
    kept: tuple[Source, ...] = (_Kept(folder=folder),) if folder.is_dir() else ()
    for source in (*kept, *fileset.sources):
        try:
            _stamp(fileset, source, _fetch(expected, source, part), part)
        except (SourceUnreachable, WrongHash) as error:
            failures.append((source.describe(), error))
            _empty(part)
        else:
            return
    raise _refusal(fileset, failures, folder)


def _outdated(fileset: FileSet, folder: Path) -> bool:
    """Say whether the user's own folder holds newer files than were taken from it, where nobody has pinned them."""
    first = fileset.sources[0] if fileset.sources else None
    unpinned = [file for file in fileset.files if file.sha256 is None]
    return isinstance(first, FolderSource) and any(first.differs(file, folder / file.name) for file in unpinned)


def _expected(fileset: FileSet, folder: Path) -> tuple[PinnedFile, ...]:
    """Give the files of a set, those that nobody has pinned with the hash they were first trusted with."""
    seen = {} if _outdated(fileset, folder) else verified(folder)
    return tuple(
        replace(file, sha256=seen[file.name].sha256) if file.sha256 is None and file.name in seen else file
        for file in fileset.files
    )


def _fetch(files: Sequence[PinnedFile], source: Source, part: Path) -> dict[str, str]:
    """Give the hash of every file a source gave, by name."""
    try:
        source.fetch(files, part)
    except OSError as error:
        raise SourceUnreachable(f"{type(error).__name__}: {error}") from error
    missing = [file.name for file in files if not (part / file.name).is_file()]
    if missing:
        raise SourceUnreachable(f"it gave no {', '.join(missing)}")
    return {file.name: verify(part / file.name, file) for file in files}


def _stamp(fileset: FileSet, source: Source, hashes: Mapping[str, str], part: Path) -> None:
    """Write down what was verified."""
    seen = {file.name: asdict(_look(part / file.name, file, hashes[file.name])) for file in fileset.files}
    stamp = {"schema": 1, "source": source.describe(), "files": seen}
    (part / STAMP).write_text(json.dumps(stamp, indent=1))


def _look(path: Path, file: PinnedFile, sha256: str) -> Verified:
    stat = path.stat()
    return Verified(sha256=sha256, size_bytes=stat.st_size, mtime_ns=stat.st_mtime_ns, pinned=file.sha256 is not None)


def _unchanged(path: Path, seen: Verified) -> bool:
    try:
        stat = path.stat()
    except OSError:
        return False
    return (stat.st_size, stat.st_mtime_ns) == (seen.size_bytes, seen.mtime_ns)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _refusal(fileset: FileSet, failures: Sequence[tuple[str, ModelLabError]], folder: Path) -> ModelLabError:
    tried = "".join(f"\n  - {name}: {error}" for name, error in failures) or "\n  - no source is defined"
    names = ", ".join(file.name for file in fileset.files)
    unpinned = any(file.sha256 is None for file in fileset.files)
    again = f" To trust what the sources hold now, remove {folder}." if unpinned and folder.exists() else ""
    kind = WrongHash if failures and all(isinstance(e, WrongHash) for _, e in failures) else SourceUnreachable
    return kind(
        f"{fileset.name}: no source gave its files as they are pinned. Tried:{tried}\n"
        f"If you have the files ({names}), put them into one folder and name it first among the sources of "
        f'{fileset.name}: {{ kind = "folder", path = "~/that/folder" }}.{again}'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What the cache held already: good again once it is hashed again."""

    folder: Path

    def describe(self) -> str:
        """Say that it is the cache."""
        return f"cache {self.folder}"

    def fetch(self, files: Sequence[PinnedFile], into: Path) -> None:
        """Link what still has the hash it was pinned to, or was first trusted with."""
        for file in files:
            if file.sha256 is None or not (self.folder / file.name).is_file():
                raise SourceUnreachable(f"{file.name} is not there, or was never verified")
            verify(self.folder / file.name, file)
            place(self.folder / file.name, into / file.name)

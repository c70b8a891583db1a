"""Datasets of the Hugging Face library: saved to disk, as parquet files, or streamed from the hub.

Source: https://github.com/huggingface/datasets (Apache-2.0). It runs no script of a dataset since 4.0, and nothing is
unpickled here. Audio is taken as it is encoded, and is decoded when it is heard, as that of any other corpus.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from modellab.corpora.dataset_rows import MANIFEST, Rows, unpack
from modellab.corpora.fields import Fields, find_fields
from modellab.corpora.manifest import read_manifest
from modellab.corpora.tongue import hinted_language
from modellab.errors import BadDefinition, BadManifest, ModelLabError, SourceUnreachable, UnknownName
from modellab.sources.cache import build_once
from modellab.speech.utterance import Corpus

HUB = "hf:"
SPLIT = "test"  # what a dataset means to be tested on

_SOURCE = "source.json"
_SAVED = ("dataset_dict.json", "state.json")
_SHARD = re.compile(r"(?P<split>.+?)-\d{5}-of-\d{5}.*")
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_ROWS_AT_ONCE = 16
_TIMEOUT_S = 10.0
_RETRIES = 3
_MESSAGE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class HubDataset:
    """A dataset of the hub as a person names it: `hf:NAME:CONFIG:SPLIT`, of which the last two may be empty."""

    name: str
    config: str = ""
    split: str = ""

    def __str__(self) -> str:
        return f"{HUB}{self.name}:{self.config}:{self.split}".rstrip(":")


def parse_hub_dataset(text: str) -> HubDataset:
    """Give the dataset that was named.

    Raises:
        BadDefinition: when it is not of the form `hf:NAME:CONFIG:SPLIT`.
    """
    parts = text.removeprefix(HUB).split(":")
    name, config, split = (*parts, "", "")[:3]
    if len(parts) > 3 or not _HUB_NAME.fullmatch(name):  # noqa: PLR2004
        raise BadDefinition(
            f"corpus {text!r} is not of the form hf:NAME:CONFIG:SPLIT, such as hf:google/fleurs:de_de:test"
        )
    return HubDataset(name=name, config=config, split=split)


def find_dataset(path: Path) -> Path | None:
    """Give a folder that `save_to_disk` wrote, a parquet file, or a folder of these or with some in its `data/`."""
    if path.is_file():
        return path if path.suffix == ".parquet" else None
    if _is_saved(path):
        return path
    return next((folder for folder in (path, path / "data") if next(folder.glob("*.parquet"), None)), None)


def unpack_dataset(path: Path, cache: Path) -> Path:
    """Give the manifest of a dataset on this disk, whose audio is written into the cache once, as it is encoded.

    Of several splits the one named `test` is read. It is unpacked again when its files' sizes or times change.

    Raises:
        BadManifest: without `datasets`, naming what to install; when the dataset cannot be read, has several splits and
            no `test`, lacks a column, or a row of it (counted from 0) has no audio or no text.
        SourceUnreachable: when the cache cannot be written to.
    """
    folder, stamp = _home(cache, path.stem, str(path.resolve())), _stamp(path)
    build_once(
        folder,
        lambda: _is_unpacked(folder, stamp),
        lambda part: _unpack(path, part, stamp),
    )
    return folder / MANIFEST


def read_hub_dataset(source: str, name: str, cache: Path) -> Corpus:
    """Give a split of a dataset on the hub. The whole split is streamed once, and its audio kept as it is encoded.

    From then on it is read from the cache and the hub is not asked: remove its folder there to take what the hub holds
    now. Without a split it is `test`, or the only one. Rows are of the language that they state, or else of the one
    that CONFIG names: `de_de` is German. Audio must stand in the rows, as it does in parquet: no path is followed.

    Raises:
        BadDefinition: when `source` is not of the form `hf:NAME:CONFIG:SPLIT`.
        SourceUnreachable: when the hub cannot be reached, or has no such dataset or configuration.
        UnknownName: when it has no such split.
        BadManifest: when a column is missing, or a row (counted from 0) has no audio or no text.
    """
    wanted = parse_hub_dataset(source)
    folder = _home(cache, name, str(wanted))
    build_once(folder, lambda: _is_unpacked(folder, None), lambda part: _stream(wanted, part))
    return read_manifest(folder / MANIFEST, name)


def _unpack(path: Path, part: Path, stamp: Mapping[str, Any]) -> None:
    unpack(_saved(path) if _is_saved(path) else _parquet(path), part)
    _write_stamp(part, stamp)


def _stream(wanted: HubDataset, part: Path) -> None:
    library = _library(str(wanted))
    full_name, revision = _on_the_hub(wanted, library)
    try:
        splits = library.load_dataset(
            f"hf://datasets/{full_name}", wanted.config or None, revision=revision, streaming=True
        )
    except _failures() as error:
        raise _unreachable(wanted, error) from error
    split = _split(splits, str(wanted), wanted.split)
    rows = _rows_of(splits[split], f"{wanted} ({split})", lambda _: None, wanted)
    unpack(rows, part)
    _write_stamp(part, {"source": str(wanted), "name": full_name, "revision": revision, "split": split})


def _on_the_hub(wanted: HubDataset, library: Any) -> tuple[str, str]:  # noqa: ANN401 - a module
    """Give the full name of a dataset and the commit that the hub holds now, asking no longer than a timeout."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        if library.config.HF_HUB_OFFLINE:
            raise OfflineModeIsEnabled("HF_HUB_OFFLINE forbids asking the hub")
        info = HfApi().dataset_info(wanted.name, timeout=_TIMEOUT_S)
    except _failures() as error:
        raise _unreachable(wanted, error) from error
    return info.id, str(info.sha)


def _unreachable(wanted: HubDataset, error: Exception) -> SourceUnreachable:
    from huggingface_hub import constants, errors

    remedy = (
        f"Is {constants.ENDPOINT} the right hub (HF_ENDPOINT), and can it be reached? Elsewhere, the dataset can be "
        "saved with `save_to_disk`, and the folder's path given."
    )
    if isinstance(error, errors.GatedRepoError):
        remedy = "Accept its terms on the hub and set HF_TOKEN."
    elif isinstance(error, errors.RepositoryNotFoundError):
        remedy = f"{constants.ENDPOINT} has no such dataset, or it needs a token (HF_TOKEN)."
    elif "scripts are no longer supported" in str(error):
        remedy = "A dataset's script is never run; give one that is of data alone."
    return SourceUnreachable(f"dataset {wanted} cannot be read: {_reason(error)}. {remedy}")


def _saved(path: Path) -> Rows:
    library = _library(str(path))
    try:
        found = library.load_from_disk(str(path))
    except _failures() as error:
        raise BadManifest(f"{path} is no dataset that can be read: {_reason(error)}") from error
    if isinstance(found, dict):
        split = _split(found, str(path), "")
        return _rows_of(found[split], f"{path} ({split})", lambda named: _from_disk(path / split, named), None)
    return _rows_of(found, str(path), lambda named: _from_disk(path, named), None)


def _parquet(path: Path) -> Rows:
    library = _library(str(path))
    from pyarrow import parquet

    files = _shards(path)
    try:
        features = library.Features.from_arrow_schema(parquet.read_schema(files[0]))
    except _failures() as error:
        raise BadManifest(f"{files[0]} is no parquet file that can be read: {_reason(error)}") from error
    fields = find_fields(features, str(files[0]))
    where = str(files[0] if len(files) == 1 else path)
    rows = _told((row for file in files for row in _rows_in(file, fields)), where, BadManifest)
    folder = path if path.is_dir() else path.parent
    return Rows(where=where, rows=rows, fields=fields, fetch=lambda named: _from_disk(folder, named))


def _rows_in(file: Path, fields: Fields) -> Iterator[Mapping[str, Any]]:
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:
        for batch in opened.iter_batches(batch_size=_ROWS_AT_ONCE, columns=fields.read):
            yield from batch.to_pylist()


def _shards(path: Path) -> list[Path]:
    """Give the parquet files of the split that is read; `test-00000-of-00002.parquet` is one of a split's files."""
    if path.is_file():
        return [path]
    splits: dict[str, list[Path]] = {}
    for file in sorted(path.glob("*.parquet")):
        shard = _SHARD.fullmatch(file.stem)
        splits.setdefault(shard["split"] if shard else "", []).append(file)
    return splits[_split(splits, str(path), "")]


def _split(splits: Mapping[str, object], where: str, wanted: str) -> str:
    """Give the split that is read: the one that is wanted, or `test`, or the only one."""
    if wanted in splits and wanted:
        return wanted
    if wanted:
        raise UnknownName(f"split of {where}", wanted, splits)
    if SPLIT in splits or len(splits) == 1:
        return SPLIT if SPLIT in splits else next(iter(splits))
    named = ", ".join(sorted(splits)) or "none found"
    raise BadManifest(f"{where} has no split named {SPLIT!r}; name one of: {named}")


def _rows_of(
    dataset: Any,  # noqa: ANN401 - a dataset of the library, whole or streamed
    where: str,
    fetch: Callable[[str], bytes | None],
    wanted: HubDataset | None,
) -> Rows:
    from datasets import Audio

    fields = find_fields(dataset.features or {}, where)
    kept = dataset.cast_column(fields.audio, Audio(decode=False)).select_columns(fields.read)
    return Rows(
        where=where,
        rows=_told(kept, where, SourceUnreachable if wanted else BadManifest),
        fields=fields,
        fetch=fetch,
        language=hinted_language(wanted.config) if wanted else "",
    )


def _told(
    rows: Iterable[Mapping[str, Any]], where: str, refusal: Callable[[str], ModelLabError]
) -> Iterator[Mapping[str, Any]]:
    """Give the rows; what the library raises on the way names the row that did not come."""
    number = 0
    try:
        for number, row in enumerate(rows, start=1):  # noqa: B007 - the error names it
            yield row
    except _failures() as error:
        loose = "; a repository of loose audio files is not read, give one of parquet" * isinstance(error, ImportError)
        raise refusal(f"{where}, row {number}: {_reason(error)}{loose}") from error


def _from_disk(folder: Path, named: str) -> bytes | None:
    try:
        return (folder / named).read_bytes()
    except (OSError, ValueError):
        return None


def _is_saved(path: Path) -> bool:
    return any((path / name).is_file() for name in _SAVED)


def _home(cache: Path, name: str, source: str) -> Path:
    return cache / "corpora" / f"{name}-{sha256(source.encode()).hexdigest()[:8]}"


def _stamp(path: Path) -> dict[str, Any]:
    """Give what tells whether a dataset on this disk has changed: its files' names, sizes and times."""
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    seen = [(each.name, (stat := each.stat()).st_size, stat.st_mtime_ns) for each in files]
    return {"source": str(path.resolve()), "files": sha256(repr(seen).encode()).hexdigest()}


def _write_stamp(folder: Path, stamp: Mapping[str, Any]) -> None:
    (folder / _SOURCE).write_text(json.dumps({"schema": 1, **stamp}, indent=1))


def _is_unpacked(folder: Path, stamp: Mapping[str, Any] | None) -> bool:
    """Tell whether a folder holds a dataset whole, and where a stamp is given, the one that it tells of."""
    try:
        written = json.loads((folder / _SOURCE).read_text())
    except (OSError, ValueError):
        return False
    return (folder / MANIFEST).is_file() and (stamp is None or written == {"schema": 1, **stamp})


def _library(where: str) -> Any:  # noqa: ANN401 - a module that may not be there
    """Give the library, told to be silent and to give up a connection within a minute."""
    try:
        import datasets
    except ImportError as error:
        raise BadManifest(
            f"{where} needs the package datasets, which is missing: pip install 'modellab[datasets]'"
        ) from error
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what is wrong is raised
    datasets.config.STREAMING_READ_MAX_RETRIES = datasets.config.STREAMING_OPEN_MAX_RETRIES = _RETRIES
    return datasets


def _failures() -> tuple[type[Exception], ...]:
    """Give what the library and those it stands on raise where data or a connection is bad."""
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
    from pyarrow.lib import ArrowException

    known = (OSError, ValueError, RuntimeError, LookupError, TypeError, ImportError)
    return (*known, ArrowException, DatasetsError, HTTPError)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text[:_MESSAGE] or 'no reason given'}"

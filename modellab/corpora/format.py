"""Format: how a corpus may lie on a disk, and which reader it has."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modellab.corpora.common_voice import CLIPS, lists_clips, read_common_voice, splits
from modellab.corpora.datasets import find_dataset, unpack_dataset
from modellab.corpora.kaldi import RECORDINGS, read_kaldi
from modellab.corpora.lhotse import MANIFESTS, lists_cuts, read_lhotse
from modellab.corpora.librispeech import TRANSCRIPTS, read_librispeech
from modellab.corpora.manifest import read_manifest
from modellab.corpora.sidecar import read_sidecars
from modellab.corpora.stm import read_stm
from modellab.corpora.table import read_table
from modellab.errors import BadManifest
from modellab.speech.audio import AUDIO_SUFFIXES
from modellab.speech.utterance import Corpus

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A reader by its name, what must lie at a path for it, and `find`, which gives the path it reads or None.

    `unpack` is given that path and the cache: it gives the path to read, of what was written there where the reader
    cannot read what was found as it lies.
    """

    reader: str
    looks_for: str
    find: Callable[[Path], Path | None]
    read: Callable[[Path, str], Corpus]
    unpack: Callable[[Path, Path], Path] = lambda found, _: found


def detect(path: Path) -> tuple[Format, Path]:
    """Give the first format that a file or folder has, and the path that its reader is to be given.

    Raises:
        BadManifest: when it has none, saying what was looked for.
    """
    for known in FORMATS:
        if (found := known.find(path)) is not None:
            return known, found
    looked_for = "; ".join(f"{known.looks_for} ({known.reader})" for known in FORMATS)
    raise BadManifest(f"{path} is no corpus of a known format. Looked for: {looked_for}.")


def _manifest(path: Path) -> Path | None:
    if path.is_dir():
        return path / MANIFEST if (path / MANIFEST).is_file() else None
    return path if path.suffix in {".jsonl", ".json"} or _begins_with(path, b"{") else None


def _lhotse(path: Path) -> Path | None:
    if path.is_dir():
        return next((found for name in MANIFESTS if (found := path / name).is_file()), None)
    is_packed = path.is_file() and path.name.endswith(".jsonl.gz")  # which nobody else reads
    return path if is_packed or (path.suffix == ".jsonl" and lists_cuts(path)) else None


def _kaldi(path: Path) -> Path | None:
    folder = path.parent if path.name == RECORDINGS else path
    return folder if (folder / RECORDINGS).is_file() else None


def _librispeech(path: Path) -> Path | None:
    if path.is_dir():
        return path if next(path.rglob(TRANSCRIPTS), None) else None
    return path.parent if path.match(TRANSCRIPTS) else None


def _common_voice(path: Path) -> Path | None:
    if path.is_dir():
        return path if splits(path) else None
    return path if path.suffix == ".tsv" and lists_clips(path) else None


def _stm(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix.lower() == ".stm" else None
    return next((folder for folder in (path, path / "stm") if next(folder.glob("*.stm"), None)), None)


def _table(path: Path) -> Path | None:
    return path if path.is_file() and path.suffix.lower() in {".csv", ".tsv"} else None


def _sidecars(path: Path) -> Path | None:
    recordings = (each for each in path.rglob("*") if each.suffix.lower() in AUDIO_SUFFIXES)
    return path if path.is_dir() and next(recordings, None) else None


def _begins_with(path: Path, start: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(start)
    except OSError:
        return False


FORMATS = (
    Format(
        reader="lhotse",
        looks_for=f"{' or '.join(MANIFESTS)} in a folder, or such a file of cuts",
        find=_lhotse,
        read=read_lhotse,
    ),
    Format(
        reader="manifest",
        looks_for=f"{MANIFEST} in a folder, or a file of JSON lines",
        find=_manifest,
        read=read_manifest,
    ),
    Format(reader="kaldi", looks_for=f"{RECORDINGS} in a folder", find=_kaldi, read=read_kaldi),
    Format(reader="librispeech", looks_for=f"{TRANSCRIPTS} at any depth", find=_librispeech, read=read_librispeech),
    Format(
        reader="common-voice",
        looks_for=f"a .tsv with path, sentence and client_id, and {CLIPS}/ beside it",
        find=_common_voice,
        read=read_common_voice,
    ),
    Format(reader="stm", looks_for="a .stm file, or a folder of some", find=_stm, read=read_stm),
    Format(reader="table", looks_for="a .csv or .tsv file with named columns", find=_table, read=read_table),
    Format(
        reader="dataset",
        looks_for="a folder that `save_to_disk` wrote, or .parquet files",
        find=find_dataset,
        read=read_manifest,
        unpack=unpack_dataset,
    ),
    Format(
        reader="sidecar",
        looks_for=f"recordings ({', '.join(sorted(AUDIO_SUFFIXES))}) with a .txt beside each",
        find=_sidecars,
        read=read_sidecars,
    ),
)

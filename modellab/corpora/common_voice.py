"""Common Voice: the releases' TSVs, with recordings in `clips/` beside them."""

from collections.abc import Iterator
from pathlib import Path

from modellab.corpora.line import is_file
from modellab.corpora.row import Row, read_columns, read_rows
from modellab.errors import BadManifest
from modellab.speech.audio import stated_duration_s
from modellab.speech.utterance import Corpus, Utterance, corpus_of

CLIPS = "clips"
COLUMNS = ("path", "sentence", "client_id")
SPLIT = "test.tsv"  # what a release means to be tested on


def splits(folder: Path) -> tuple[Path, ...]:
    """Give the TSVs of a release that list utterances; none where it has no `clips/`."""
    tables = sorted(folder.glob("*.tsv")) if (folder / CLIPS).is_dir() else []
    return tuple(path for path in tables if lists_clips(path))


def lists_clips(path: Path) -> bool:
    """Tell whether a TSV has the columns of Common Voice and `clips/` beside it."""
    try:
        return (path.parent / CLIPS).is_dir() and set(COLUMNS) <= set(read_columns(path).names)
    except BadManifest:
        return False


def read_common_voice(path: Path, name: str, language: str = "") -> Corpus:
    """Give the corpus of a TSV, or of a release's folder: its `test.tsv`, or its only one.

    The language is `language`, or each row's locale without its region: `zh` of `zh-CN`. Columns that are not read are
    kept as extra facts.

    Raises:
        BadManifest: naming file and line, on missing columns, a clip that is not there or one listed twice.
    """
    table = _split(path) if path.is_dir() else path
    columns = read_columns(table)
    for column in COLUMNS:
        columns.require(f"Common Voice's {column}", (column,))
    return corpus_of(name, tuple(_utterances(read_rows(columns), table.parent / CLIPS, language)))


def _split(folder: Path) -> Path:
    found = splits(folder)
    if folder / SPLIT in found:
        return folder / SPLIT
    if len(found) != 1:
        named = ", ".join(path.name for path in found) or "none found"
        raise BadManifest(f"{folder} has no {SPLIT}; give the path of one of: {named}")
    return found[0]


def _utterances(rows: Iterator[Row], clips: Path, language: str) -> Iterator[Utterance]:
    first_seen: dict[str, str] = {}
    for row in rows:
        audio = _clip(row, clips)
        if audio.stem in first_seen:
            raise BadManifest(f"{row.where}: id {audio.stem!r} stands at {first_seen[audio.stem]} already")
        first_seen[audio.stem] = row.where
        yield Utterance(
            id=audio.stem,
            audio=audio,
            duration_s=stated_duration_s(audio),
            reference=row.get("sentence"),
            language=language or row.get("locale").partition("-")[0].lower(),
            speaker=row.get("client_id") or None,
            extra=row.rest(*COLUMNS),
        )


def _clip(row: Row, clips: Path) -> Path:
    named = row.get("path")
    found = (path for path in (clips / named, clips / f"{named}.mp3") if named and is_file(path))
    if (audio := next(found, None)) is None:  # the first releases named no suffix
        raise BadManifest(f"{row.where}: no audio file at {clips / named}")
    return audio

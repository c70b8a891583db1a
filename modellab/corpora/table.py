"""Tables: CSV and TSV with named columns, one utterance a row."""

from collections.abc import Iterator
from pathlib import Path

from modellab.corpora.line import is_file
from modellab.corpora.row import Row, read_columns, read_rows
from modellab.corpora.stretch import Durations, Stretch, parse_stretch, parse_time_s, refuse_overlaps
from modellab.errors import BadManifest
from modellab.speech.utterance import Corpus, Utterance, corpus_of

AUDIO = ("audio", "audio_filepath", "path", "file", "file_name", "filename", "audio_path", "wav")
TEXT = ("text", "sentence", "transcript", "transcription", "reference")

_ID = ("id", "utterance", "utterance_id")
_LANGUAGE = ("language", "lang", "locale")
_SPEAKER = ("speaker", "speaker_id", "client_id")
_START = ("start_s", "start")
_END = ("end_s", "end")
_DURATION = ("duration_s", "duration")
_READ = (*AUDIO, *TEXT, *_ID, *_LANGUAGE, *_SPEAKER, *_START, *_END, *_DURATION)


def read_table(path: Path, name: str, language: str = "") -> Corpus:
    """Give the corpus of a table. Paths in it are relative to its folder; `language` is for rows that name none.

    A column names the audio (`audio`, `path`, `file` ...) and one the reference (`text`, `sentence`, `transcript` ...);
    there may be `id`, `language`, `speaker`, `duration_s`, and `start_s` and `end_s` for a stretch of a recording.
    Other columns are kept as extra facts.

    Raises:
        BadManifest: naming file and line, on a missing column, a row that says something it may not, or overlaps.
    """
    columns = read_columns(path)
    columns.require("the audio", AUDIO)
    columns.require("the reference", TEXT)
    durations, stretches = Durations(), list[Stretch]()
    utterances = tuple(_utterances(read_rows(columns), path.parent, language, durations, stretches))
    refuse_overlaps(stretches)
    return corpus_of(name, utterances)


def _utterances(
    rows: Iterator[Row], folder: Path, language: str, durations: Durations, stretches: list[Stretch]
) -> Iterator[Utterance]:
    first_seen: dict[str, str] = {}
    for row in rows:
        named = row.get(*AUDIO)
        audio = folder / named
        if not named or not is_file(audio):
            raise BadManifest(f"{row.where}: no audio file at {audio}")
        stretch = parse_stretch(audio, row.get(*_START) or "0", row.get(*_END) or None, row.where)
        stretches.append(stretch)
        id_ = row.get(*_ID) or stretch.id_in(Path(named).with_suffix("").as_posix())
        if id_ in first_seen:
            raise BadManifest(f"{row.where}: id {id_!r} stands at {first_seen[id_]} already")
        first_seen[id_] = row.where
        stated = row.get(*_DURATION)
        whole_s = parse_time_s(stated, row.where) if stated and not stretch.is_cut else durations[audio]
        yield Utterance(
            id=id_,
            audio=audio,
            duration_s=stretch.duration_s(whole_s),
            reference=row.get(*TEXT),
            language=row.get(*_LANGUAGE) or language,
            speaker=row.get(*_SPEAKER) or None,
            extra=row.rest(*_READ),
            start_s=stretch.start_s,
            end_s=stretch.end_s,
        )

"""Manifests: JSON lines, one utterance each, in our own words or in NeMo's."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modellab.corpora.alignment import aligned, parse_word
from modellab.corpora.line import is_file
from modellab.corpora.stretch import Durations, Stretch, parse_stretch, parse_time_s, refuse_overlaps
from modellab.errors import BadManifest
from modellab.speech.transcript import Word
from modellab.speech.utterance import Corpus, Utterance, corpus_of

_AUDIO = {"audio", "audio_filepath"}
_TIMES = {"duration_s", "duration", "start_s", "end_s", "offset"}
KEYS = frozenset({"id", "text", "language", "speaker", "words", *_AUDIO, *_TIMES})
_WORD = (("word", "text"), ("start_s", "start"), ("end_s", "end"))
_WHOLE_WITHIN_S = 0.05  # a stated duration is rounded


def read_manifest(path: Path, name: str, language: str = "") -> Corpus:
    """Give the corpus of a manifest. Paths in it are relative to its folder; `language` is for lines that name none.

    Every line is an object with `audio` and `text`, and may have `id`, `language`, `speaker` and `duration_s`, and
    `start_s` and `end_s` for a stretch of a recording; NeMo's `audio_filepath`, `duration` and `offset` are read too.
    `words` lists when each word of the text is said: objects of `word` (or `text`), `start_s` and `end_s` (or `start`
    and `end`), seconds from the start of the utterance. Other plain values are kept as extra facts. A file that is
    there but cannot be read as audio is kept: hearing it is what fails, and is recorded.

    Raises:
        BadManifest: naming file and line, on a line that is not JSON, lacks a key, repeats an id, names a file that is
            not there, a stretch that cannot be, or words out of order or outside the utterance.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadManifest(f"cannot read manifest {path}: {error}") from error
    stretches: list[Stretch] = []
    utterances = tuple(_utterances(text, path, language, stretches))
    refuse_overlaps(stretches)
    return corpus_of(name, utterances)


def _utterances(text: str, path: Path, language: str, stretches: list[Stretch]) -> Iterator[Utterance]:
    durations = Durations()
    first_seen: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):  # `splitlines` breaks at U+2028 too, which JSON allows
        if not line.strip():
            continue
        where = f"{path}:{number}"
        utterance = _utterance(parse_object(line, where), path.parent, language, where, durations)
        stretches.append(_stretch_of(utterance, where))
        if utterance.id in first_seen:
            raise BadManifest(f"{where}: id {utterance.id!r} stands on line {first_seen[utterance.id]} already")
        first_seen[utterance.id] = number
        yield utterance


def parse_object(line: str, where: str) -> Mapping[str, Any]:
    """Give the JSON object that a line is.

    Raises:
        BadManifest: when it is none.
    """
    try:
        row = json.loads(line)
        json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair can be read, and never written
    except (ValueError, RecursionError) as error:
        raise BadManifest(f"{where}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise BadManifest(f"{where}: a JSON object was expected, not {type(row).__name__}")
    return row


def _utterance(row: Mapping[str, Any], folder: Path, language: str, where: str, durations: Durations) -> Utterance:
    named = row.get("audio", row.get("audio_filepath"))
    if not isinstance(named, str) or not named:
        raise BadManifest(f"{where}: no 'audio' (or 'audio_filepath') that names a file")
    if not isinstance(row.get("text"), str):
        raise BadManifest(f"{where}: no 'text' that holds the reference; write \"\" where nobody speaks")
    audio = folder / named
    if not is_file(audio):
        raise BadManifest(f"{where}: no audio file at {audio}")
    stated_s = _stated_s(row.get("duration_s", row.get("duration")), where)
    stretch = _stretch(row, audio, stated_s, where, durations)
    duration_s = stretch.duration_s(durations[audio]) if stretch.is_cut or stated_s is None else stated_s
    return Utterance(
        id=str(row["id"] if row.get("id") not in (None, "") else stretch.id_in(Path(named).with_suffix("").as_posix())),
        audio=audio,
        duration_s=duration_s,
        reference=row["text"],
        language=str(row.get("language") or language),
        speaker=None if row.get("speaker") is None else str(row["speaker"]),
        extra={k: str(v) for k, v in row.items() if k not in KEYS and isinstance(v, str | int | float)},
        start_s=stretch.start_s,
        end_s=stretch.end_s,
        words=aligned(_words(row, where), duration_s, where),
    )


def _words(row: Mapping[str, Any], where: str) -> Iterator[Word]:
    listed = row.get("words")
    if listed is None:
        return
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise BadManifest(f"{where}: 'words' is a list of objects with word, start_s and end_s, not {listed!r:.80}")
    for entry in listed:
        word, start, end = (entry.get(ours, entry.get(theirs)) for ours, theirs in _WORD)
        yield parse_word(word, start, end, where)


def _stretch(row: Mapping[str, Any], audio: Path, stated_s: float | None, where: str, durations: Durations) -> Stretch:
    """Give the stretch that a line names. NeMo writes an offset of 0 for whole recordings too."""
    start, end, offset = row.get("start_s"), row.get("end_s"), row.get("offset")
    if offset is None or start is not None or end is not None:
        return parse_stretch(audio, "0" if start is None else str(start), None if end is None else str(end), where)
    start_s = parse_time_s(str(offset), where)
    if stated_s is None or (not start_s and stated_s > durations[audio] - _WHOLE_WITHIN_S):
        return parse_stretch(audio, str(start_s), None, where)
    return parse_stretch(audio, str(start_s), str(start_s + stated_s), where)


def _stretch_of(utterance: Utterance, where: str) -> Stretch:
    return Stretch(recording=utterance.audio, start_s=utterance.start_s, end_s=utterance.end_s, where=where)


def _stated_s(stated: object, where: str) -> float | None:
    if stated is None:
        return None
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not 0 <= stated < float("inf"):
        raise BadManifest(f"{where}: the duration must be seconds, 0 or more, not {stated!r}")
    return float(stated)

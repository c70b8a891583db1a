"""Manifests: JSON lines, one utterance each, in our own words or in NeMo's."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modellab.errors import BadManifest
from modellab.speech.audio import stated_duration_s
from modellab.speech.utterance import Corpus, Utterance, corpus_of

_READ = {"id", "audio", "audio_filepath", "text", "language", "speaker", "duration_s", "duration"}


def read_manifest(path: Path, name: str, language: str = "") -> Corpus:
    """Give the corpus of a manifest. Paths in it are relative to its folder; `language` is for lines that name none.

    Every line is an object with `audio` and `text`, and may have `id`, `language`, `speaker` and `duration_s`; NeMo's
    `audio_filepath` and `duration` are read too. Other plain values are kept as extra facts. A file that is there but
    cannot be read as audio is kept: hearing it is what fails, and is recorded.

    Raises:
        BadManifest: naming file and line, on a line that is not JSON, lacks a key, repeats an id or names a file that
            is not there.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadManifest(f"cannot read manifest {path}: {error}") from error
    return corpus_of(name, tuple(_utterances(text, path, language)))


def _utterances(text: str, path: Path, language: str) -> Iterator[Utterance]:
    first_seen: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):  # `splitlines` breaks at U+2028 too, which JSON allows
        if not line.strip():
            continue
        where = f"{path}:{number}"
        utterance = _utterance(_object(line, where), path.parent, language, where)
        if utterance.id in first_seen:
            raise BadManifest(f"{where}: id {utterance.id!r} stands on line {first_seen[utterance.id]} already")
        first_seen[utterance.id] = number
        yield utterance


def _object(line: str, where: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
        json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair can be read, and never written
    except ValueError as error:
        raise BadManifest(f"{where}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise BadManifest(f"{where}: a JSON object was expected, not {type(row).__name__}")
    return row


def _utterance(row: Mapping[str, Any], folder: Path, language: str, where: str) -> Utterance:
    named = row.get("audio", row.get("audio_filepath"))
    if not isinstance(named, str) or not named:
        raise BadManifest(f"{where}: no 'audio' (or 'audio_filepath') that names a file")
    if not isinstance(row.get("text"), str):
        raise BadManifest(f"{where}: no 'text' that holds the reference; write \"\" where nobody speaks")
    audio = folder / named
    if not audio.is_file():
        raise BadManifest(f"{where}: no audio file at {audio}")
    return Utterance(
        id=str(row["id"] if row.get("id") not in (None, "") else Path(named).with_suffix("").as_posix()),
        audio=audio,
        duration_s=_duration_s(row.get("duration_s", row.get("duration")), audio, where),
        reference=row["text"],
        language=str(row.get("language") or language),
        speaker=None if row.get("speaker") is None else str(row["speaker"]),
        extra={k: str(v) for k, v in row.items() if k not in _READ and isinstance(v, str | int | float)},
    )


def _duration_s(stated: object, audio: Path, where: str) -> float:
    if stated is None:
        return stated_duration_s(audio)
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not 0 <= stated < float("inf"):
        raise BadManifest(f"{where}: the duration must be seconds, 0 or more, not {stated!r}")
    return float(stated)

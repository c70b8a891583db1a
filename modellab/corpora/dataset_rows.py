"""Rows: those of one split of a dataset, and the manifest that they become."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any

from modellab.corpora.fields import Fields
from modellab.corpora.manifest import KEYS
from modellab.corpora.tongue import stated_language
from modellab.errors import BadManifest
from modellab.speech.audio import AUDIO_SUFFIXES, stated_duration_s

MANIFEST = "manifest.jsonl"

_AUDIO = "audio"
_OPENINGS = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3", b"\x1aE\xdf\xa3": ".webm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of a split; `where` names it in messages, `language` is for rows that state none.

    `fetch` gives the bytes of audio that a row names by its path alone; where it may not be read, it is None.
    """

    where: str
    rows: Iterable[Mapping[str, Any]]
    fields: Fields
    fetch: Callable[[str], bytes | None]
    language: str = ""


def unpack(split: Rows, folder: Path) -> None:
    """Write the audio of every row into a folder, named by its hash, and a manifest of them all.

    An id is the row's own, or the name of its audio where the own ones are not of one row each, or its number.

    Raises:
        BadManifest: when there are no rows, or one (counted from 0) has no audio or no text.
    """
    (folder / _AUDIO).mkdir()
    lines, stems = [], []
    for number, row in enumerate(split.rows):
        line, stem = _line(split, row, folder, f"{split.where}, row {number}")
        lines.append(line)
        stems.append(stem)
    if not lines:
        raise BadManifest(f"{split.where} has no rows")
    stated = [str(line.get("source_id", "")) for line in lines]
    numbers = [f"{number:06d}" for number in range(len(lines))]
    ids = next(each for each in (stated, stems, numbers) if all(each) and len(set(each)) == len(each))
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps({'id': id_} | line)}\n" for id_, line in zip(ids, lines, strict=True))


def _line(split: Rows, row: Mapping[str, Any], folder: Path, where: str) -> tuple[dict[str, Any], str]:
    """Give what the manifest says of a row, and the name of its audio without suffix."""
    fields = split.fields
    content, path = _encoded(split, row.get(fields.audio), where)
    audio = folder / _AUDIO / f"{sha256(content).hexdigest()}{_suffix(content, path)}"
    audio.write_bytes(content)
    text, speaker = row.get(fields.text), fields.value(row, fields.speaker)
    if not isinstance(text, str):
        raise BadManifest(f'{where}: no {fields.text!r} that holds the reference; write "" where nobody speaks')
    stated = str(fields.value(row, fields.language) or "")
    facts = {"id": fields.value(row, fields.id)} | {name: fields.value(row, name) for name in fields.rest}
    line = {
        "audio": audio.relative_to(folder).as_posix(),
        "text": text,
        "duration_s": stated_duration_s(audio),
        "language": stated_language(stated) or split.language,
        "speaker": None if speaker is None else str(speaker),
    }
    line |= {f"source_{name}" if name in KEYS else name: value for name, value in facts.items() if value is not None}
    return line, PurePath(path).stem


def _encoded(split: Rows, audio: object, where: str) -> tuple[bytes, str]:
    """Give the bytes of a row's audio as they are encoded, and the path it bears."""
    told = audio if isinstance(audio, dict) else {}
    content, path = told.get("bytes"), str(told.get("path") or "")
    if content is None and path:
        content = split.fetch(path)
    if not isinstance(content, bytes):
        raise BadManifest(f"{where}: no audio" + (f", only a path that is not read: {path!r:.120}" if path else ""))
    return content, path


def _suffix(content: bytes, path: str) -> str:
    """Give the suffix of what the bytes begin like, or else that of the path."""
    if content[4:8] == b"ftyp":
        return ".m4a"
    told = PurePath(path).suffix.lower()
    return next((suffix for opening, suffix in _OPENINGS.items() if content.startswith(opening)), "") or (
        told if told in AUDIO_SUFFIXES else ""
    )

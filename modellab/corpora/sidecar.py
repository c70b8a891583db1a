"""Folders of audio with a text file beside each recording."""

import re
from pathlib import Path

from modellab.errors import BadManifest
from modellab.speech.audio import AUDIO_SUFFIXES, stated_duration_s
from modellab.speech.utterance import Corpus, Utterance, corpus_of

_LANGUAGE = re.compile("[a-z]{2}")  # ISO 639-1


def read_sidecars(folder: Path, name: str, language: str = "", speaker: str | None = None) -> Corpus:
    """Give the corpus of a folder: each recording's reference is the `.txt` of its name, found at any depth.

    Without `language`, a folder of two letters that holds a recording names it: `de/hello.wav` is German.

    Raises:
        BadManifest: when a recording has no text beside it, or there is no recording at all.
    """
    recordings = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    return corpus_of(name, tuple(_utterance(path, folder, language, speaker) for path in recordings))


def _utterance(recording: Path, folder: Path, language: str, speaker: str | None) -> Utterance:
    text, holder = recording.with_suffix(".txt"), recording.parent.name
    try:
        reference = text.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadManifest(f"cannot read the reference of {recording}, expected in {text.name}: {error}") from error
    return Utterance(
        id=recording.relative_to(folder).with_suffix("").as_posix(),
        audio=recording,
        duration_s=stated_duration_s(recording),
        reference=reference,
        language=language or (holder if _LANGUAGE.fullmatch(holder) else ""),
        speaker=speaker,
    )

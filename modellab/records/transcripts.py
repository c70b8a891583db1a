"""TranscriptCache: what models wrote, by everything that it follows from, so that nothing is heard twice in vain."""

import sqlite3
from functools import cache
from hashlib import sha256
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from modellab.errors import BadTranscript
from modellab.speech.audio import Audio
from modellab.speech.transcript import Transcript
from modellab.write_ahead import write_ahead

FILE = "transcripts.sqlite"
_WAIT_S = 60.0  # for other processes that write


class TranscriptCache:
    """The transcripts of one model, addressed by content: its identity, the samples heard and the language told.

    The file is shared by all models and processes. A file that cannot be read or written costs time and no result:
    nothing is recalled and nothing kept.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path
        self._identity = identity
        self._database: sqlite3.Connection | None = None

    def recall(self, audio: Audio, language: str | None) -> Transcript | None:
        """Give what an equal model wrote for equal audio; None where nobody knows."""
        try:
            found = self._open().execute(
                "SELECT transcript FROM transcripts WHERE key = ?", (self._key(audio, language),)
            )
            row = found.fetchone()
            return None if row is None else _transcripts().validate_json(row[0])
        except (sqlite3.Error, OSError, ValidationError, BadTranscript):
            return None

    def keep(self, audio: Audio, language: str | None, transcript: Transcript) -> None:
        """Remember what was written."""
        written = _transcripts().dump_json(transcript).decode()
        try:
            with self._open() as database:
                database.execute(
                    "INSERT OR REPLACE INTO transcripts VALUES (?, ?)", (self._key(audio, language), written)
                )
        except (sqlite3.Error, OSError):
            return

    def close(self) -> None:
        """Close the file; harmless when called again."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self._path, timeout=_WAIT_S)
            try:
                _prepare(database)
            except BaseException:
                database.close()
                raise
            self._database = database
        return self._database

    def _key(self, audio: Audio, language: str | None) -> str:
        heard = sha256(audio.samples.tobytes()).hexdigest()
        return sha256(f"{self._identity}/{language}/{heard}".encode()).hexdigest()


def _prepare(database: sqlite3.Connection) -> None:
    write_ahead(database, _WAIT_S)
    database.execute("PRAGMA synchronous = NORMAL")
    with database:
        database.execute("CREATE TABLE IF NOT EXISTS transcripts (key TEXT PRIMARY KEY, transcript TEXT)")


@cache
def _transcripts() -> TypeAdapter[Transcript]:
    return TypeAdapter(Transcript)

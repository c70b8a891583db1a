"""Uploads over HTTP: what a stranger calls a file means nothing, and no file of his costs the server an error."""

import io
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile
from fastapi.testclient import TestClient

MODEL = "fake:toy:cpu:float32"
TRANSCRIBE = "/v1/audio/transcriptions"
NAMES = ["../../escaped.wav", "a\x00b.wav", "C:\\escaped.wav", "x.m3u8", "x" * 300, "é.wav"]
KINDS = ["audio/wav", "text/html", "application/vnd.apple.mpegurl"]


def sound(kind: str, subtype: str | None = None) -> bytes:
    """Give a file of half a second."""
    written = io.BytesIO()
    soundfile.write(written, np.full(8_000, 0.1, np.float32), 16_000, format=kind, subtype=subtype)
    return written.getvalue()


def broken() -> bytes:
    """Give a flac file whose header is whole, and whose frames are noise."""
    data = sound("FLAC")
    return data[:60] + bytes(reversed(data[60:]))


def kept(folder: Path) -> list[Path]:
    """Give the files of a folder that an upload could have left."""
    return [path for path in folder.rglob("*") if path.is_file() and {"uploads", "escaped.wav"} & set(path.parts)]


def test_what_a_file_is_called_means_nothing(client: TestClient, tmp_path: Path) -> None:
    """A wav is heard under any name and type, and no file is left under its name, or at all."""
    for name, kind in zip([*NAMES, str(tmp_path / "escaped.wav")], cycle(KINDS), strict=False):
        answer = client.post(TRANSCRIBE, files={"file": (name, sound("WAV"), kind)}, data={"model": MODEL})
        assert answer.status_code == 200, (name, answer.text)
    assert kept(tmp_path) == []


CASES: list[tuple[bytes, int, str]] = [
    (broken(), 400, "bad_audio"),
    (sound("WAV")[:30], 400, "bad_audio"),
    (b"ffconcat version 1.0\nfile /etc/passwd\n", 415, "unsupported_media"),
    (b"<html>", 415, "unsupported_media"),
    (sound("RAW", "PCM_16"), 415, "unsupported_media"),
]


def test_what_is_no_audio_is_the_clients_error(client: TestClient) -> None:
    """The envelope names the field, the code is stable, and neither the file's name nor what it names is told."""
    for data, status, code in CASES:
        answer = client.post(TRANSCRIBE, files={"file": ("song.wav", data, "audio/wav")}, data={"model": MODEL})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (status, code, "file"), data[:30]
        assert not {"song", "passwd"} & set(error["message"].split())

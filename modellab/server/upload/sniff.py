"""Sniff: what a file is by its first bytes. Its name, and what a client calls it, are no evidence."""

import re

HEAD_BYTES = 16

SUPPORTED = "wav, flac, ogg (vorbis, opus), mp3, m4a/mp4, webm/mkv, aac (ADTS), aiff and caf"

# A layer-I stream is left out: FF FE is how text of 16-bit characters begins.
_MAGIC = {
    "wav": rb"RI[FX][FX].{4}WAVE|RF64.{4}WAVE",
    "flac": rb"fLaC",
    "ogg": rb"OggS\x00",
    "aiff": rb"FORM.{4}AIF[FC]",
    "caf": rb"caff\x00\x01",
    "mp4": rb".{4}ftyp",
    "matroska": rb"\x1aE\xdf\xa3",
    "aac": rb"\xff[\xf0\xf1\xf8\xf9]",
    "mp3": rb"ID3|\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd]",
}
_PATTERNS = {kind: re.compile(magic, re.DOTALL) for kind, magic in _MAGIC.items()}

KINDS = tuple(_MAGIC)


def kind_of(head: bytes) -> str | None:
    """Give the kind of a file, one of KINDS, by its first HEAD_BYTES; None for one that is not supported.

    A playlist (HLS, ffconcat, XML) is none of them: what it names would be read in the stranger's stead.
    """
    return next((kind for kind, magic in _PATTERNS.items() if magic.match(head)), None)

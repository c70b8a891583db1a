"""Protocol: what a worker and its host mean by a frame.

The host says hello once. After that every frame of the worker has one answer: `{"ask": A, ...}` is answered by
`{"answer": A, ...}`, or by `{"answer": A, "kind": ..., "message": ...}` where the host raised. Who asks to transcribe
one audio aloud gets `{"part": {...}}` for each segment before the answer.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version
from typing import Any, Self

import numpy as np

from modellab.backends.base import DecodeOptions, as_json
from modellab.errors import BadFrame
from modellab.measuring.frame import Frame
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment, Transcript, Word

VERSION = 2
"""2 lets a question name decode options, and be answered aloud. Hosts of 1 do all the rest."""

SPOKEN = (1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Who hosts: the version of the protocol, of Model Lab and of Python, and the process."""

    protocol: int
    modellab: str
    python: str
    pid: int

    @classmethod
    def of_this_process(cls) -> Self:
        """Give what this process says of itself."""
        return cls(protocol=VERSION, modellab=version("modellab"), python=platform.python_version(), pid=os.getpid())

    @classmethod
    def read(cls, frame: Frame) -> Self:
        """Give the hello of a frame; what a later version adds to it is passed over.

        Raises:
            BadFrame: when it is none.
        """
        try:
            return cls(**{name: frame.header[name] for name in cls.__dataclass_fields__})
        except KeyError as error:
            raise BadFrame(f"a hello without {error}: {dict(frame.header)!r:.200}") from error


def write_audios(audios: Sequence[Audio]) -> tuple[list[int], bytes]:
    """Give how many samples each audio has, and all samples one after another as float32, little endian."""
    samples = [np.ascontiguousarray(audio.samples, "<f4") for audio in audios]
    return [part.size for part in samples], b"".join(part.data for part in samples)


def read_audios(counts: Sequence[int], body: bytes | bytearray) -> list[Audio]:
    """Give the audios of a body.

    Raises:
        BadFrame: when the counts are not those of the body.
    """
    if sum(counts) * 4 != len(body):
        raise BadFrame(f"a body of {len(body)} bytes cannot hold {sum(counts)} samples")
    samples = np.frombuffer(body, "<f4").astype(np.float32, copy=False)
    ends = np.cumsum(counts, dtype=int)
    return [Audio(samples=samples[end - count : end]) for count, end in zip(counts, ends, strict=True)]


def write_transcript(transcript: Transcript) -> dict[str, Any]:
    """Give a transcript as JSON values."""
    return {
        "text": transcript.text,
        "language": transcript.language,
        "segments": [write_segment(segment) for segment in transcript.segments],
        "server_s": transcript.server_s,
    }


def read_transcript(written: Mapping[str, Any]) -> Transcript:
    """Give the transcript that was written so; an older Model Lab says nothing of a server."""
    return Transcript(
        text=written["text"],
        language=written["language"],
        segments=tuple(map(read_segment, written["segments"])),
        server_s=written.get("server_s"),
    )


def write_segment(segment: Segment) -> dict[str, Any]:
    """Give a segment as JSON values."""
    return {**_timed(segment), "words": [_timed(word) for word in segment.words]}


def read_segment(written: Mapping[str, Any]) -> Segment:
    """Give the segment that was written so."""
    return Segment(**{**written, "words": tuple(Word(**word) for word in written["words"])})


def write_decode(decode: DecodeOptions) -> dict[str, Any]:
    """Give decode options as JSON values."""
    return {field.name: as_json(getattr(decode, field.name)) for field in fields(decode)}


def read_decode(written: Mapping[str, Any]) -> DecodeOptions:
    """Give the decode options that were written so."""
    return DecodeOptions(**{**written, "temperatures": tuple(written["temperatures"])})


def _timed(part: Segment | Word) -> dict[str, Any]:
    return {"text": part.text, "start_s": float(part.start_s), "end_s": float(part.end_s)}

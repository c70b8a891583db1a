"""Stream: an opened file of a stranger, and its samples block by block. Imported by the process that decodes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import av
import av.subtitles.stream  # PyAV does so at its first file, where no module can be read any more
import soundfile

from modellab.server.upload.limits import bad_audio, unsupported
from modellab.speech.audio import Samples
from modellab.speech.container import blocks

BLOCK_SAMPLES = 1 << 18
UNKNOWN_FRAMES = 1 << 62  # libsndfile states 2**63 - 1 where a header leaves it open

_FORMATS = {"mp4": "mp4", "matroska": "matroska", "aac": "aac"}  # named, so that no other is guessed
_CODECS = (
    "aac",
    "alac",
    "amrnb",
    "amrwb",
    "flac",
    "mp3",
    "mp3float",
    "opus",
    "pcm_f32le",
    "pcm_s16be",
    "pcm_s16le",
    "pcm_s24le",
    "vorbis",
)
_OPTIONS = {"codec_whitelist": ",".join(_CODECS), "protocol_whitelist": "none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What a file states of itself, which may be a lie, and what it holds.

    Attributes:
        frames: samples of each channel; None where it does not say.
        blocks: float32, (frames, channels).
    """

    rate_hz: int
    channels: int
    frames: int | None
    blocks: Iterator[Samples]


@contextmanager
def opened(file: BinaryIO, kind: str) -> Iterator[Stream]:
    """Open a file of a kind; nothing but the file is read, whatever it names.

    Raises:
        Refused: bad_audio, within the body too, or unsupported_media.
    """
    try:
        if kind not in _FORMATS:
            with soundfile.SoundFile(file.fileno(), closefd=False) as sound:
                yield _of_sound(sound)
            return
        with av.open(file, format=_FORMATS[kind], options=_OPTIONS, metadata_errors="replace") as container:
            yield _of_container(container)
    except soundfile.LibsndfileError as error:
        raise bad_audio(error.error_string.strip()) from error
    except av.FFmpegError as error:
        raise bad_audio(str(error.strerror)) from error


def _of_sound(sound: Any) -> Stream:  # noqa: ANN401 - soundfile has no types
    return Stream(
        rate_hz=sound.samplerate,
        channels=sound.channels,
        frames=sound.frames if sound.frames < UNKNOWN_FRAMES else None,
        blocks=_sound_blocks(sound),
    )


def _sound_blocks(sound: Any) -> Iterator[Samples]:  # noqa: ANN401
    frames = BLOCK_SAMPLES // sound.channels
    while (block := sound.read(frames, dtype="float32", always_2d=True)).size:
        yield block


def _of_container(container: Any) -> Stream:  # noqa: ANN401 - PyAV's are not followed
    if not container.streams.audio:
        raise bad_audio("it has no audio track")
    track = container.streams.audio[0]
    coding = track.codec_context.name if track.codec_context else "something unknown"
    if coding not in _CODECS:
        raise unsupported(f"its audio is coded as {coding}")
    track.codec_context.thread_count = 1
    return Stream(
        rate_hz=track.rate or 0,
        channels=track.channels,
        frames=_stated_frames(container, track),
        blocks=blocks(av, container, track, 0.0, None),
    )


def _stated_frames(container: Any, track: Any) -> int | None:  # noqa: ANN401
    if track.duration is not None:
        return int(track.duration * track.time_base * (track.rate or 0))
    if container.duration is not None:
        return int(container.duration * (track.rate or 0) / av.time_base)
    return None

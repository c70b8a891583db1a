"""Containers: recordings as phones and browsers make them, decoded by PyAV where it is installed."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modellab.errors import BadAudio

CONTAINER_SUFFIXES = frozenset({".m4a", ".mp4", ".webm", ".aac", ".mka", ".mkv", ".mov"})

_RUN_UP_S = 1.0  # a decoder that starts in the middle needs some packets before it is right


def read_container(path: Path, start_s: float, end_s: float | None) -> tuple[npt.NDArray[np.float32], int]:
    """Give the first audio track of a file, or a stretch of it: float32, (frames, channels), and its rate in Hz.

    A stretch begins within a millisecond of its start: webm counts in milliseconds, and is not decoded up to there.

    Raises:
        BadAudio: without PyAV, naming what to install; when the file is not audio, or has no audio track.
    """
    av = _pyav(path)
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise BadAudio(f"{path} has no audio track")
            track = container.streams.audio[0]
            pieces = list(blocks(av, container, track, start_s, end_s))
            return np.concatenate(pieces or [np.zeros((0, 1), np.float32)]), int(track.rate)
    except (av.FFmpegError, ValueError) as error:
        raise BadAudio(f"{path} is not audio that PyAV can read: {error}") from error


def container_duration_s(path: Path) -> float:
    """Give the seconds that a file states; 0 without PyAV, or where it is no audio, which reading it will tell."""
    try:
        av = _pyav(path)
    except BadAudio:
        return 0.0
    try:
        with av.open(str(path)) as container:
            track = container.streams.audio[0]
            if track.duration is not None:
                return float(track.duration * track.time_base)
            return float((container.duration or 0) / av.time_base)
    except (av.FFmpegError, IndexError, ValueError):
        return 0.0


def _pyav(path: Path) -> Any:  # noqa: ANN401 - a module that may not be there
    try:
        return import_module("av")
    except ImportError as error:
        raise BadAudio(f"{path}: {path.suffix} needs PyAV, which is missing: pip install 'modellab[av]'") from error


def blocks(
    av: Any,  # noqa: ANN401
    container: Any,  # noqa: ANN401
    track: Any,  # noqa: ANN401
    start_s: float,
    end_s: float | None,
) -> Iterator[npt.NDArray[np.float32]]:
    """Give the stretch in pieces of (frames, channels). Where a frame lies is counted on from the first one's time."""
    first = round(start_s * track.rate)
    last = None if end_s is None else round(end_s * track.rate)
    opening_s = float((track.start_time or 0) * track.time_base)
    if start_s > _RUN_UP_S:
        container.seek(int((opening_s + start_s - _RUN_UP_S) * av.time_base), backward=True)
    planar = av.AudioResampler(format="fltp", rate=track.rate)
    position: int | None = None
    for frame in container.decode(track):
        if position is None:
            position = round((float(frame.pts * frame.time_base) - opening_s) * track.rate) if frame.pts else 0
        for part in planar.resample(frame):
            samples = part.to_ndarray().T
            kept = samples[max(first - position, 0) : None if last is None else max(last - position, 0)]
            position += samples.shape[0]
            if kept.size:
                yield np.ascontiguousarray(kept, dtype=np.float32)
        if last is not None and position >= last:
            return

"""Recordings of a known sound, for corpora of every format."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

MakeRecording = Callable[..., Path]


@pytest.fixture
def record(tmp_path: Path) -> MakeRecording:
    """A maker of recordings under the test's folder: by default two seconds of a tone at 16 kHz."""

    def make(name: str, duration_s: float = 2.0, rate_hz: int = 16_000, channels: int = 1, **facts: float) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
        tone = facts.get("peak", 0.3) * np.sin(2 * np.pi * facts.get("pitch_hz", 300) * time_s)
        soundfile.write(path, np.stack([tone] * channels, axis=1).astype(np.float32), rate_hz)
        return path

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A maker of text files under the test's folder, UTF-8 unless the text is bytes."""

    def make(name: str, text: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make

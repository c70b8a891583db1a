"""Codec: speech that was compressed with losses, and decompressed again."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import soxr

from modellab.conditions.length import fitted
from modellab.conditions.level import Signal, clipped
from modellab.conditions.still import Still
from modellab.errors import BackendUnavailable, BadAudio
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio, Samples
from modellab.speech.effect import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """What PyAV calls a codec: its encoder, the container around it, how samples are laid out, and its options."""

    encoder: str
    container: str
    layout: str
    options: Mapping[str, str]


# Opus at a constant rate and tuned for speech, as calls use it: RFC 6716, section 2.1.
FORMATS: Mapping[str, Format] = {
    "mp3": Format(encoder="libmp3lame", container="mp3", layout="fltp", options={}),
    "opus": Format(encoder="libopus", container="ogg", layout="flt", options={"application": "voip", "vbr": "off"}),
}
# What MPEG-2 layer III has at 16 kHz: ISO/IEC 13818-3. The encoder takes the nearest of them for any other.
MP3_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec(Still):
    """MP3 or Opus at `kbps`, from 16 kHz mono. What encoder and decoder delay is taken back.

    Raises:
        BackendUnavailable: without PyAV, naming what to install.
    """

    name: str
    kbps: float
    codec: str
    version: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        _pyav(self.name)

    @property
    def condition(self) -> Condition:
        """The codec and its bit rate in kbps."""
        return Condition(kind=self.name, strength=self.kbps, unit="kbps")

    def apply(self, audio: Audio, random: np.random.Generator) -> Audio:  # noqa: ARG002 - nothing here is chance
        """Give the audio as it comes out of the codec.

        Raises:
            BadAudio: when the codec will not take or give it.
        """
        av, form = _pyav(self.name), FORMATS[self.codec]
        try:
            heard = _decode(av, encode(audio.samples, form, self.kbps), form)
        except (av.FFmpegError, ValueError) as error:
            raise BadAudio(f"{self.codec} gave nothing back: {error}") from error
        return clipped(fitted(heard, audio.samples.size))


def encode(samples: Samples, form: Format, kbps: float) -> bytes:
    """Give the file that a codec makes of samples of shape (samples,) at 16 kHz."""
    av, file = _pyav(form.encoder), io.BytesIO()
    with av.open(file, "w", format=form.container) as container:
        track = container.add_stream(form.encoder, rate=SAMPLE_RATE_HZ, layout="mono", options=dict(form.options))
        track.bit_rate = round(kbps * 1000)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[np.newaxis]), form.layout, "mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, 0
        for piece in (frame, None):
            container.mux(track.encode(piece))
    return file.getvalue()


def _decode(av: Any, file: bytes, form: Format) -> Signal:  # noqa: ANN401 - a module that may not be there
    """Give the samples at 16 kHz, without those before and after them that the container says the encoder added."""
    with av.open(io.BytesIO(file), format=form.container) as container:
        track = container.streams.audio[0]
        planar = av.AudioResampler(format="fltp", layout="mono", rate=track.rate)
        pieces = [part.to_ndarray()[0] for frame in container.decode(track) for part in planar.resample(frame)]
        heard = np.concatenate(pieces or [np.zeros(1, np.float32)])
        return np.asarray(soxr.resample(heard, track.rate, SAMPLE_RATE_HZ))


def _pyav(name: str) -> Any:  # noqa: ANN401 - a module that may not be there
    try:
        return import_module("av")
    except ImportError as error:
        raise BackendUnavailable(f"{name} needs PyAV, which is missing: pip install 'modellab[av]'") from error

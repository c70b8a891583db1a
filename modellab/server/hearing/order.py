"""Order: what one request asks of a model."""

from dataclasses import dataclass

from modellab.backends.base import DecodeOptions
from modellab.speech.audio import Audio


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Order:
    """One audio for one model: `model` is its id, `decode` how it is to listen."""

    model: str
    audio: Audio
    decode: DecodeOptions

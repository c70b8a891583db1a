"""Clip: the sound of an utterance as the page holds it."""

import io
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import soundfile

from modellab.errors import BadAudio
from modellab.records.record import Record
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio

DEFAULT_BUDGET_BYTES = 20 << 20
MEDIA_TYPE = "audio/ogg"
_FRAMES_AT_ONCE = SAMPLE_RATE_HZ  # libsndfile overflows its stack where a long Vorbis file is written at once

Listen: TypeAlias = Callable[[Record], Audio]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clips:
    """Clips as base64 by their place in the listing, and by reason the places of those that are not there."""

    clips: dict[int, str] = field(default_factory=dict)
    reasons: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


def encode_vorbis(audio: Audio) -> bytes:
    """Give the audio as Ogg Vorbis: 16 kHz, mono, some 6 kB a second, a third of FLAC."""
    target = io.BytesIO()
    with soundfile.SoundFile(target, "w", SAMPLE_RATE_HZ, 1, format="OGG", subtype="VORBIS") as file:
        for start in range(0, audio.samples.size, _FRAMES_AT_ONCE):
            file.write(audio.samples[start : start + _FRAMES_AT_ONCE])
    return target.getvalue()


def collect_clips(records: Iterable[tuple[int, Record]], listen: Listen, budget_bytes: int) -> Clips:
    """Give the clips of records, each with its place, in this order until the next would not fit into the budget.

    The budget is in bytes of the page. What does not fit is not listened to any more; what cannot be read is passed
    over with its reason.
    """
    found, spent_bytes, full = Clips(), 0, False
    for place, record in records:
        if full:
            found.reasons[_over(budget_bytes)].append(place)
            continue
        try:
            clip = b64encode(encode_vorbis(listen(record))).decode()
        except BadAudio as error:
            found.reasons[str(error)].append(place)
            continue
        full = spent_bytes + len(clip) > budget_bytes
        if full:
            found.reasons[_over(budget_bytes)].append(place)
        else:
            spent_bytes += len(clip)
            found.clips[place] = clip
    return found


def _over(budget_bytes: int) -> str:
    return f"audio not embedded: beyond the budget of {budget_bytes / (1 << 20):.0f} MiB"

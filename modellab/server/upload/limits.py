"""Limits: how much of a stranger's audio is decoded, and by how large a process."""

from dataclasses import dataclass

from modellab.errors import Refused
from modellab.server.upload.sniff import SUPPORTED

SAMPLE_BYTES = 4
LEAST_RATE_HZ = 1_000
MOST_RATE_HZ = 384_000
MOST_CHANNELS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a file may become.

    Attributes:
        duration_s: the longest audio, in seconds.
        decoded_bytes: all channels at their own rate as float32.
        memory_bytes: the address space of the process that decodes.
        timeout_s: how long decoding may take, in seconds.
    """

    duration_s: float
    decoded_bytes: int
    memory_bytes: int
    timeout_s: float

    def check_form(self, rate_hz: int, channels: int) -> None:
        """Refuse what no recorder makes.

        Raises:
            Refused: bad_audio.
        """
        if not LEAST_RATE_HZ <= rate_hz <= MOST_RATE_HZ:
            raise bad_audio(f"it states a rate of {rate_hz} Hz, where {LEAST_RATE_HZ} to {MOST_RATE_HZ} are heard")
        if not 1 <= channels <= MOST_CHANNELS:
            raise bad_audio(f"it states {channels} channels, where 1 to {MOST_CHANNELS} are heard")

    def check_size(self, duration_s: float, decoded_bytes: int, found: str) -> None:
        """Refuse too much; `found` says how we know of it: "states", or "decodes to".

        Raises:
            Refused: too_long or too_much_decoded.
        """
        if duration_s > self.duration_s:
            words = f"the audio is too long: it {found} {duration_s:.1f} s, the limit is {self.duration_s:g} s"
            raise _too_large(words, "too_long")
        if decoded_bytes > self.decoded_bytes:
            words = f"the audio is too large: it {found} {decoded_bytes} bytes, the limit is {self.decoded_bytes}"
            raise _too_large(words, "too_much_decoded")

    @property
    def out_of_memory(self) -> Refused:
        """What is said of a file that needs more memory than a decoder has."""
        words = f"the audio is too large: decoding it needs more than {self.memory_bytes} bytes of memory"
        return _too_large(words, "too_much_decoded")

    @property
    def out_of_time(self) -> Refused:
        """What is said of a file that takes longer than a decoder may."""
        words = f"the audio was not decoded within {self.timeout_s:g} s: send it as wav or flac, or in parts"
        return Refused(words, status=422, code="decode_timeout", param="file")


def bad_audio(why: str, status: int = 400) -> Refused:
    """Give what is said of a file that is not audio, or is broken."""
    return Refused(f"the file is not audio that can be heard: {why}", status=status, code="bad_audio", param="file")


def unsupported(why: str) -> Refused:
    """Give what is said of a file that is not heard here, whole as it may be."""
    words = f"the file is not audio that is heard here: {why}; send {SUPPORTED}"
    return Refused(words, status=415, code="unsupported_media", param="file")


def _too_large(words: str, code: str) -> Refused:
    return Refused(words, status=413, code=code, param="file")

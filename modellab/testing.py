"""FakeBackend: a recogniser with no weights, for tests of everything around one."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import ClassVar, Literal

from modellab.backends.base import Backend
from modellab.checkpoints.weights import Weights
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment, Transcript, Word

Mishap = Literal["raises", "aborts", "exits", "hangs", "prints"]

_LEAKED: list[bytes] = []


@dataclass(kw_only=True)
class FakeBackend(Backend):
    """Writes what it is told to: `replies` in turn, over and over, or what `listen` makes of an audio.

    Each audio takes `seconds_per_audio`. On the audio numbered `mishap_at`, counted from 0, or on every load where that
    is None, the `mishap` happens: it raises a RuntimeError, aborts or ends its process, hangs for an hour, or prints
    to standard output and goes on.
    For every audio it keeps `leaks_bytes` of memory, written to, until its process ends, closed or not; a batch of more
    than `most_audios` raises a MemoryError.
    `load_error` and `listen_error` are raised where they are set. `loads`, `closes` and `batches` count what was asked
    of it; `batches` holds the size of each.
    """

    layout: ClassVar[str] = "none"
    package: ClassVar[str] = "modellab"
    modules: ClassVar[tuple[str, ...]] = ()
    cannot_honour: ClassVar[frozenset[str]] = frozenset({"vad"})

    weights: Weights | None = None
    replies: tuple[str, ...] = ("hello world",)
    seconds_per_audio: float = 0.0
    mishap: Mishap | None = None
    mishap_at: int | None = 0
    leaks_bytes: int = 0
    most_audios: int | None = None
    listen: Callable[[Audio], str] | None = field(default=None, init=False, repr=False)
    load_error: Exception | None = field(default=None, init=False, repr=False)
    listen_error: Exception | None = field(default=None, init=False, repr=False)
    loads: int = field(default=0, init=False)
    closes: int = field(default=0, init=False)
    batches: list[int] = field(default_factory=list, init=False)
    _turns: Iterator[int] = field(default_factory=count, init=False, repr=False, compare=False)

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Say that only float32 on the cpu is faked."""
        return None if (device, compute_type) == ("cpu", "float32") else f"the fake has no {compute_type} on {device}"

    def load(self) -> None:
        """Count the load, or fail as told."""
        if self.load_error:
            raise self.load_error
        if self.mishap and self.mishap_at is None:
            _happen(self.mishap)
        self.loads += 1

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give the next replies, or fail as told."""
        if self.listen_error:
            raise self.listen_error
        if self.most_audios is not None and len(audios) > self.most_audios:
            raise MemoryError(f"told to hold {self.most_audios} audios at most, not {len(audios)}")
        self.batches.append(len(audios))
        return [self._write(audio, self.decode.language or language) for audio in audios]

    def close(self) -> None:
        """Count the close."""
        self.closes += 1

    def _write(self, audio: Audio, language: str | None) -> Transcript:
        number = next(self._turns)
        time.sleep(self.seconds_per_audio)
        if self.leaks_bytes:
            _LEAKED.append(b"x" * self.leaks_bytes)
        if self.mishap and number == self.mishap_at:
            _happen(self.mishap)
        text = self.listen(audio) if self.listen else self.replies[number % len(self.replies)]
        words = _spread(text, audio.duration_s) if self.decode.timestamps == "word" else ()
        segments = (Segment(text=text, start_s=0.0, end_s=audio.duration_s, words=words),) if text else ()
        return Transcript(text=text, segments=segments, language=language)


def _spread(text: str, duration_s: float) -> tuple[Word, ...]:
    """Give the words of a text, one after another, all as long."""
    words = text.split()
    each_s = duration_s / max(1, len(words))
    return tuple(Word(text=word, start_s=at * each_s, end_s=(at + 1) * each_s) for at, word in enumerate(words))


def _happen(mishap: Mishap) -> None:
    match mishap:
        case "raises":
            raise RuntimeError("told to raise")
        case "aborts":
            os.abort()
        case "exits":
            os._exit(3)
        case "hangs":
            time.sleep(3600)
        case "prints":
            sys.stdout.write("printed by Python\n")
            os.write(1, b"printed by a library\n")

"""FakeBackend: a recogniser with no weights, for tests of everything around one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from modellab.backends.base import Backend
from modellab.checkpoints.weights import Weights
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment, Transcript


@dataclass(kw_only=True)
class FakeBackend(Backend):
    """Writes what it is told to: `replies` in turn, over and over, or what `listen` makes of an audio.

    `load_error` and `listen_error` are raised where they are set. `loads`, `closes` and `batches` count what was asked
    of it; `batches` holds the size of each.
    """

    layout: ClassVar[str] = "none"
    package: ClassVar[str] = "modellab"
    modules: ClassVar[tuple[str, ...]] = ()
    cannot_honour: ClassVar[frozenset[str]] = frozenset({"vad"})

    weights: Weights | None = None
    replies: tuple[str, ...] = ("hello world",)
    listen: Callable[[Audio], str] | None = field(default=None, init=False, repr=False)
    load_error: Exception | None = field(default=None, init=False, repr=False)
    listen_error: Exception | None = field(default=None, init=False, repr=False)
    loads: int = field(default=0, init=False)
    closes: int = field(default=0, init=False)
    batches: list[int] = field(default_factory=list, init=False)
    heard: int = field(default=0, init=False)

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Say that only float32 on the cpu is faked."""
        return None if (device, compute_type) == ("cpu", "float32") else f"the fake has no {compute_type} on {device}"

    def load(self) -> None:
        """Count the load, or fail as told."""
        if self.load_error:
            raise self.load_error
        self.loads += 1

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give the next replies, or fail as told."""
        if self.listen_error:
            raise self.listen_error
        self.batches.append(len(audios))
        return [self._write(audio, self.decode.language or language) for audio in audios]

    def close(self) -> None:
        """Count the close."""
        self.closes += 1

    def _write(self, audio: Audio, language: str | None) -> Transcript:
        text = self.listen(audio) if self.listen else self.replies[self.heard % len(self.replies)]
        self.heard += 1
        segments = (Segment(text=text, start_s=0.0, end_s=audio.duration_s),) if text else ()
        return Transcript(text=text, segments=segments, language=language)

"""Kaldi's models through Vosk.

Source: https://github.com/alphacep/vosk-api (Apache-2.0).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from modellab.backends.base import EVERY_OPTION, Backend
from modellab.backends.device import device_refusal
from modellab.checkpoints.weights import Weights
from modellab.errors import BadCheckpoint, BadTranscript
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.pcm import pcm16
from modellab.speech.transcript import Segment, Transcript, Word

if TYPE_CHECKING:
    import vosk

_SILENT = -2  # of Vosk's log levels, one below errors
_CHUNK_BYTES = SAMPLE_RATE_HZ // 5 * 2  # 0.2 s, as Vosk's own examples send


@dataclass(kw_only=True)
class Vosk(Backend):
    """Models in the folders that Vosk publishes, on one processor thread whatever `threads` says.

    A batch is heard one after another, each by a recogniser of its own. A model is of one language, and ends a segment
    where it hears a pause. Vosk counts time in steps of 0.03 s, as its own models do, whatever the model's step is.
    """

    layout: ClassVar[str] = "vosk"
    package: ClassVar[str] = "vosk"
    modules: ClassVar[tuple[str, ...]] = ("vosk",)
    cannot_honour: ClassVar[frozenset[str]] = EVERY_OPTION - {"timestamps"}
    architectures: ClassVar[frozenset[str]] = frozenset({"kaldi"})

    weights: Weights
    _model: "vosk.Model | None" = field(default=None, init=False, repr=False)

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Say that it computes in float32 on the cpu and nowhere else: its wheels know no GPU."""
        if (device, compute_type) == ("cpu", "float32"):
            return None
        return device_refusal(device) or f"Vosk runs on cpu in float32, not on {device} in {compute_type}"

    def load(self) -> None:
        """Read the model.

        Raises:
            BadCheckpoint: when the folder holds no model that Vosk can use.
        """
        import vosk

        vosk.SetLogLevel(_SILENT)
        folder = self.weights.folder
        if not (folder / "am" / "final.mdl").is_file():  # Vosk would say no more than that it failed
            raise BadCheckpoint(f"{folder} is no model of Vosk: it holds no am/final.mdl")
        try:
            self._model = vosk.Model(str(folder))
        except Exception as error:
            raise BadCheckpoint(f"Vosk cannot load {folder}: {error}") from error

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio, in small letters and without punctuation."""
        return [self._listen(audio, language) for audio in audios]

    def close(self) -> None:
        """Drop the model."""
        self._model = None

    def _listen(self, audio: Audio, language: str | None) -> Transcript:
        known = self.weights.languages
        segments = tuple(
            segment
            for answer in self._answers(pcm16(audio))
            if (segment := _segment(answer, audio.duration_s, timed=self.decode.timestamps == "word"))
        )
        return Transcript(
            text=" ".join(segment.text for segment in segments),
            segments=segments,
            language=known[0] if len(known) == 1 else language,
        )

    def _answers(self, pcm: bytes) -> Iterator[str]:
        """Give what Vosk says at each pause and at the end, as JSON; what it guesses in between is not asked for."""
        import vosk

        assert self._model is not None, "load() comes first"
        recogniser = vosk.KaldiRecognizer(self._model, SAMPLE_RATE_HZ)
        recogniser.SetWords(True)
        for start in range(0, len(pcm), _CHUNK_BYTES):
            if recogniser.AcceptWaveform(pcm[start : start + _CHUNK_BYTES]):
                yield recogniser.Result()
        yield recogniser.FinalResult()


def _segment(answer: str, audio_s: float, *, timed: bool) -> Segment | None:
    """Give the segment of an answer: `{"result": [{"word", "start", "end", "conf"}, …], "text"}`; None of no words.

    Raises:
        BadTranscript: when it is something else.
    """
    try:
        told = json.loads(answer)
        words = tuple(
            Word(text=each["word"], start_s=min(each["start"], audio_s), end_s=min(each["end"], audio_s))
            for each in told.get("result", ())
        )
        text = told["text"].strip()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadTranscript(f"Vosk answered no transcript: {answer[:200]!r}") from error
    if not text:
        return None
    if not words:
        raise BadTranscript(f"Vosk answered words without their times: {answer[:200]!r}")
    return Segment(text=text, start_s=words[0].start_s, end_s=words[-1].end_s, words=words if timed else ())

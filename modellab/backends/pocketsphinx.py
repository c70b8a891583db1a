"""PocketSphinx: hidden Markov models and trigrams, as speech was recognised before neural networks.

Source: https://github.com/cmusphinx/pocketsphinx (BSD-2-Clause; its voice activity detector BSD-3-Clause). The model of
US English is in the package, BSD-2-Clause too.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from modellab.backends.base import EVERY_OPTION, NO_WEIGHTS, Backend
from modellab.backends.device import device_refusal
from modellab.checkpoints.weights import Weights
from modellab.errors import BadCheckpoint, BadDefinition
from modellab.speech.audio import Audio
from modellab.speech.pcm import pcm16
from modellab.speech.transcript import Segment, Transcript, Word

if TYPE_CHECKING:
    from pocketsphinx import Decoder

Model = Literal["en-us"]

_SEED = 1  # of the half bit of noise without which digital silence has no spectrum, and some word is made of it
_FILLER = re.compile(r"<.*>|\[.*]|\+\+.*\+\+")
_PRONUNCIATION = re.compile(r"\([0-9]+\)$")


@dataclass(kw_only=True)
class PocketSphinx(Backend):
    """A baseline in English, on one processor thread whatever `threads` says. A batch is heard one after another.

    Each utterance is heard by a front end that is set up anew: its mean, which is subtracted, is of this utterance
    alone, and its dither is the same noise each time. So what was heard before does not matter.

    Attributes:
        model: which of the models in its package; "en-us" is the one there is.
    """

    layout: ClassVar[str] = NO_WEIGHTS
    package: ClassVar[str] = "pocketsphinx"
    modules: ClassVar[tuple[str, ...]] = ("pocketsphinx",)
    cannot_honour: ClassVar[frozenset[str]] = EVERY_OPTION - {"timestamps", "vad"}

    weights: Weights | None = None
    model: Model
    _decoder: "Decoder | None" = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.model not in get_args(Model):
            raise BadDefinition(f"model must be one of {', '.join(get_args(Model))}, not {self.model!r}")

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Say that it computes in float32 on the cpu and nowhere else."""
        if (device, compute_type) == ("cpu", "float32"):
            return None
        return device_refusal(device) or f"PocketSphinx runs on cpu in float32, not on {device} in {compute_type}"

    def load(self) -> None:
        """Read the model that is in the package.

        Raises:
            BadCheckpoint: when it is not there; POCKETSPHINX_PATH may lead elsewhere.
        """
        from pocketsphinx import Decoder, get_model_path

        folder = Path(get_model_path(self.model))
        try:
            self._decoder = Decoder(
                hmm=str(folder / self.model),
                lm=str(folder / f"{self.model}.lm.bin"),
                dict=str(folder / f"cmudict-{self.model}.dict"),
                cmn="batch",
                dither=True,
                seed=_SEED,
                loglevel="FATAL",
            )
        except RuntimeError as error:
            raise BadCheckpoint(
                f"PocketSphinx cannot load {folder}: {error}. Install the package again, or unset POCKETSPHINX_PATH."
            ) from error

    def transcribe(
        self,
        audios: Sequence[Audio],
        language: str | None = None,  # noqa: ARG002 - its model knows one language
    ) -> Sequence[Transcript]:
        """Give one finished transcript per audio, in small letters and without punctuation; always English."""
        return [self._listen(audio) for audio in audios]

    def close(self) -> None:
        """Drop the model."""
        self._decoder = None

    def _listen(self, audio: Audio) -> Transcript:
        pcm = pcm16(audio)
        stretches = _speech_in(pcm) if self.decode.vad else ((0.0, pcm),)
        said = [words for start_s, stretch in stretches if (words := self._words(start_s, stretch))]
        segments = tuple(_segment(words, timed=self.decode.timestamps == "word") for words in said)
        return Transcript(text=" ".join(s.text for s in segments), segments=segments, language="en")

    def _words(self, start_s: float, pcm: bytes) -> tuple[Word, ...]:
        """Give the words of 16-bit samples that begin at `start_s`."""
        assert self._decoder is not None, "load() comes first"
        decoder, frames_per_s = self._decoder, self._decoder.config["frate"]
        decoder.reinit_feat()
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        return tuple(
            Word(
                text=_PRONUNCIATION.sub("", each.word),
                start_s=start_s + each.start_frame / frames_per_s,
                end_s=start_s + (each.end_frame + 1) / frames_per_s,
            )
            for each in decoder.seg() or ()
            if not _FILLER.fullmatch(each.word)
        )


def _speech_in(pcm: bytes) -> Iterator[tuple[float, bytes]]:
    """Give the stretches of 16-bit samples with speech in them, and when each begins, in seconds."""
    from pocketsphinx import Segmenter

    segmenter = Segmenter()
    cut = b"" if len(pcm) % segmenter.frame_bytes else b"\0\0"  # speech at the end is given only of a frame cut short
    for stretch in segmenter.segment(BytesIO(pcm + cut)):
        yield stretch.start_time, stretch.pcm


def _segment(words: Sequence[Word], *, timed: bool) -> Segment:
    text = " ".join(word.text for word in words)
    return Segment(text=text, start_s=words[0].start_s, end_s=words[-1].end_s, words=tuple(words) if timed else ())

"""Variation: a model heard in another way than in the lane of accuracy, to see whether its words stay the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from modellab.backends.base import Recogniser
from modellab.errors import UnknownName
from modellab.measuring.model import Listener, Model
from modellab.records import variation as names
from modellab.speech.audio import Audio
from modellab.speech.piece import Piece, pieces
from modellab.speech.transcript import Segment, Transcript, Word
from modellab.speech.utterance import Corpus

PIECE_S = 28.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """What is done in another way; what is None or empty is done as usual.

    Attributes:
        name: as it stands in records.
        batch_size: utterances a batch.
        longest_s: recordings that are longer are heard in pieces of at most this many seconds.
        untold: the model is not told which language is spoken, even where it is known.
        decode: options of listening that are changed.
        other_threads: the model is loaded again with another number of threads.
    """

    name: str
    batch_size: int | None = None
    longest_s: float | None = None
    untold: bool = False
    decode: Mapping[str, Any] = field(default_factory=dict)
    other_threads: bool = False

    @property
    def wants_another_backend(self) -> bool:
        """Whether the loaded backend will not do."""
        return bool(self.decode) or self.other_threads


AGAIN = Variation(name=names.AGAIN)
ALONE = Variation(name=names.ALONE, batch_size=1)
THREADS = Variation(name=names.OTHER_THREADS, other_threads=True)
PIECES = Variation(name=names.PIECES, longest_s=PIECE_S)
UNTOLD = Variation(name=names.LANGUAGE_UNTOLD, untold=True, decode={"language": None})
SEGMENT_TIMES = Variation(name=names.SEGMENT_TIMES, decode={"timestamps": "segment"})
WORD_TIMES = Variation(name=names.WORD_TIMES, decode={"timestamps": "word"})
INVARIANCE = (AGAIN, ALONE, THREADS, PIECES)
_KNOWN = {variation.name: variation for variation in (*INVARIANCE, UNTOLD, SEGMENT_TIMES, WORD_TIMES)}


def variation(name: str) -> Variation:
    """Give a variation by its name.

    Raises:
        UnknownName: when there is none.
    """
    if name not in _KNOWN:
        raise UnknownName("variation", name, _KNOWN)
    return _KNOWN[name]


def moot(changed: Variation, model: Model, corpus: Corpus) -> str | None:
    """Say why hearing in this way tells nothing of a model or a corpus; None where it may."""
    longest_s = max(utterance.duration_s for utterance in corpus)
    if changed.longest_s is not None and longest_s <= changed.longest_s:
        return f"no utterance of {corpus.name} is longer than {changed.longest_s:g} s"
    if changed.untold and len(model.languages) == 1 and not model.speaks(("*",)):
        return f"{model.spec.checkpoint} knows {model.languages[0]} alone"
    return None


class Varied:
    """A model that listens as a variation says."""

    def __init__(self, model: Model, changed: Variation, make: Callable[[], Listener]) -> None:
        self._changed = changed
        self._other = Model(model.spec, model.languages, make) if changed.wants_another_backend else None
        self._hearer = self._other or model

    @property
    def backend(self) -> Recogniser:
        """What listens, loaded.

        Raises:
            Exception: whatever making or loading it raised.
        """
        return Rephrased(self._hearer.backend, self._changed)

    def close(self) -> None:
        """Give the memory back that the model itself does not hold; harmless when called again."""
        if self._other:
            self._other.close()


class Rephrased:
    """A recogniser that is asked in another way."""

    def __init__(self, inner: Recogniser, changed: Variation) -> None:
        self._inner = inner
        self._changed = changed

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio, in order."""
        told = None if self._changed.untold else language
        if self._changed.longest_s is None:
            return self._inner.transcribe(audios, told)
        return [self._in_pieces(audio, told, self._changed.longest_s) for audio in audios]

    def _in_pieces(self, audio: Audio, language: str | None, longest_s: float) -> Transcript:
        parts = pieces(audio, longest_s)
        heard = self._inner.transcribe([part.audio for part in parts], language)
        return joined(tuple(zip(parts, heard, strict=True)))


def joined(heard: Sequence[tuple[Piece, Transcript]]) -> Transcript:
    """Give the transcript of a recording from those of its pieces, with times from the recording's start."""
    return Transcript(
        text=" ".join(text for _, transcript in heard if (text := transcript.text.strip())),
        segments=tuple(_moved(segment, piece.start_s) for piece, whole in heard for segment in whole.segments),
        language=next((transcript.language for _, transcript in heard if transcript.language), None),
    )


def _moved(segment: Segment, by_s: float) -> Segment:
    words = tuple(Word(text=w.text, start_s=w.start_s + by_s, end_s=w.end_s + by_s) for w in segment.words)
    return replace(segment, start_s=segment.start_s + by_s, end_s=segment.end_s + by_s, words=words)

"""Variations: the same model asked in another way."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from modellab.backends.spec import parse_spec
from modellab.errors import UnknownName
from modellab.measuring.model import Model
from modellab.measuring.variation import (
    AGAIN,
    ALONE,
    PIECES,
    THREADS,
    UNTOLD,
    WORD_TIMES,
    Variation,
    Varied,
    joined,
    moot,
    variation,
)
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.piece import Piece
from modellab.speech.transcript import Segment, Transcript, Word
from modellab.speech.utterance import Utterance, corpus_of
from modellab.testing import FakeBackend

SPEC = parse_spec("fake:none:cpu:float32")


class Asked(FakeBackend):
    """A fake that remembers which languages it was told, and the seconds of each audio."""

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Remember and answer."""
        self.heard = [*getattr(self, "heard", []), (language, [audio.duration_s for audio in audios])]
        return super().transcribe(audios, language)


def seconds(count: float) -> Audio:
    """Give faint noise."""
    return Audio(samples=np.random.default_rng(1).uniform(-0.1, 0.1, round(count * SAMPLE_RATE_HZ)).astype(np.float32))


def varied(backend: FakeBackend, changed: Variation, other: FakeBackend | None = None) -> Varied:
    """Give a model of this backend, and of the other where the variation wants another."""
    return Varied(Model(SPEC, ("*",), lambda: backend), changed, lambda: other or FakeBackend())


def test_a_variation_has_a_name() -> None:
    """A variation is found by its name, and an unknown one is refused with those there are."""
    assert variation("alone") is ALONE
    with pytest.raises(UnknownName, match="Did you mean 'again'"):
        variation("agan")


def test_the_usual_backend_is_asked_again() -> None:
    """Where nothing about the backend changes, the loaded one listens, and closing leaves it alone."""
    backend = Asked()
    again = varied(backend, AGAIN)
    assert [t.text for t in again.backend.transcribe([seconds(1)], "en")] == ["hello world"]
    again.close()
    assert (backend.heard, backend.loads, backend.closes) == ([("en", [1.0])], 1, 0)


@pytest.mark.parametrize("changed", [THREADS, WORD_TIMES])
def test_another_backend_is_loaded_once_and_closed(changed: Variation) -> None:
    """Other threads or options want a backend of their own, which is loaded at first use and closed at the end."""
    usual, other = Asked(), Asked()
    model = varied(usual, changed, other)
    for _ in range(2):
        model.backend.transcribe([seconds(1)], "en")
    model.close()
    assert (usual.loads, other.loads, other.closes, len(other.heard)) == (0, 1, 1, 2)


def test_the_language_is_not_told() -> None:
    """Untold, a model hears no language, though the corpus states one."""
    other = Asked()
    varied(FakeBackend(), UNTOLD, other).backend.transcribe([seconds(1)], "de")
    assert other.heard == [(None, [1.0])]


def test_a_long_recording_is_heard_in_pieces() -> None:
    """A recording longer than a piece becomes one batch of pieces, and one transcript."""
    backend = Asked(replies=("one", "two", "three"))
    (written,) = varied(backend, PIECES).backend.transcribe([seconds(60)], "en")
    ((language, lasted),) = backend.heard
    assert language == "en"
    assert len(lasted) == 3
    assert sum(lasted) == pytest.approx(60.0)
    assert written.text == "one two three"
    assert [segment.start_s for segment in written.segments] == pytest.approx([0.0, lasted[0], lasted[0] + lasted[1]])


def test_joined_pieces_keep_their_times() -> None:
    """Times of segments and words count from the start of the recording, and empty pieces add no space."""
    word = Word(text="b", start_s=0.5, end_s=0.75)
    segment = Segment(text="b", start_s=0.25, end_s=1.0, words=(word,))
    heard = [
        (Piece(audio=seconds(1), start_s=0.0), Transcript(text=" a ", language="en")),
        (Piece(audio=seconds(1), start_s=10.0), Transcript(text="  ")),
        (Piece(audio=seconds(1), start_s=20.0), Transcript(text="b", segments=(segment,), language="de")),
    ]
    moved = Segment(text="b", start_s=20.25, end_s=21.0, words=(Word(text="b", start_s=20.5, end_s=20.75),))
    assert joined(heard) == Transcript(text="a b", segments=(moved,), language="en")


@pytest.mark.parametrize(
    ("changed", "languages", "duration_s", "reason"),
    [
        (AGAIN, ("en",), 1.0, None),
        (PIECES, ("en",), 28.0, "no utterance of c is longer than 28 s"),
        (PIECES, ("en",), 28.5, None),
        (UNTOLD, ("en",), 1.0, "none knows en alone"),
        (UNTOLD, ("*",), 1.0, None),
        (UNTOLD, ("en", "de"), 1.0, None),
    ],
)
def test_a_variation_may_tell_nothing(
    utterance: Callable[..., Utterance], changed: Variation, languages: tuple[str, ...], duration_s: float, reason: Any
) -> None:
    """Pieces of short recordings and the language of a model that knows one are not asked for."""
    model = Model(SPEC, languages, FakeBackend)
    assert moot(changed, model, corpus_of("c", (utterance("u", duration_s),))) == reason

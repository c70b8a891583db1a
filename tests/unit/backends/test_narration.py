"""Narration: a text told piece by piece is the text."""

import numpy as np
import pytest

from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment, Transcript
from modellab.testing import FakeBackend

AUDIO = Audio(samples=np.full(32_000, 0.1, np.float32))


def said(*texts: str) -> tuple[Segment, ...]:
    """Give segments of these texts, a second each."""
    return tuple(Segment(text=text, start_s=float(at), end_s=at + 1.0) for at, text in enumerate(texts))


class Reader(FakeBackend):
    """Writes what is given."""

    given: Transcript

    def transcribe(self, audios, language=None):
        """Give it."""
        return [self.given]


@pytest.mark.parametrize(
    ("text", "segments", "told"),
    [
        ("Hello there. Again.", (" Hello there.", " Again."), ["Hello there.", " Again."]),
        ("one two one", ("one", "two one"), ["one", " two one"]),
        ("one one", ("one", "one"), ["one", " one"]),
        ("你好再见", ("你好", "再见"), ["你好", "再见"]),
        ("one, two", ("one", "two"), ["one, two"]),
        ("one two three", ("one", "two"), ["one two three"]),
        ("one two", ("one", "three"), ["one two"]),
        ("one two", (), ["one two"]),
        ("one", ("one", ""), ["one", ""]),
        ("", (), [""]),
    ],
)
def test_pieces_make_the_text(text: str, segments: tuple[str, ...], told: list[str]) -> None:
    """Each segment is told with the space before it; where segments do not make up the text, it is told whole."""
    reader = Reader()
    reader.given = Transcript(text=text, segments=said(*segments))
    pieces: list[Segment] = []
    assert reader.narrate(AUDIO, None, pieces.append) is reader.given
    assert [piece.text for piece in pieces] == told
    assert "".join(told) == text

"""Transcripts: finished values with times that can be stored."""

import pytest

from modellab.errors import BadTranscript
from modellab.speech.transcript import Segment, Transcript, Word


@pytest.mark.parametrize("kind", [Segment, Word])
@pytest.mark.parametrize(
    ("start_s", "end_s"), [(float("nan"), 1.0), (0.0, float("nan")), (0.0, float("inf")), (-float("inf"), 0.0)]
)
def test_times_are_finite(kind: type[Segment] | type[Word], start_s: float, end_s: float) -> None:
    """A segment or word with a time that is not finite is refused, since no line of JSON could hold it."""
    with pytest.raises(BadTranscript, match="'hello'"):
        kind(text="hello", start_s=start_s, end_s=end_s)


def test_equal_transcripts_are_equal() -> None:
    """Two transcripts of the same text, segments and language are one value."""
    made = [Transcript(text="a", segments=(Segment(text="a", start_s=0, end_s=1),), language="en") for _ in range(2)]
    assert made[0] == made[1]
    assert len(set(made)) == 1

"""Formats: what OpenAI's clients and players of subtitles read."""

import pytest

from modellab.server.hearing.formats import as_json, delta, srt, usage, verbose, vtt
from modellab.speech.transcript import Segment, Transcript, Word

SEGMENTS = (
    Segment(text=" Hello there.", start_s=0.0, end_s=1.5, words=(Word(text=" Hello", start_s=0.0, end_s=0.5),)),
    Segment(text=" A <b> & c --> d\n\nnext", start_s=3661.0254, end_s=3662.9996),
)
TRANSCRIPT = Transcript(text="Hello there. A b", segments=SEGMENTS, language="en")


def test_subrip() -> None:
    """Cues are numbered from 1, with a comma before the milliseconds; no text can end a cue."""
    assert srt(TRANSCRIPT) == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n2\n01:01:01,025 --> 01:01:03,000\nA <b> & c -> d next\n"
    )


def test_web_vtt() -> None:
    """The header comes first, with a point before the milliseconds; what is markup there is written as text."""
    assert vtt(TRANSCRIPT) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello there.\n\n"
        "01:01:01.025 --> 01:01:03.000\nA &lt;b&gt; &amp; c -&gt; d next\n"
    )


@pytest.mark.parametrize(("asked", "parts"), [("segment", {"segments"}), ("word", {"words"})])
def test_what_was_not_asked_for_is_left_out(asked: str, parts: set[str]) -> None:
    """Words come without segments and segments without words, each with its times."""
    told = as_json(verbose(TRANSCRIPT, 3663.2, "transcribe", [asked]))
    assert told.keys() & {"segments", "words"} == parts
    assert told["usage"] == {"type": "duration", "seconds": 3664}
    if asked == "word":
        assert told["words"] == [{"word": "Hello", "start": 0.0, "end": 0.5}]
    else:
        assert told["segments"][0] | {"text": ""} == {
            "id": 0, "seek": None, "start": 0.0, "end": 1.5, "text": "", "tokens": None, "temperature": None,
            "avg_logprob": None, "compression_ratio": None, "no_speech_prob": None,
        }  # fmt: skip


def test_a_language_that_nobody_knows_is_null() -> None:
    """The language stays in the answer where nothing says which it is."""
    told = as_json(verbose(Transcript(text=""), 1.0, "transcribe", ["segment"]))
    assert told["language"] is None
    assert told["segments"] == []


def test_deltas_make_the_text() -> None:
    """The pieces one after another are the text, as they were told, without a space before the first."""
    pieces = [delta(segment, first=not at).delta for at, segment in enumerate(SEGMENTS[:1] * 2)]
    assert "".join(pieces) == "Hello there. Hello there."


def test_a_begun_second_counts() -> None:
    """Usage is in whole seconds, rounded up."""
    assert [usage(length).seconds for length in (0.01, 1.0, 1.2)] == [1, 1, 2]

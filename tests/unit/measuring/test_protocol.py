"""What frames mean: audio bit by bit, transcripts word by word, and who says hello."""

import json
import os

import numpy as np
import pytest

from modellab.errors import BadFrame
from modellab.measuring.frame import Frame
from modellab.measuring.protocol import (
    VERSION,
    Hello,
    read_audios,
    read_transcript,
    write_audios,
    write_transcript,
)
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment, Transcript, Word


def noise(count: int, seed: int = 0) -> Audio:
    """Give audio of this many samples."""
    return Audio(samples=np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32))


def test_audio_crosses_bit_by_bit() -> None:
    """Audios of any length keep their samples, their order and their number, as float32 that may be written to."""
    audios = [noise(1), noise(16_000, 1), noise(3, 2), Audio(samples=np.array([-0.0, 1e-45, -1], np.float32))]
    counts, body = write_audios(audios)
    read = read_audios(json.loads(json.dumps(counts)), bytearray(body))
    assert [audio.samples.tobytes() for audio in read] == [audio.samples.tobytes() for audio in audios]
    assert all(audio.samples.flags.writeable and audio.samples.dtype == np.float32 for audio in read)


def test_samples_are_little_endian() -> None:
    """The bytes of a sample are those of a float32 in little endian, wherever they are written."""
    assert write_audios([Audio(samples=np.array([1.0], np.float32))]) == ([1], b"\x00\x00\x80\x3f")


def test_a_view_crosses_as_what_it_shows() -> None:
    """Samples that do not lie side by side in memory are written in their order."""
    whole = noise(10)
    counts, body = write_audios([Audio(samples=whole.samples[::-2])])
    assert read_audios(counts, body)[0].samples.tolist() == whole.samples[::-2].tolist()


def test_no_audio_is_no_bytes() -> None:
    """A batch of nothing is nothing."""
    assert write_audios([]) == ([], b"")
    assert read_audios([], b"") == []


@pytest.mark.parametrize("counts", [[], [1], [2, 1], [1, 1, 1]])
def test_counts_must_be_those_of_the_body(counts: list[int]) -> None:
    """Counts that do not add to the body are refused."""
    with pytest.raises(BadFrame, match="cannot hold"):
        read_audios(counts, bytes(8))


@pytest.mark.parametrize(
    "transcript",
    [
        Transcript(text=""),
        Transcript(text="  Raw, Größe 😀 ", language="de"),
        Transcript(
            text="a b",
            segments=(
                Segment(text="a", start_s=0.1, end_s=1 / 3, words=(Word(text="a", start_s=0.1, end_s=0.2),)),
                Segment(text="b", start_s=0.5, end_s=0.7),
            ),
            language="en",
        ),
    ],
    ids=["nothing", "words", "times"],
)
def test_transcripts_cross_as_they_are(transcript: Transcript) -> None:
    """A transcript comes out of JSON equal in every word and every time."""
    assert read_transcript(json.loads(json.dumps(write_transcript(transcript)))) == transcript


def test_times_of_numpy_cross() -> None:
    """Times that a runtime left as numpy numbers cross as floats of the same value."""
    given = Transcript(text="a", segments=(Segment(text="a", start_s=np.float32(0.1), end_s=np.int64(2)),))  # type: ignore[arg-type]
    read = read_transcript(json.loads(json.dumps(write_transcript(given))))
    assert [(type(s.start_s), s.start_s, s.end_s) for s in read.segments] == [(float, float(np.float32(0.1)), 2.0)]


def test_a_process_says_who_it_is() -> None:
    """A hello says the version of the protocol and the process; what a later version adds is passed over."""
    hello = Hello.of_this_process()
    assert (hello.protocol, hello.pid) == (VERSION, os.getpid())
    said = {name: getattr(hello, name) for name in ("protocol", "modellab", "python", "pid")}
    assert Hello.read(Frame(header=said | {"mood": "fine"})) == hello


@pytest.mark.parametrize("missing", ["protocol", "modellab", "python", "pid"])
def test_half_a_hello_is_none(missing: str) -> None:
    """A hello that lacks a fact is refused by the fact."""
    said = {"protocol": 1, "modellab": "1", "python": "3", "pid": 1}
    del said[missing]
    with pytest.raises(BadFrame, match=f"a hello without '{missing}'"):
        Hello.read(Frame(header=said))

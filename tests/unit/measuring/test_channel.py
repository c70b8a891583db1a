"""Frames over pipes, and how long they are waited for."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pytest

from modellab.errors import BadFrame
from modellab.machine.clock import MONOTONIC
from modellab.measuring.channel import Channel
from modellab.measuring.frame import Frame


@dataclass(frozen=True)
class Loop:
    """A channel that reads what it wrote, and the two ends of its pipe."""

    source: BinaryIO
    sink: BinaryIO
    channel: Channel


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A channel that reads what it wrote."""
    source, sink = (os.fdopen(end, mode, buffering=0) for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
    with source, sink:
        yield Loop(source, sink, Channel(source=source.fileno(), sink=sink.fileno()))


def test_frames_come_in_order(loop: Loop) -> None:
    """What was sent is received, frame by frame, header and body; the body may be written to."""
    for number in range(3):
        loop.channel.send(Frame(header={"number": number}, body=bytes([number] * number)).encoded())
    for number in range(3):
        frame = loop.channel.receive()
        assert (frame.header, frame.body) == ({"number": number}, bytes([number] * number))
        assert isinstance(frame.body, bytearray)


def test_a_frame_may_be_larger_than_a_pipe(loop: Loop) -> None:
    """A frame of 8 MiB crosses while the other end reads."""
    body = os.urandom(8 << 20)
    sender = threading.Thread(target=loop.channel.send, args=(Frame(header={}, body=body).encoded(),))
    sender.start()
    assert loop.channel.receive(MONOTONIC() + 30).body == body
    sender.join()


def test_an_answer_is_waited_for_no_longer_than_agreed(loop: Loop) -> None:
    """Where nothing comes, or half a frame, waiting ends at the deadline."""
    for part in (b"", b"MLAB\x02\x00"):
        loop.sink.write(part)
        start = MONOTONIC()
        with pytest.raises(TimeoutError):
            loop.channel.receive(start + 0.2)
        assert 0.15 < MONOTONIC() - start < 30


def test_a_reader_is_waited_for_no_longer_than_agreed(loop: Loop) -> None:
    """Where nobody reads, sending more than the pipe holds ends at the deadline."""
    with pytest.raises(TimeoutError):
        loop.channel.send(Frame(header={}, body=bytes(8 << 20)).encoded(), MONOTONIC() + 0.2)


@pytest.mark.parametrize("part", [b"", b"MLAB", b"MLAB\x02\0\0\0\x08\0\0\0\0\0\0\0{}abc"])
def test_the_end_is_noticed(loop: Loop, part: bytes) -> None:
    """A closed pipe is the end, between frames and within one."""
    loop.sink.write(part)
    loop.sink.close()
    with pytest.raises(EOFError):
        loop.channel.receive(MONOTONIC() + 30)


def test_nobody_reading_is_noticed(loop: Loop) -> None:
    """Sending to a pipe that nobody reads from is an error at once."""
    loop.source.close()
    with pytest.raises(BrokenPipeError):
        loop.channel.send(Frame(header={}).encoded(), MONOTONIC() + 30)


def test_other_bytes_are_refused(loop: Loop) -> None:
    """What is printed into a channel is no frame."""
    loop.sink.write(b"Loading weights: 100 %\n")
    with pytest.raises(BadFrame, match="Loading weights"):
        loop.channel.receive(MONOTONIC() + 30)

"""Channel: frames both ways over two pipes, none waited for longer than agreed."""

import os
import select
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from modellab.machine.clock import MONOTONIC
from modellab.measuring.frame import PREFIX, Frame, lengths


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Two descriptors, one to read frames from and one to write them to. A deadline is a time on the monotonic clock.

    After anything but a whole frame the channel is out of step and of no more use.
    """

    source: int
    sink: int

    def __post_init__(self) -> None:
        os.set_blocking(self.source, False)
        os.set_blocking(self.sink, False)

    def send(self, encoded: Iterable[bytes | bytearray], deadline: float = inf) -> None:
        """Write a frame by its encoded parts.

        Raises:
            BrokenPipeError: when nobody reads any more.
            TimeoutError: when it was not taken before the deadline.
        """
        for part in encoded:
            left = memoryview(part)
            while left:
                try:
                    left = left[os.write(self.sink, left) :]
                except BlockingIOError:
                    _wait(self.sink, select.POLLOUT, deadline)

    def receive(self, deadline: float = inf) -> Frame:
        """Read a frame; its body may be written to.

        Raises:
            BadFrame: when what comes is none.
            EOFError: when nothing comes any more.
            TimeoutError: when it was not whole before the deadline.
        """
        header_bytes, body_bytes = lengths(self._read(PREFIX.size, deadline))
        header = self._read(header_bytes, deadline)
        return Frame.decoded(header, self._read(body_bytes, deadline))

    def _read(self, count: int, deadline: float) -> bytearray:
        read = bytearray(count)
        left = memoryview(read)
        while left:
            try:
                got = os.readv(self.source, [left])
            except BlockingIOError:
                _wait(self.source, select.POLLIN, deadline)
                continue
            if not got:
                raise EOFError("the other end is closed")
            left = left[got:]
        return read


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poller = select.poll()
    poller.register(descriptor, event)
    left_ms = None if deadline == inf else max(deadline - MONOTONIC(), 0.0) * 1000
    if not poller.poll(left_ms):
        raise TimeoutError("the other end took too long")

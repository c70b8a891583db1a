"""Decoding: `python -m modellab.server.upload.decoding`, a process that has everything imported and waits for files.

It forks for each, so that a file has a process of its own which ends with it, and costs no start. It never looks into
a file itself. Its standard input is the socket that orders come by; it ends when nobody holds the other end.
"""

import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from math import ceil
from select import select
from typing import BinaryIO, NoReturn

from modellab.errors import Refused
from modellab.machine.clock import MONOTONIC
from modellab.measuring.child import die_with_parent
from modellab.server.upload.limits import Limits, bad_audio
from modellab.server.upload.listening import listen
from modellab.server.upload.verdict import ORDER_BYTES, Order, Verdict
from modellab.speech.audio import Samples

LOOK_S = 0.05

_RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Serve the socket that is the standard input."""
    with socket.socket(fileno=0) as control:
        serve(control)


def serve(control: socket.socket) -> None:
    """Fork for each order, and kill what takes too long, until the other end of the socket is closed."""
    own = os.getpid()
    deadlines: dict[int, float] = {}
    while True:
        _look_after(deadlines)
        if not select([control], [], [], LOOK_S if deadlines else None)[0]:
            continue
        message, descriptors, _, _ = socket.recv_fds(control, ORDER_BYTES, 2)
        if not message:
            break
        order = Order.decoded(message)
        pid = os.fork()
        if pid == 0:
            control.close()
            _decode(order, own, *descriptors)
        deadlines[pid] = MONOTONIC() + order.limits.timeout_s
        for descriptor in descriptors:
            os.close(descriptor)
    for pid in deadlines:
        os.kill(pid, signal.SIGKILL)


def _look_after(deadlines: dict[int, float]) -> None:
    now = MONOTONIC()
    for pid in list(deadlines):
        if os.waitpid(pid, os.WNOHANG)[0]:
            del deadlines[pid]
        elif now >= deadlines[pid]:
            os.kill(pid, signal.SIGKILL)


def _decode(order: Order, parent: int, file: int, answer: int) -> NoReturn:
    """Be the process of one file: it never comes back."""
    with suppress(BaseException):
        _shut_away(order.limits)
        if os.getppid() != parent:  # it ended before the kernel was told to end us with it
            os._exit(0)
        os.lseek(file, 0, os.SEEK_SET)
        with os.fdopen(file, "rb") as opened, socket.socket(fileno=answer) as channel, channel.makefile("wb") as sink:
            _answer(sink, *_verdict(opened, order))
    os._exit(0)


def _shut_away(limits: Limits) -> None:
    """Leave this process nothing but the file, the answer, and so much memory and time."""
    die_with_parent()
    os.dup2(1, 2)  # what libraries complain of goes where our output goes: nowhere
    seconds = ceil(limits.timeout_s) + 1
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),  # what is open stays open; no file and no socket can be opened any more
    ):
        resource.setrlimit(kind, (most, most))


def _verdict(file: BinaryIO, order: Order) -> tuple[list[Samples], Refused | None]:
    try:
        return listen(file, order.kind, order.limits), None
    except Refused as refused:
        return [], refused
    except MemoryError:
        return [], order.limits.out_of_memory
    except Exception as error:  # noqa: BLE001 - whatever a decoder stumbles over, the file is to blame
        return [], bad_audio(f"{type(error).__name__}: {error}")


def _answer(sink: BinaryIO, blocks: list[Samples], refused: Refused | None) -> None:
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT_BYTES
    verdict = Verdict(samples=sum(block.size for block in blocks), peak_bytes=peak_bytes, refused=refused)
    sink.write(verdict.line())
    for block in blocks:
        sink.write(block.data.cast("B"))


if __name__ == "__main__":
    main()

"""Decoder: the server's side of decoding. It hands files to another process, and believes little of what it says."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Self

import numpy as np
import structlog

from modellab.errors import BadAudio, Refused
from modellab.machine.clock import MONOTONIC
from modellab.server.upload.limits import Limits, bad_audio
from modellab.server.upload.verdict import LINE_BYTES, Order, Verdict
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio

COMMAND = (sys.executable, "-P", "-m", "modellab.server.upload.decoding")
GRACE_S = 10.0
RETRY_S = 1.0

_KEPT = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # who forks may have no others

_log = structlog.get_logger("modellab.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forker:
    """The process that waits for files, and the socket by which they are handed over."""

    process: subprocess.Popen[bytes]
    control: socket.socket

    @classmethod
    def start(cls, command: Sequence[str]) -> Self:
        """Start it, with an environment that holds no secret. It imports while we go on.

        It ends with us: the kernel closes our end of the socket, however we end.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = {name: os.environ[name] for name in _KEPT if name in os.environ} | _ONE_THREAD
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - our own words
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=env, cwd="/", start_new_session=True
            )
        return cls(process=process, control=ours)

    @property
    def alive(self) -> bool:
        """Whether it holds its end of the socket: it lets go of it before of anything that it was handed."""
        try:
            self.control.recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def end(self) -> None:
        """End it, and with it what it decodes."""
        self.control.close()
        self.process.kill()
        self.process.wait()


@dataclass(slots=True, kw_only=True)
class Decoder:
    """Decodes files in processes of their own, one a file. All methods may be called from any thread.

    Attributes:
        limits: of each file.
        command: what is started to wait for files.
    """

    limits: Limits
    command: Sequence[str] = COMMAND
    _forker: Forker | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start the process that waits for files, so that the first does not wait for it."""
        with self._lock:
            self._running()

    def close(self) -> None:
        """End it, and what it decodes."""
        with self._lock:
            if self._forker:
                self._forker.end()
                self._forker = None

    def decode(self, file: BinaryIO, kind: str) -> Audio:
        """Give what a model hears of a file of a kind. Blocks.

        Raises:
            Refused: bad_audio, too_long, too_much_decoded, unsupported_media or decode_timeout; decoder_failed where it
                is not the file's fault.
        """
        start = MONOTONIC()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            forker = self._hand_over(Order(kind=kind, limits=self.limits), file, theirs)
            theirs.close()
            ours.settimeout(self.limits.timeout_s + GRACE_S)
            try:
                with ours.makefile("rb") as answer:
                    return self._audio(answer)
            except TimeoutError:
                forker.end()
                raise self.limits.out_of_time from None
            except EOFError:
                raise self._why_it_ended(forker, MONOTONIC() - start) from None

    def _running(self) -> Forker:
        if not self._forker or not self._forker.alive:
            if self._forker:
                self._forker.end()
                _log.error("decoder_ended", code=self._forker.process.returncode)
            self._forker = Forker.start(self.command)
        return self._forker

    def _hand_over(self, order: Order, file: BinaryIO, answer: socket.socket) -> Forker:
        with self._lock:
            forker = self._running()
            try:
                socket.send_fds(forker.control, [order.encoded()], [file.fileno(), answer.fileno()])
            except OSError as error:
                raise _failed() from error
            return forker

    def _audio(self, answer: BinaryIO) -> Audio:
        """Read the answer.

        Raises:
            EOFError: when it is not whole, or is none.
            Refused: when that is what it says.
        """
        try:
            verdict = Verdict.of_line(answer.readline(LINE_BYTES))
        except (ValueError, TypeError, KeyError) as error:
            raise EOFError from error
        _log.debug("decoded", samples=verdict.samples, peak_bytes=verdict.peak_bytes)
        if verdict.refused:
            raise verdict.refused
        if not 0 < verdict.samples <= (self.limits.duration_s + 1) * SAMPLE_RATE_HZ:
            raise EOFError
        samples = np.empty(verdict.samples, np.float32)
        if answer.readinto(samples.data.cast("B")) < samples.nbytes:  # type: ignore[attr-defined]
            raise EOFError
        try:
            return Audio(samples=samples)
        except BadAudio as error:
            raise EOFError from error

    def _why_it_ended(self, forker: Forker, seconds: float) -> Refused:
        if not forker.alive:
            return _failed()
        if seconds >= self.limits.timeout_s:
            return self.limits.out_of_time
        return bad_audio("its decoder broke down over it", status=422)


def _failed() -> Refused:
    words = "the process that decodes files ended, and is started anew"
    return Refused(words, status=503, code="decoder_failed", retry_after_s=RETRY_S)

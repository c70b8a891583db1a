"""Uploads: files that strangers sent, and the audio they hold."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from anyio import CapacityLimiter, to_thread

from modellab.errors import Refused
from modellab.records.environment import usable_cores
from modellab.server.settings import UploadSettings
from modellab.server.upload.decoder import Decoder
from modellab.server.upload.limits import Limits, unsupported
from modellab.server.upload.sniff import HEAD_BYTES, kind_of
from modellab.speech.audio import Audio

CHUNK_BYTES = 1 << 20
MOST_WAITING = 32
RETRY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Uploads:
    """Makes audio of what was sent.

    Attributes:
        folder: where a file is kept while it is heard, without a name: nothing is left of it, however we end.
        max_bytes: the largest file.
        decoder: who looks into it.
        turns: how many files are decoded at once.
    """

    folder: Path
    max_bytes: int
    decoder: Decoder
    turns: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(usable_cores()))

    @classmethod
    def of(cls, settings: UploadSettings, folder: Path) -> Self:
        """Make it as it is set; no process is started."""
        limits = Limits(
            duration_s=settings.max_duration_s,
            decoded_bytes=settings.max_decoded_bytes,
            memory_bytes=settings.decode_memory_bytes,
            timeout_s=settings.decode_timeout_s,
        )
        return cls(folder=folder, max_bytes=settings.max_bytes, decoder=Decoder(limits=limits))

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Have a process wait for files, and end it."""
        self.decoder.start()
        try:
            yield self
        finally:
            self.decoder.close()

    async def audio_of(self, sent: BinaryIO) -> Audio:
        """Give the audio of a file when it is its turn. Threads that others wait for are not held up.

        Raises:
            Refused: 503 decoder_busy, or what `decode` raises.
        """
        if self.turns.statistics().tasks_waiting >= MOST_WAITING:
            words = f"{MOST_WAITING} files wait to be decoded already"
            raise Refused(words, status=503, code="decoder_busy", retry_after_s=RETRY_S)
        return await to_thread.run_sync(self.decode, sent, limiter=self.turns)

    def decode(self, sent: BinaryIO) -> Audio:
        """Give the audio of a file, such as the `file` of FastAPI's UploadFile, from where it stands on. Blocks.

        Raises:
            Refused: 400 empty_file or bad_audio, 413 too_large, too_long or too_much_decoded, 415 unsupported_media,
                422 decode_timeout or bad_audio, 503 decoder_failed.
            OSError: when the disk is full.
        """
        with self._kept(sent) as file:
            head = os.pread(file.fileno(), HEAD_BYTES, 0)
            if not head:
                raise Refused("the file is empty", status=400, code="empty_file", param="file")
            kind = kind_of(head)
            if not kind:
                raise unsupported("it begins like none")
            return self.decoder.decode(file, kind)

    @contextmanager
    def _kept(self, sent: BinaryIO) -> Iterator[BinaryIO]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.folder) as file:
            size_bytes = 0
            while chunk := sent.read(CHUNK_BYTES):
                size_bytes += len(chunk)
                if size_bytes > self.max_bytes:
                    words = f"the file is too large: the limit is {self.max_bytes} bytes"
                    raise Refused(words, status=413, code="too_large", param="file")
                file.write(chunk)
            file.flush()
            yield file

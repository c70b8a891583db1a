"""Lodger: a model that listens whenever it is asked, and is held by a pool."""

from collections.abc import Sequence
from dataclasses import dataclass

from modellab.measuring.worker import LIMIT_S, Worker
from modellab.pool.pool import Pool
from modellab.speech.audio import Audio
from modellab.speech.transcript import Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class Lodger:
    """A worker of a pool by its id, borrowed for each batch: the pool decides when it is loaded and when it goes.

    `limit_s` is how long it waits for room, and for its load, in seconds.
    """

    pool: Pool[Worker]
    key: str
    limit_s: float = LIMIT_S

    def load(self) -> None:
        """Have it loaded, where it is not; raises what `Pool.lease` raises."""
        with self.pool.lease(self.key, self.limit_s):
            pass

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio, in order; raises what `Pool.lease` and `Worker.listen` raise."""
        with self.pool.lease(self.key, self.limit_s) as worker:
            return worker.transcribe(audios, language)

    def close(self) -> None:
        """Do nothing: the pool gives it up when another needs its room, or is drained."""

"""Log: what a job's processes have printed, of which the last is kept."""

import os
from dataclasses import dataclass
from pathlib import Path

from modellab.whole import replacing

MOST_BYTES = 4 << 20
LINE_CHARACTERS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A file that never grows beyond `most_bytes`: when it would, the older half of it goes."""

    path: Path
    most_bytes: int = MOST_BYTES

    def write(self, printed: bytes) -> None:
        """Add what was printed; the folder is made where there is none."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(printed[-self.most_bytes :])
            grown = file.tell() > self.most_bytes
        if grown:
            self._halve()

    def tail(self, lines: int) -> tuple[str, ...]:
        """Give the last lines, oldest first, each cut to LINE_CHARACTERS; none where nothing was printed."""
        try:
            with self.path.open("rb") as file:
                start = max(0, file.seek(0, os.SEEK_END) - lines * LINE_CHARACTERS)
                file.seek(start)
                printed = file.read()
        except FileNotFoundError:
            return ()
        whole = printed.partition(b"\n")[2] if start else printed
        return tuple(line[:LINE_CHARACTERS] for line in whole.decode(errors="replace").splitlines()[-lines:])

    def _halve(self) -> None:
        with self.path.open("rb") as file:
            file.seek(-self.most_bytes // 2, os.SEEK_END)
            kept = file.read().partition(b"\n")[2]
        with replacing(self.path) as fresh:
            fresh.write_bytes(kept)

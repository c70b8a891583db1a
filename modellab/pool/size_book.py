"""SizeBook: the sizes that models were seen to have, kept from one process to the next."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from filelock import FileLock, Timeout

from modellab.pool.size import Size
from modellab.whole import replacing

_WAIT_S = 10.0  # for other processes that write


@dataclass(kw_only=True, eq=False)
class SizeBook:
    """Sizes by the model's id, in memory and, where there is a `path`, in a JSON file that processes share.

    A file that cannot be read or written costs an estimate and no result. What is no size in it stays there; what is
    no book at all is put aside, as `NAME.unreadable`, before a new one takes its place.
    """

    path: Path | None = None
    _seen: dict[str, Size] = field(default_factory=dict, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def recall(self, key: str) -> Size | None:
        """Give the size of a model when it was last loaded; None where nobody has seen that."""
        with self._lock:
            if key not in self._seen and (size := _size(self._read().get(key))):
                self._seen[key] = size
            return self._seen.get(key)

    def remember(self, key: str, size: Size) -> None:
        """Keep the size of a model; one that was kept before is forgotten."""
        with self._lock:
            self._seen[key] = size
            if self.path:
                with suppress(OSError, Timeout):
                    self._write(self.path, key, size)

    def _read(self) -> Mapping[str, Any]:
        try:
            entries = json.loads(self.path.read_text(encoding="utf-8"))["sizes"] if self.path else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}
        return entries if isinstance(entries, dict) else {}

    def _write(self, path: Path, key: str, size: Size) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=_WAIT_S):
            kept = self._read()
            if not kept and path.exists():
                path.replace(f"{path}.unreadable")
            book = {"schema": 1, "sizes": {**kept, key: asdict(size)}}
            with replacing(path) as fresh:
                fresh.write_text(json.dumps(book, indent=1), encoding="utf-8")


def _size(entry: object) -> Size | None:
    """Give the size of an entry; None where it is none."""
    match entry:
        case {"ram_bytes": int(ram), "vram_bytes": int(vram)} if ram > 0 and vram >= 0:
            return Size(ram_bytes=ram, vram_bytes=vram)
    return None

"""FolderSource: files that already lie on this machine."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modellab.errors import SourceUnreachable
from modellab.sources.files import PinnedFile, place


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSource:
    """A local folder with the files in it; `~` and `$VARIABLES` are put in, and `base` is what it is relative to."""

    path: str
    base: Path = Path()

    def describe(self) -> str:
        """Say which folder."""
        return f"folder {self.path}"

    def fetch(self, files: Sequence[PinnedFile], into: Path) -> None:
        """Link the files into a folder, or copy them where the disk cannot link."""
        folder = self._folder()
        if not folder.is_dir():
            raise SourceUnreachable(f"there is no folder {folder}")
        missing = [file.name for file in files if not (folder / file.name).is_file()]
        if missing:
            raise SourceUnreachable(f"{folder} lacks {', '.join(missing)}")
        for file in files:
            place(folder / file.name, into / file.name)

    def differs(self, file: PinnedFile, taken: Path) -> bool:
        """Say whether the folder now holds another version of a file that was taken from it, by size and time."""
        try:
            now, then = (self._folder() / file.name).stat(), taken.stat()
        except (OSError, SourceUnreachable):
            return False
        return (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns)

    def _folder(self) -> Path:
        expanded = os.path.expandvars(self.path)
        if "$" in expanded:
            raise SourceUnreachable(f"{self.path} names an environment variable that is not set")
        return self.base / Path(expanded).expanduser()

"""Folders: what lies in the folder of the runs, and which names there are no runs."""

import os
import shutil
from pathlib import Path

TRASH = ".trash"
RESTORING = ".restoring"


def run_names(root: Path) -> tuple[str, ...]:
    """Give the names of the folders that may be runs, in their order; none where there is no folder.

    A link is none: it names a run once more, as `latest` does, or leads to what is not ours.

    Raises:
        OSError: when the folder is there and cannot be looked at.
    """
    try:
        with os.scandir(root) as entries:
            return tuple(sorted(each.name for each in entries if not each.name.startswith(".") and _is_folder(each)))
    except FileNotFoundError:
        return ()


def remove(path: Path) -> None:
    """Delete a file, a link or a folder with all that is in it; what is gone already is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False

"""Disk: how much of it is free."""

import shutil
from pathlib import Path


def disk_free_bytes(folder: Path) -> int:
    """Give what is free of the disk of a folder; of one that is not there yet, that of the nearest above it."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free

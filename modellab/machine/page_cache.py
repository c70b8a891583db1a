"""Page cache: how much of some files the kernel holds in memory, and how to have it let go of them."""

import ctypes
import mmap
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path


def cached_share(files: Iterable[Path]) -> float | None:
    """Give which share of the pages of some files lies in the page cache, a fraction.

    None where there is nothing in them, where the machine is no Linux, and where the kernel does not tell: of a file
    that is neither ours nor ours to write it would say that all of it is there.

    Source: mincore(2).
    """
    held = pages = 0
    try:
        for file in files:
            resident = _resident_pages(file)
            held, pages = held + sum(resident), pages + len(resident)
    except OSError:
        return None
    return held / pages if pages else None


def evict(files: Iterable[Path]) -> None:
    """Ask the kernel to drop the pages of some files, once what was written to them is on the disk.

    It may keep them: where another process has them mapped, or where the file system lies in memory. `cached_share`
    says what came of it. A file that cannot be opened is passed over.

    Source: posix_fadvise(2).
    """
    for file in files:
        try:
            descriptor = os.open(file, os.O_RDONLY)
        except OSError:
            continue
        try:
            os.fsync(descriptor)
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def files_below(folder: Path) -> Iterator[Path]:
    """Give every file of a folder, in the order of their paths."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _resident_pages(file: Path) -> bytes:
    """Give a byte for each page of a file: 1 where it lies in the page cache, 0 where it does not.

    Raises:
        OSError: when the file cannot be read, or the kernel does not tell.
    """
    if sys.platform != "linux":
        raise OSError("only Linux is asked")
    with file.open("rb") as opened:
        facts = os.fstat(opened.fileno())
        if not facts.st_size:
            return b""
        if facts.st_uid != os.geteuid() and not os.access(file, os.W_OK):
            raise PermissionError(f"{file} belongs to somebody else")
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
            return _mincore(mapped)


def _mincore(mapped: mmap.mmap) -> bytes:
    told = (ctypes.c_ubyte * -(-len(mapped) // mmap.PAGESIZE))()
    start = ctypes.c_char.from_buffer(mapped)
    try:
        kernel = ctypes.CDLL(None, use_errno=True)
        if kernel.mincore(ctypes.byref(start), ctypes.c_size_t(len(mapped)), told):
            raise OSError(ctypes.get_errno(), "mincore")
    finally:
        del start  # a mapping that is pointed at cannot be closed
    return bytes(page & 1 for page in told)

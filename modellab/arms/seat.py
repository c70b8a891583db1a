"""Seat: a folder of a random name, which is there as long as whoever took it.

The name is drawn anew each time: what is measured must not depend on where it lies, or on how long its path is.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from filelock import FileLock, Timeout

from modellab.errors import SourceUnreachable

_NAME_BYTES = 8
_LOCK = ".lock"


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it, as far as that can be done."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def seat(home: Path, remove: Callable[[Path], None] = remove_folder) -> Iterator[Path]:
    """Give the path of a folder in `home`, not made yet, and `remove` it in the end.

    The folders of processes that died are removed first: the kernel has let go of their locks.

    Raises:
        SourceUnreachable: when `home` cannot be written to.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / _LOCK):
            _sweep(home, remove)
            folder = home / token_hex(_NAME_BYTES)
            held = FileLock(folder.with_suffix(_LOCK))
            held.acquire()
    except OSError as error:
        raise SourceUnreachable(
            f"the cache cannot be written: {error}. Set MODELLAB_CACHE_DIR to a folder with room in it."
        ) from error
    try:
        yield folder
    finally:
        remove(folder)
        _let_go(held)


def _sweep(home: Path, remove: Callable[[Path], None]) -> None:
    for path in home.glob(f"*{_LOCK}"):
        if path.name == _LOCK:
            continue
        left = FileLock(path, timeout=0)
        with suppress(Timeout):
            left.acquire()
            remove(path.with_suffix(""))
            _let_go(left)


def _let_go(lock: FileLock) -> None:
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()

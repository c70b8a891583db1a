"""Write-ahead: an SQLite file in which who writes keeps no reader waiting, for several processes at once."""

import sqlite3
import time

_PAUSE_S = 0.02
_PRIMARY = 0xFF  # the part of an error's code that says what, and not why


def write_ahead(database: sqlite3.Connection, wait_s: float) -> None:
    """Have a database write ahead.

    Where another process writes a file that does not so yet, SQLite refuses it at once and does not wait, whatever
    time-out the connection has: it is tried again for `wait_s` seconds.

    Raises:
        sqlite3.Error: when it is refused for so long, or for another reason.
    """
    for left in reversed(range(max(1, round(wait_s / _PAUSE_S)))):
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_BUSY or not left:
                raise
            time.sleep(_PAUSE_S)
        else:
            return

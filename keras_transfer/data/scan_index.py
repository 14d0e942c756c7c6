"""Results of earlier scans, so that unchanged files are not read again.

SQLite rather than a file of our own: several processes may add to it at once, a scan of 100,000
files looks up and adds a few thousand rows at a time, and an interrupted scan loses nothing.
"""

import contextlib
import hashlib
import os
import pathlib

try:
    import sqlite3
except ImportError:  # Python can be built without it
    sqlite3 = None  # type: ignore[assignment]

# Change the name with the layout: an older version of the library beside this one uses its own.
_TABLE = "scans_1"
# SQLite accepted at most 999 values in one statement before version 3.32.
_KEYS_AT_ONCE = 500
# About 90 bytes each.
_MOST_ROWS = 2_000_000
_SECONDS_TO_WAIT = 5.0
# Raised by rows with unexpected types, or by an SQLite message that quotes one.
_CORRUPT = (ValueError, TypeError, AttributeError)
# Clocks of file systems tick every few milliseconds, on some network shares every second, on
# FAT every two seconds: a later write may leave the same times on a file as new as this.
_SETTLED_NANOSECONDS = 2_000_000_000


class ScanIndex:
    """A table of readable files, shared by processes; a context manager.

    It never raises. An index that cannot be opened, read or written finds or stores nothing; a
    corrupt one is deleted. It keeps the last two million files.

    Args:
        path: the SQLite database; it is created with its folder.

    Example:
        >>> with ScanIndex("scans.sqlite") as index:
        ...     index.add({b"key": ("ab" * 32, 1, True)})
        ...     index.find([b"key", b"other"])[b"key"][1:]
        (1, True)
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self._connection = None
        self._can_add = True

    def __enter__(self):
        if sqlite3 is not None:
            with self._closed_on_error():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._connection = sqlite3.connect(self.path, timeout=_SECONDS_TO_WAIT)
                self._connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {_TABLE} (key BLOB NOT NULL UNIQUE, digest "
                    "BLOB NOT NULL, orientation INTEGER NOT NULL, native INTEGER NOT NULL)"
                )
        return self

    def __exit__(self, *exception):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def find(self, keys):
        """What was added under these keys: dict to `(digest, orientation, native)`."""
        keys = [key for key in keys if key is not None]
        found = {}
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            if self._connection is None:
                break
            some = keys[start : start + _KEYS_AT_ONCE]
            marks = ", ".join("?" * len(some))
            with self._closed_on_error():
                rows = self._connection.execute(
                    f"SELECT key, digest, orientation, native FROM {_TABLE} "
                    f"WHERE key IN ({marks})",
                    some,
                )
                for key, digest, orientation, native in rows:
                    found[key] = digest.hex(), orientation, bool(native)
        return found

    def add(self, rows):
        """Stores a dict in the form that `find` returns."""
        if self._connection is None or not self._can_add or not rows:
            return
        with self._closed_on_error():
            try:
                with self._connection:
                    self._insert(rows)
            except sqlite3.OperationalError:
                # Locked or read-only: it may still be read, and one wait for a lock is enough.
                self._can_add = False

    def _insert(self, rows):
        self._connection.executemany(
            f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?, ?, ?)",
            [(key, bytes.fromhex(digest), *rest) for key, (digest, *rest) in rows.items()],
        )
        # Row numbers count up: the smallest belong to the files scanned first.
        self._connection.execute(
            f"DELETE FROM {_TABLE} WHERE rowid <= (SELECT max(rowid) FROM {_TABLE}) - ?",
            (_MOST_ROWS,),
        )

    @contextlib.contextmanager
    def _closed_on_error(self):
        try:
            yield
        except (OSError, sqlite3.Error, *_CORRUPT) as error:
            self.__exit__()
            # "malformed" or "not a database"; a lock or a full disk is a subclass.
            if type(error) is sqlite3.DatabaseError or isinstance(error, _CORRUPT):
                for suffix in ("", "-journal"):
                    with contextlib.suppress(OSError):
                        os.unlink(f"{self.path}{suffix}")


def key_of(path, rules, now):
    """A hash of the path, size, inode and times of a file, and of the rules of the scan.

    A write of as many bytes with the modification time set back still changes the key: on Unix,
    nobody can set the time of the last status change.

    Args:
        path: the file.
        rules: string that changes when the result of a scan may.
        now: the time before the scan in nanoseconds, from `time.time_ns`.

    Returns:
        bytes; None for a file that has no status or was written within the last two seconds.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    if max(status.st_mtime_ns, status.st_ctime_ns) > now - _SETTLED_NANOSECONDS:
        return None
    parts = (
        os.path.abspath(path),
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        rules,
    )
    # No part contains a zero byte. A name need not be valid Unicode.
    return hashlib.blake2b(os.fsencode("\0".join(map(str, parts))), digest_size=16).digest()

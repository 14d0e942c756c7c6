"""What earlier scans found, so that a file that has not changed is not read again."""

import contextlib
import hashlib
import os
import pathlib

try:
    import sqlite3
except ImportError:  # Python can be built without it
    sqlite3 = None  # type: ignore[assignment]

# Another layout gets another name: an older library beside a newer one then finds its own.
_TABLE = "scans_1"
# SQLite took no more than 999 values in one statement before its version 3.32.
_KEYS_AT_ONCE = 500
# About 90 bytes each.
_MOST_ROWS = 2_000_000
_SECONDS_TO_WAIT = 5.0
# What a row of other types than were written ends in, or a message of SQLite that quotes one.
_DAMAGE = (ValueError, TypeError, AttributeError)
# A write right after the scan may leave the same times, since a file system's clock ticks
# slowly: every few milliseconds on most, every second on some network shares, every two
# seconds on FAT. It is one comparison, and a file so new is only read once more.
_SETTLED_NANOSECONDS = 2_000_000_000


class ScanIndex:
    """A table of files that could be read, kept from one process to the next.

    It is a help and no more: it never raises. Where it cannot be opened, read or written, it
    knows nothing or keeps nothing, and a damaged one is deleted. Several processes may use it
    at once. Of the files scanned it keeps the last two million.

    Args:
        path: the SQLite database; it is made, and so is its folder.

    Example:
        >>> with ScanIndex("scans.sqlite") as index:  # doctest: +SKIP
        ...     index.add({key_of("ant.jpg", "rules", time.time_ns()): (digest, 1, True)})
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self._connection = None
        self._can_add = True

    def __enter__(self):
        if sqlite3 is not None:
            with self._closed_on_error():
                self._open()
        return self

    def __exit__(self, *exception):
        self._close()

    def find(self, keys):
        """What was added under these keys: a dict to `(digest, orientation, native)`."""
        keys = [key for key in keys if key is not None]
        found = {}
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            if self._connection is None:
                break
            with self._closed_on_error():
                found.update(self._select(keys[start : start + _KEYS_AT_ONCE]))
        return found

    def add(self, rows):
        """Keeps a dict as `find` gives it."""
        if self._connection is None or not self._can_add or not rows:
            return
        try:
            with self._connection:
                self._insert(rows)
        except sqlite3.OperationalError:
            # It cannot be written, but perhaps read. And to wait once for a lock is enough.
            self._can_add = False
        except (sqlite3.Error, *_DAMAGE) as error:
            self._close(error)

    def _open(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(self.path, timeout=_SECONDS_TO_WAIT)
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {_TABLE} (key BLOB NOT NULL UNIQUE, "
            "digest BLOB NOT NULL, orientation INTEGER NOT NULL, native INTEGER NOT NULL)"
        )

    def _select(self, keys):
        marks = ", ".join("?" * len(keys))
        rows = self._connection.execute(
            f"SELECT key, digest, orientation, native FROM {_TABLE} WHERE key IN ({marks})",
            keys,
        )
        return {
            key: (digest.hex(), orientation, bool(native))
            for key, digest, orientation, native in rows
        }

    def _insert(self, rows):
        self._connection.executemany(
            f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?, ?, ?)",
            (
                (key, bytes.fromhex(digest), orientation, native)
                for key, (digest, orientation, native) in rows.items()
            ),
        )
        # Row numbers count up: the smallest are of the files that were scanned first.
        self._connection.execute(
            f"DELETE FROM {_TABLE} WHERE rowid <= (SELECT max(rowid) FROM {_TABLE}) - ?",
            (_MOST_ROWS,),
        )

    @contextlib.contextmanager
    def _closed_on_error(self):
        try:
            yield
        except (OSError, sqlite3.Error, *_DAMAGE) as error:
            self._close(error)

    def _close(self, error=None):
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        # A lock, a full disk and the like are subclasses; this is "malformed" or "not a
        # database", which would stay so.
        if error is not None and (
            type(error) is sqlite3.DatabaseError or isinstance(error, _DAMAGE)
        ):
            for suffix in ("", "-journal"):
                with contextlib.suppress(OSError):
                    os.unlink(f"{self.path}{suffix}")


def key_of(path, rules, now):
    """A hash of all that must be as it was for a file's row to count.

    That is its absolute path, its size, the times of its last changes and its inode. Whoever
    writes as many bytes and sets the time back is still found out: on Unix by the second of
    the times, which cannot be set.

    Args:
        path: the file.
        rules: a string that changes when the outcome of a scan may.
        now: the time before the scan in nanoseconds, of `time.time_ns`.

    Returns:
        bytes; None for a file that cannot be looked at or has only just been written.
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
    # No part holds a zero. A name need not be valid Unicode.
    return hashlib.blake2b(os.fsencode("\0".join(map(str, parts))), digest_size=16).digest()

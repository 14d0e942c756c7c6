"""The folder of a cache: what is there, how large it is, and what goes when room is needed."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import tempfile

import filelock

from keras_transfer._files import write_aside
from keras_transfer.features.cache_entry import CacheEntry

_DESCRIPTION, _USED = "entry.json", "used"
TEMPORARY = "temporary-"
# What an entry's folder is called; another one is not the cache's.
_KEY = re.compile(rf"({TEMPORARY})?[0-9a-f]{{32}}")


class NoRoomError(OSError):
    """There is no room: the disk or the size limit leaves too little, or no folder at all."""


class CacheFolder:
    """The entries of a cache, a folder each.

    Args:
        path: the folder; it is made when the first entry is.
        size_limit: bytes; before more is written, entries that were not used for longest are
            removed. None for no limit.
    """

    def __init__(self, path, size_limit=None):
        self.path = pathlib.Path(path)
        self.size_limit = size_limit
        self._in_use = set()

    def entries(self):
        """A list of `CacheEntry`, the one used last at the end."""
        found = [_read_entry(self.path / key) for key in self.keys()]
        found = [entry for entry in found if entry is not None]
        return sorted(found, key=lambda entry: entry.used)

    def keys(self):
        """The names of all folders of entries: also of those that `entries` cannot tell of."""
        if not self.path.is_dir():
            return []
        names = [folder.name for folder in self.path.iterdir() if folder.is_dir()]
        return [name for name in names if _KEY.fullmatch(name)]

    def make(self):
        """Makes the folder.

        Raises:
            NoRoomError: if it cannot be made or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise NoRoomError(
                f"Features cannot be kept in '{self.path}': {error.strerror}. Name a folder "
                "that can be written, or do without: `FeatureCache(directory)` and "
                "`cache=False`; on the command line --cache and --no-cache."
            ) from error

    @contextlib.contextmanager
    def locked(self, key):
        """The folder of an entry, for this process alone; another one waits."""
        self.make()
        with filelock.FileLock(self._lock_path(key)):
            folder = self.path / key
            folder.mkdir(exist_ok=True)
            self._in_use.add(key)
            for left_over in folder.rglob(".writing-*"):  # by a process that was killed
                left_over.unlink(missing_ok=True)
            yield folder

    def describe(self, key, description):
        """Writes what `entries` tells of an entry, and that it is used now."""
        folder = self.path / key
        text = json.dumps(description, indent=1, sort_keys=True) + "\n"
        if not (folder / _DESCRIPTION).is_file():
            write_aside(
                folder / _DESCRIPTION,
                lambda aside: pathlib.Path(aside).write_text(text, encoding="utf-8"),
            )
        (folder / _USED).touch()

    def make_room(self, needed):
        """Removes old entries until `needed` bytes can be written within the limit.

        Raises:
            NoRoomError: if the limit is below what is needed, or the disk has not so much
                room; nothing was written yet.
        """
        if self.size_limit is not None:
            if needed > self.size_limit:
                raise NoRoomError(
                    f"The features need {_megabytes(needed)}, more than the cache may hold. "
                    "Raise `size_limit`, cache fewer views, or cut the network later, where "
                    f"features are smaller. Received: size_limit={_megabytes(self.size_limit)}"
                )
            self.evict(self.size_limit - needed)
        free = shutil.disk_usage(self.path).free
        if needed > free:
            raise NoRoomError(
                f"The features need {_megabytes(needed)} on disk, but only {_megabytes(free)} "
                f"are free at '{self.path}'. Free some, name another folder, or cache fewer "
                "views or float16."
            )

    def evict(self, size_limit):
        """Removes entries, the one unused for longest first, until the rest fit a size.

        Entries that this process uses stay, and those that another one is writing.
        """
        entries = self.entries()
        size = sum(entry.size for entry in entries)
        for entry in entries:
            if size <= size_limit:
                return
            if entry.key not in self._in_use and self.remove(entry.key):
                size -= entry.size

    def remove(self, key):
        """Removes an entry; returns whether it could, since no other process writes it."""
        try:
            with filelock.FileLock(self._lock_path(key), timeout=0):
                # The description first: what a kill leaves is then no entry.
                (self.path / key / _DESCRIPTION).unlink(missing_ok=True)
                shutil.rmtree(self.path / key, ignore_errors=True)
                # While it is held: who waits for it then sees that it is gone. Windows removes
                # no open file; there it stays.
                with contextlib.suppress(OSError):
                    os.unlink(self._lock_path(key))
        except filelock.Timeout:
            return False
        self._in_use.discard(key)
        return True

    def remove_left_overs(self):
        """Removes what killed processes left of features that nothing can find again.

        They are those that only that process could find, and those that it was removing.
        """
        for key in self.keys():
            is_found = (self.path / key / _DESCRIPTION).exists()
            if key not in self._in_use and (key.startswith(TEMPORARY) or not is_found):
                self.remove(key)

    def _lock_path(self, key):
        return str(self.path / f"{key}.lock")


def _read_entry(folder):
    try:
        described = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        return CacheEntry(
            key=folder.name,
            network=str(described["network"]),
            boundary=str(described["boundary"]),
            num_images=int(described["num_images"]),
            views=sum(1 for path in folder.iterdir() if path.name.startswith("view-")),
            feature_shape=tuple(described["feature_shape"]),
            dtype=str(described["dtype"]),
            engine=str(described["engine"]),
            size=_size(folder),
            used=(folder / _USED).stat().st_mtime,
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None  # being removed, or made by another version


def _size(folder):
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.path.getsize(os.path.join(parent, name))
    return total


def _megabytes(number):
    return f"{number / 1e6:,.1f} MB"

"""The folder of a feature cache: its entries, their size, and eviction."""

import contextlib
import dataclasses
import json
import pathlib
import re
import shutil
import tempfile

import filelock

from keras_transfer._files import (
    locked,
    read_regular,
    remove_folder,
    unlink_lock,
    walk,
    write_text_aside,
)
from keras_transfer._records import COUNT, Maybe, check, read_json

_DESCRIPTION, _USED = "entry.json", "used"
# Says that the folder is ours, and to backup programs that it can be computed again
# (https://bford.info/cachedir).
_TAG = "CACHEDIR.TAG"
_TAG_TEXT = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n# Features, made by keras_transfer.\n"
)
TEMPORARY = "temporary-"
_MOST_DESCRIBED = 10**6  # bytes
_LATEST = 2.0**33  # in the year 2242; Python formats no date after 9999
_DESCRIBED = {
    "network": str, "boundary": str, "num_images": COUNT, "feature_shape": [COUNT],
    "dtype": str, "engine": str, "data?": Maybe(str),
}  # fmt: skip
# Folders with other names do not belong to the cache.
_KEY = re.compile(rf"({TEMPORARY})?[0-9a-f]{{32}}")


class NoRoomError(OSError):
    """The features do not fit: on the disk, within the size limit, or into the folder."""


@dataclasses.dataclass(frozen=True)
class CacheEntry:
    """The features of one network for one set of images.

    Attributes:
        key: the name of its folder, a digest of everything that the features depend on.
        network: the name of the network.
        boundary: the name of the layer that outputs the features.
        num_images: the number of images.
        views: the number of views, complete or not.
        feature_shape: the shape of one image's features.
        dtype: the dtype of the features on disk.
        engine: the name of the engine that computed them.
        data: the folder of the images, or empty if unknown.
        size: bytes on disk.
        used: when it was last read or written, in seconds since 1970.
    """

    key: str
    network: str
    boundary: str
    num_images: int
    views: int
    feature_shape: tuple
    dtype: str
    engine: str
    data: str
    size: int
    used: float


class CacheFolder:
    """The entries of a cache, one folder each, up to `size_limit` bytes in all."""

    def __init__(self, path, size_limit=None):
        self.path = pathlib.Path(path)
        self.size_limit = size_limit
        self._in_use = set()

    def entries(self):
        """A list of `CacheEntry`, the most recently used last."""
        found = [_read_entry(self.path / key) for key in self.keys()]
        return sorted(filter(None, found), key=lambda entry: entry.used)

    def keys(self):
        """The names of all entries' folders, also of those that `entries` cannot describe."""
        if not self.path.is_dir():
            return []
        return [folder.name for folder in self.path.iterdir() if _is_entry(folder)]

    def make(self):
        """Creates the folder; raises `NoRoomError` if it cannot be created or written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise NoRoomError(
                f"Features cannot be kept in '{self.path}': {error.strerror}. Choose a "
                "writable folder with `FeatureCache(directory)` or --cache, or disable the "
                "cache with `cache=False` or --no-cache."
            ) from error

    @contextlib.contextmanager
    def locked(self, key):
        """The folder of an entry, locked for this process; other processes wait."""
        self.make()
        with locked(self._lock_path(key)):
            folder = self.path / key
            _make_entry(folder)
            self._in_use.add(key)
            for path in _paths_in(folder):  # of a process that was killed
                if path.name.startswith(".writing-"):
                    path.unlink(missing_ok=True)
            yield folder

    def describe(self, key, description):
        """Writes the description of an entry, if it has none, and marks it as used now."""
        folder = self.path / key
        if not (folder / _DESCRIPTION).is_file():
            text = json.dumps(description, indent=1, sort_keys=True) + "\n"
            write_text_aside(folder / _DESCRIPTION, text)
        (folder / _USED).touch()

    def make_room(self, needed):
        """Evicts entries until `needed` bytes fit, or raises `NoRoomError`."""
        if self.size_limit is not None:
            if needed > self.size_limit:
                raise NoRoomError(
                    f"The features need {_megabytes(needed)}, more than the size limit of the "
                    "cache. Raise `size_limit`, cache fewer views, or cut the network later, "
                    "where features are smaller. "
                    f"Received: size_limit={_megabytes(self.size_limit)}"
                )
            self.evict(self.size_limit - needed)
        free = shutil.disk_usage(self.path).free
        if needed > free:
            raise NoRoomError(
                f"The features need {_megabytes(needed)} on disk, but only {_megabytes(free)} "
                f"are free at '{self.path}'. Free disk space, choose another folder, cache "
                "fewer views, or use `dtype='float16'`."
            )

    def evict(self, size_limit):
        """Removes the least recently used entries until the rest fit `size_limit` bytes.

        Entries that this process uses stay, and entries that another process is writing.
        """
        entries = self.entries()
        size = sum(entry.size for entry in entries)
        for entry in entries:
            if size <= size_limit:
                return
            if entry.key not in self._in_use and self.remove(entry.key):
                size -= entry.size

    def remove(self, key):
        """Removes an entry; returns False if another process is writing it."""
        try:
            with locked(self._lock_path(key), timeout=0):
                _remove_entry(self.path / key)
                unlink_lock(self._lock_path(key))
        except filelock.Timeout:
            return False
        self._in_use.discard(key)
        return True

    def remove_leftovers(self):
        """Removes temporary entries and half-removed ones of processes that were killed."""
        for key in self.keys():
            is_described = (self.path / key / _DESCRIPTION).exists()
            if key not in self._in_use and (is_temporary(key) or not is_described):
                self.remove(key)

    def _lock_path(self, key):
        return str(self.path / f"{key}.lock")


def is_temporary(key):
    """Whether the features of an entry cannot be found again."""
    return key.startswith(TEMPORARY)


def _is_entry(folder):
    """Whether this library made a folder: a folder of the user may have any name."""
    if folder.is_symlink() or not folder.is_dir() or not _KEY.fullmatch(folder.name):
        return False
    try:
        return read_regular(folder / _TAG, len(_TAG_TEXT)) == _TAG_TEXT
    except OSError:
        return False


def _make_entry(folder):
    """Makes the folder of an entry, and refuses one that others made.

    Writing would follow a symbolic link out of the cache.
    """
    if not folder.is_symlink():
        folder.mkdir(exist_ok=True)
        found = list(_paths_in(folder))
        if not found:
            (folder / _TAG).write_bytes(_TAG_TEXT)
        if _is_entry(folder) and not any(path.is_symlink() for path in found):
            return
    raise FileExistsError(
        f"'{folder}' is not an entry of the cache, or holds symbolic links: remove it, or "
        "choose another folder for the cache."
    )


def _remove_entry(folder):
    if not _is_entry(folder):
        return
    # The description first: after a kill the rest is a leftover, not an entry. The tag last:
    # without it nobody would remove the leftover.
    (folder / _DESCRIPTION).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            remove_folder(path)
        elif path.name != _TAG:
            path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _read_entry(folder):
    try:
        described = read_json(folder / _DESCRIPTION, _MOST_DESCRIBED)
        check(described, _DESCRIBED)
        return CacheEntry(
            key=folder.name,
            network=described["network"],
            boundary=described["boundary"],
            num_images=described["num_images"],
            views=sum(1 for path in folder.iterdir() if path.name.startswith("view-")),
            feature_shape=tuple(described["feature_shape"]),
            dtype=described["dtype"],
            engine=described["engine"],
            data=described.get("data") or "",
            size=_size(folder),
            used=min((folder / _USED).stat().st_mtime, _LATEST),
        )
    except (OSError, ValueError):
        return None  # while it is removed, or of another version


def _size(folder):
    total = 0
    for path in _paths_in(folder):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size if not path.is_dir() else 0
    return total


def _paths_in(folder):
    """Everything below a folder; links are not followed."""
    for parent, subfolders, names in walk(folder):
        for name in (*subfolders, *names):
            yield pathlib.Path(parent, name)


def _megabytes(number):
    return f"{number / 1e6:,.1f} MB"

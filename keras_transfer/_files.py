"""Files that are written whole or not at all, file locks, and the cache folder."""

import contextlib
import os
import pathlib
import tempfile

import filelock
import platformdirs


def write_aside(path, write, flush=True):
    """Writes a file under another name and renames it: no incomplete file is ever visible.

    Args:
        path: where the file goes.
        write: a function that writes the file at the path it is given.
        flush: whether the file is on the disk before it is renamed.
    """
    path = pathlib.Path(path)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".writing-", suffix=path.suffix)
    os.close(handle)
    try:
        write(aside)
        if flush:
            with open(aside, "rb") as file:
                os.fsync(file.fileno())
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    finally:
        pathlib.Path(aside).unlink(missing_ok=True)


def write_text_aside(path, text):
    """Writes a text file as `write_aside` does; invalid Unicode is escaped."""
    contents = text.encode("utf-8", errors="backslashreplace")  # as a path may be
    write_aside(path, lambda aside: pathlib.Path(aside).write_bytes(contents))


@contextlib.contextmanager
def held(lock, message):
    """A context that one process at a time can enter.

    Args:
        lock: the path of the lock file, which exists while the context is active.
        message: of the `FileExistsError` in another process.
    """
    file_lock = filelock.FileLock(lock)
    try:
        file_lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise FileExistsError(message) from error
    try:
        yield
    finally:
        # Before the release, so that a waiting process sees that it is gone. Windows cannot
        # remove an open file; there it stays.
        with contextlib.suppress(OSError):
            pathlib.Path(lock).unlink()
        file_lock.release()


def cache_directory():
    """The folder for what can be computed again; it may not exist yet.

    Returns:
        A `pathlib.Path`: the environment variable `KERAS_TRANSFER_CACHE` if it is set, else the
        user's cache folder of the operating system.
    """
    return pathlib.Path(
        os.environ.get("KERAS_TRANSFER_CACHE")
        or platformdirs.user_cache_dir("keras_transfer", appauthor=False)
    )

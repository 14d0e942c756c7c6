"""Files that are whole or not there, and the folder of those that may be deleted."""

import contextlib
import os
import pathlib
import tempfile

import filelock
import platformdirs


def write_aside(path, write):
    """Writes a file beside its place and renames it, so that no half of it is ever seen.

    Args:
        path: where the file goes.
        write: a function that writes the file at the path it is given.
    """
    path = pathlib.Path(path)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".writing-", suffix=path.suffix)
    os.close(handle)
    try:
        write(aside)
        with open(aside, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    finally:
        pathlib.Path(aside).unlink(missing_ok=True)


def write_text_aside(path, text):
    """Writes a text file as `write_aside` does; what is not Unicode in it is escaped."""
    contents = text.encode("utf-8", errors="backslashreplace")  # as a path may be
    write_aside(path, lambda aside: pathlib.Path(aside).write_bytes(contents))


@contextlib.contextmanager
def held(lock, message):
    """A context that one process at a time can enter.

    Args:
        lock: the path of a file that is there meanwhile.
        message: of the `FileExistsError` that another process gets.
    """
    file_lock = filelock.FileLock(lock)
    try:
        file_lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise FileExistsError(message) from error
    try:
        yield
    finally:
        # While it is held: who waits for it then sees that it is gone. Windows removes no open
        # file; there it stays.
        with contextlib.suppress(OSError):
            pathlib.Path(lock).unlink()
        file_lock.release()


def cache_directory():
    """The folder for what can be computed again; it need not exist yet.

    Returns:
        A `pathlib.Path`: the environment variable `KERAS_TRANSFER_CACHE` where it is set, else
        the user's cache folder by the custom of the operating system.
    """
    return pathlib.Path(
        os.environ.get("KERAS_TRANSFER_CACHE")
        or platformdirs.user_cache_dir("keras_transfer", appauthor=False)
    )

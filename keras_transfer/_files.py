"""Files that are written whole or not at all, file locks, and the cache folder."""

import contextlib
import errno
import os
import pathlib
import stat
import tempfile
import warnings

import filelock
import platformdirs

# Of a file that is read as a whole, for example `run.json`.
_MOST_BYTES = 100 * 10**6
# What network drives without locks answer.
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


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
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    finally:
        pathlib.Path(aside).unlink(missing_ok=True)


def _umask():
    # It can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_text_aside(path, text):
    """Writes a text file as `write_aside` does; invalid Unicode is escaped."""
    contents = text.encode("utf-8", errors="backslashreplace")  # as a path may be
    write_aside(path, lambda aside: pathlib.Path(aside).write_bytes(contents))


def open_regular(path):
    """Opens a regular file to read its bytes.

    A pipe would wait for its writer, and a device has no end.

    Raises:
        OSError: if it is another kind of file, or cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    file = open(descriptor, "rb")  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "Not a regular file", os.fspath(path))
    return file


def read_regular(path, most=_MOST_BYTES):
    """The bytes of a regular file of at most `most` bytes.

    Raises:
        OSError: if it is another kind of file, larger, or cannot be read.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"Larger than {most:,} bytes", os.fspath(path))
    return content


def walk(directory, follow=False):
    """As `os.walk`, which recurses once for each level before Python 3.12.

    Args:
        directory: the folder to begin with.
        follow: whether links to folders are followed.
    """
    waiting = [os.fspath(directory)]
    while waiting:
        folder, subfolders, names = waiting.pop(), [], []
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                is_folder = _is_folder(entry, follow)
                (subfolders if is_folder else names).append(entry.name)
        yield folder, subfolders, names
        waiting += [os.path.join(folder, name) for name in reversed(subfolders)]


def _is_folder(entry, follow):
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:
        return False


def remove_folder(directory):
    """Removes what can be removed of a folder of any depth; links are not followed."""
    for folder, _, names in reversed(list(walk(directory))):
        for name in names:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))
        with contextlib.suppress(OSError):
            os.rmdir(folder)


@contextlib.contextmanager
def held(lock, message):
    """A context that one process at a time can enter.

    Args:
        lock: the path of the lock file, which exists while the context is active.
        message: of the `FileExistsError` in another process.
    """
    try:
        with locked(lock, timeout=0):
            try:
                yield
            finally:
                unlink_lock(lock)
    except filelock.Timeout as error:
        raise FileExistsError(message) from error


@contextlib.contextmanager
def locked(path, timeout=-1):
    """A context with a lock file; on a disk without file locks it only warns.

    Args:
        path: of the lock file.
        timeout: the number of seconds to wait. Defaults to -1, without a limit.

    Raises:
        filelock.Timeout: if another process holds the lock.
    """
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=timeout)
    except (OSError, NotImplementedError) as error:
        if not _has_no_locks(error):
            raise
        warnings.warn(
            f"The disk of '{pathlib.Path(path).parent}' has no file locks: do not use this "
            "folder in two processes at a time.",
            stacklevel=3,
        )
    try:
        yield
    finally:
        lock.release()


def unlink_lock(path):
    """Removes a lock file while the lock is held.

    A waiting process then sees that it is gone. Windows cannot remove an open file; there it
    stays.
    """
    with contextlib.suppress(OSError):
        pathlib.Path(path).unlink()


def _has_no_locks(error):
    return isinstance(error, NotImplementedError) or error.errno in _NO_LOCKS


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

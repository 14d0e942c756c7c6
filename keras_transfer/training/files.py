"""Files that are whole or not there."""

import os
import pathlib
import tempfile


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

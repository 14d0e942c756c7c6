"""Where results go, looked at before hours of work are done for it."""

import os
import pathlib


def check_output(output, data=None):
    """Raises `OSError` or `ValueError` where no results can be written.

    Args:
        output: the path of the folder for the results, which need not exist.
        data: the folder of pictures. Defaults to None.
    """
    path = pathlib.Path(output).absolute()
    if data is not None and _real(path).is_relative_to(_real(data)):
        raise ValueError(
            "Results within the folder of the pictures would be a class of pictures: name "
            f"another folder with --output. Received: DATA '{data}' and --output '{output}'"
        )
    existing = next(place for place in (path, *path.parents) if place.exists())
    if not existing.is_dir():
        raise NotADirectoryError(
            f"'{existing}' is a file; nothing was overwritten. Name another folder with "
            f"--output. Received: --output '{output}'"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(
            f"Nothing can be written into '{existing}'. Name another folder with --output. "
            f"Received: --output '{output}'"
        )


def _real(path):
    return pathlib.Path(os.path.realpath(path))

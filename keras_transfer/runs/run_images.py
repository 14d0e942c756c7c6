"""The image files of a run, which a page shows.

A run folder may come from elsewhere: of the files that it names, only regular ones within the
folder of its images are opened.
"""

import io
import os
import pathlib

from keras_transfer._files import read_regular
from keras_transfer.data.scanning import in_mode
from keras_transfer.data.thumbnails import open_image

_NO_DATA = ("/proc", "/sys")
_MOST_PIXELS = 10**8


class RunImages:
    """Opens the images of a run.

    Args:
        named: the folder that the run folder names.

    Attributes:
        folder: the folder of the images without symbolic links, or None.
    """

    def __init__(self, named):
        self.folder = None
        if isinstance(named, str) and os.path.isabs(named) and "\0" not in named:
            folder = pathlib.Path(os.path.realpath(named))
            self.folder = folder if folder.is_dir() and not _is_too_wide(folder) else None

    def path_of(self, path):
        """The path without symbolic links; None unless it is a regular file in the folder."""
        if self.folder is None or not isinstance(path, str) or "\0" in path:
            return None
        real = pathlib.Path(os.path.realpath(path))
        return real if real.is_relative_to(self.folder) and real.is_file() else None

    def name_of(self, path):
        """The path within the folder."""
        return str(self.path_of(path).relative_to(self.folder))

    def open(self, path, side):
        """A Pillow image in RGB, upright, of at least `side` pixels if it has them, or None."""
        real = self.path_of(path)
        if real is None:
            return None
        try:
            # The file may have been exchanged since its path was checked.
            image = open_image(io.BytesIO(read_regular(real)), side)
            return None if image.width * image.height > _MOST_PIXELS else in_mode(image, "RGB")
        # Pillow's decoders raise many kinds of errors for a corrupt file.
        except Exception:
            return None


def _is_too_wide(folder):
    """Whether a folder is no data set: whoever names it wants something else to be shown."""
    home = pathlib.Path(os.path.realpath(pathlib.Path.home()))
    is_system = any(folder.is_relative_to(place) for place in _NO_DATA)
    return is_system or home.is_relative_to(folder)

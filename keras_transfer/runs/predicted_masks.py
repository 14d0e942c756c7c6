"""The masks that a run predicts for image files."""

import dataclasses
import math
import os
import pathlib

import numpy as np

from keras_transfer._files import write_aside
from keras_transfer._text import one_line
from keras_transfer.data.opened_files import upright_size
from keras_transfer.runs.predicted_images import write_predictions

# Of the golden ratio: neighbouring classes get hues far apart.
_HUE_STEP = 0.618034
_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class PredictedMasks:
    """The masks that a run predicts for image files.

    Attributes:
        paths: the files that could be read, in order.
        masks: a uint8 array of class indices, of shape `(images, height, width)` with the size
            of the model's input.
        class_names: the names of the classes.
        unreadable: a list of `(path, reason)` for the other files.
    """

    paths: list
    masks: np.ndarray
    class_names: tuple
    unreadable: list

    def shares(self):
        """The share of pixels of each class in each image, `(images, classes)`."""
        number = len(self.class_names)
        counts = [np.bincount(mask.ravel(), minlength=number) for mask in self.masks]
        size = max(1, math.prod(self.masks.shape[1:]))
        return np.array(counts, "float64").reshape(-1, number) / size

    def save(self, directory: str | os.PathLike) -> list:
        """Writes a PNG file for each image, in its size, with class indices as pixels.

        The palette of the file gives each class a colour. A file has the name of its image; one
        that two images have gets a number.

        Returns:
            The paths of the files.
        """
        from PIL import Image

        folder = pathlib.Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        written: dict = {}
        for path, mask in zip(self.paths, self.masks, strict=True):
            stem, number = pathlib.PurePath(path).stem, 1
            while folder / f"{stem}.png" in written:
                number += 1
                stem = f"{pathlib.PurePath(path).stem}_{number}"
            height, width = upright_size(path)
            image = colored(mask, len(self.class_names))
            image = image.resize((width, height), Image.Resampling.NEAREST)
            written[folder / f"{stem}.png"] = True
            write_aside(
                folder / f"{stem}.png", lambda aside, image=image: image.save(aside, "PNG")
            )
        return list(written)

    def to_csv(self, path: str | os.PathLike, threshold: float | None = None) -> None:
        """Writes a row for each image with the share of pixels of each class."""
        columns = [f"share({name})" for name in self.class_names]
        rows = [[f"{share:.6g}" for share in shares] for shares in self.shares()]
        write_predictions(path, columns, self.paths, rows, self.unreadable)

    def to_json(self, top: int = 1, threshold: float | None = None) -> list:
        """A dict for each image, with the share of pixels of each class."""
        return [
            {"image": path, "shares": dict(zip(self.class_names, row.tolist(), strict=True))}
            for path, row in zip(self.paths, self.shares(), strict=True)
        ]

    def lines(self, top: int = 1, threshold: float | None = None) -> list:
        """A line for each image, with the classes that most pixels have."""
        found = []
        for path, row in zip(self.paths, self.shares(), strict=True):
            order = [index for index in np.argsort(-row, kind="stable") if row[index]]
            named = [f"{one_line(self.class_names[i])} {row[i]:.1%}" for i in order[:_SHOWN]]
            found.append("\t".join([one_line(path), *named]))
        return found


def colored(mask, number):
    """A Pillow image of class indices whose palette gives each of `number` classes a colour."""
    from PIL import Image

    image = Image.fromarray(mask)
    image.putpalette(_palette(number))
    return image


def hue_of(index, first):
    """The hue of a class, if class 0 has the first one."""
    return (first + index * _HUE_STEP) % 1


def _palette(number):
    """Colours of classes, as Pillow takes them, and black: 256 times red, green and blue."""
    import colorsys

    found = []
    for index in range(number):
        value = (0.95, 0.7, 0.5)[index % 3]
        color = colorsys.hsv_to_rgb(hue_of(index, 0.58), 0.65, value)
        found += [round(255 * part) for part in color]
    return found + [0] * (768 - len(found))

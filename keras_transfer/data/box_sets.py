"""Images with boxes, from the files that describe them."""

import collections
import collections.abc
import os
import pathlib
import typing

import numpy as np

from keras_transfer.data.box_files import READERS, BoxFileError
from keras_transfer.data.file_splits import SPLITS, FileOptions, Labelled
from keras_transfer.data.image_folders import existing_folder
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.pipeline import ReadingOptions

# A smaller share of a box inside the image is no object in it.
_LEAST_INSIDE = 0.1
# Fractions of the image: a tenth of a pixel of a large one.
_THIN = 1e-4


class ImageBoxes(typing.NamedTuple):
    """The boxes of an image.

    Attributes:
        boxes: tuples of left, top, right and bottom, fractions of the image, and the index of
            the class.
    """

    boxes: tuple[tuple[float, ...], ...]


def boxes(
    path: str | os.PathLike,
    image_size: int | tuple[int, int],
    format: str = "voc",
    images: str | os.PathLike | None = None,
    *,
    batch_size: int = 8,
    validation_split: float | None = 0.2,
    seed: int = 0,
    on_unreadable: str = "raise",
    shuffle: bool = True,
    color_mode: str = "rgb",
    reduced_decoding: bool = True,
    group: collections.abc.Callable | collections.abc.Mapping | None = None,
    exclude: str | os.PathLike | collections.abc.Iterable | None = None,
    value_range: float | None = None,
    fold: tuple[int, int] | None = None,
) -> ImageSplits:
    """Reads images with boxes around objects, in the format of VOC, COCO or YOLO.

    All formats become one: `(left, top, right, bottom, class)`, fractions of the image. A
    warning with the number and an example says what is wrong with boxes, and what happens:

    | boxes | treatment |
    |---|---|
    | without an area, or with the sides swapped | left out |
    | that reach over the edge | cut off |
    | with less than a tenth in the image | left out |
    | that come twice in an image, or of a crowd | left out |
    | whose id comes twice | kept |

    An image without boxes is kept: it shows what is no object. An image whose file or boxes
    cannot be read, or with an unknown category, is an error or skipped.

    Args:
        path: for "voc", the folder with `Annotations`, `JPEGImages` and, if there is one,
            `ImageSets`; for "coco", the JSON file; for "yolo", the folder with `images` and
            `labels`, which may be in `train`, `val` and `test`. Or the folder of the XML or
            text files alone, with `images`.
        image_size: `(height, width)`, or one integer for both, in pixels; images are stretched.
        format: "voc" (the default), "coco" or "yolo".
        images: the folder of the images. Defaults to None: for "coco", that of the file, or
            `images` beside it; else `path`.
        batch_size: images in a batch. Defaults to 8.
        validation_split: as in `image_folder`, as all that follow.
        seed: of the split and of the order.
        on_unreadable: "raise", or "skip" to leave out images that cannot be used.
        shuffle: whether the order changes in each epoch.
        color_mode: "rgb" or "grayscale".
        reduced_decoding: whether a large JPEG may be decoded at a reduced size.
        group: the group of each image.
        exclude: images to leave out.
        value_range: the value that is white in images of more than 8 bits.
        fold: `(index, number)` for cross-validation.

    Returns:
        An `ImageSplits` with the task "boxes". Its datasets have float32 boxes of shape
        `(batch, boxes, 5)`; rows with the class -1 fill up.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if a file is not of this format, or an image cannot be used.

    Example:
        >>> import json
        >>> random = np.random.default_rng(0)
        >>> for name in ("a.png", "b.png", "c.png"):
        ...     png = tf.io.encode_png(random.integers(0, 256, (20, 40, 3), "uint8"))
        ...     tf.io.write_file(name, png)
        >>> named = [{"id": number, "file_name": f"{'abc'[number]}.png"} for number in range(3)]
        >>> found = [
        ...     {"id": number, "image_id": number, "category_id": 1, "bbox": [10, 5, 20, 10]}
        ...     for number in range(3)
        ... ]
        >>> with open("cells.json", "w") as file:
        ...     json.dump({"images": named, "annotations": found,
        ...                "categories": [{"id": 1, "name": "cell"}]}, file)
        >>> read = data.boxes("cells.json", 16, format="coco", validation_split=None)
        >>> next(iter(read.train))[1][0].numpy().tolist()
        [[0.25, 0.25, 0.75, 0.75, 0.0]]
    """
    options = ReadingOptions(
        image_size, batch_size, validation_split, seed, color_mode, reduced_decoding,
        value_range,
    )  # fmt: skip
    place = f"{os.fspath(path)!r} in the format {format!r}"
    files = FileOptions(place, on_unreadable, shuffle, exclude, fold)
    if format not in READERS:
        raise ValueError(f"`format` must be one of {sorted(READERS)}. Received: {format!r}")
    path = pathlib.Path(path).absolute()
    if not path.exists():
        raise FileNotFoundError(f"No such file or folder. Received: {place}")
    if path.is_dir() is (format == "coco"):
        kind = "a JSON file" if format == "coco" else "a folder"
        raise ValueError(f"This format needs {kind}. Received: {place}")
    images = None if images is None else existing_folder(images)
    try:
        found, names, messages = READERS[format](path, images)
    except (BoxFileError, UnicodeDecodeError) as error:
        raise ValueError(f"{error}. Received: {place}") from error
    directory = images or (path if path.is_dir() else path.parent)
    labelled = ByBoxes(found, names, files, directory)
    return files.splits(labelled, directory, options, group, messages)


class ByBoxes(Labelled):
    """The files that have boxes.

    Args:
        found: a list of `Annotated`.
        names: of the classes, or None: those that occur.
        files: the `FileOptions`.
        directory: that names in messages are relative to.
    """

    task = "boxes"

    def __init__(self, found, names, files, directory):
        self._files, self._directory = files, directory
        self._found = [one for one in found if one.problem is None]
        self._problems = [(one.image, one.problem) for one in found if one.problem is not None]
        self._names = names
        self.unreadable = tuple(self._problems)

    @property
    def paths(self):
        """All of them."""
        return list(dict.fromkeys(one.image for one in self._found))

    def rows(self, scanned, place, known=None):
        """The names, dict from split to `(ImageBoxes, file)`, and messages."""
        messages = self._files.skipped(
            self._problems, len(self._problems) + len(self._found), self._directory,
            "annotated images", "that cannot be used",
        )  # fmt: skip
        twice = [
            k for k, n in collections.Counter(o.image for o in self._found).items() if n > 1
        ]
        if twice:
            name = os.path.relpath(twice[0], self._directory)
            raise ValueError(
                f"{len(twice)} images come twice, such as '{name}'. Received: {place}"
            )
        names = self._names or sorted({name for one in self._found for name in one.classes})
        if not names:
            raise ValueError(f"Found no box. Received: {place}")
        number = {name: index for index, name in enumerate(names)}
        notes: dict = collections.defaultdict(list)
        rows: dict = {}
        splits = {one.split for one in self._found}
        for one in self._found:
            if one.image not in scanned:
                continue
            kept, told = _cleaned(one.boxes, [number[name] for name in one.classes])
            for note in [*one.notes, *told]:
                notes[note].append(one.image)
            split = (one.split or "train") if "train" in splits else "train"
            rows.setdefault(split, []).append((ImageBoxes(kept), scanned[one.image]))
        if not rows.get("train"):
            raise ValueError(f"There are no training images. Received: {place}")
        messages += self._background(rows)
        for note, images in notes.items():
            name = os.path.relpath(images[0], self._directory)
            messages.append(f"Boxes {note}: {len(images)}, such as one in '{name}'.")
        return tuple(names), {split: rows[split] for split in SPLITS if split in rows}, messages

    def _background(self, rows):
        """A message about the images without a box, some of which may have no file."""
        empty = sum(not label.boxes for found in rows.values() for label, _ in found)
        if not empty:
            return
        images = [one.image for one in self._found if not one.has_file]
        without = (
            f"; without a file of boxes: {len(images)}, such as "
            f"'{os.path.relpath(images[0], self._directory)}'"
            if images
            else ""
        )
        yield f"Images without a box, kept as background: {empty}{without}."

    def targets(self, labels):
        """The boxes as an array of the same width for all splits."""
        return box_array(labels, max((len(one.classes) for one in self._found), default=1))


def box_array(labels, least=1):
    """A list of `ImageBoxes` as an array `(images, boxes, 5)`, filled up with the class -1."""
    most = max(1, least, max((len(one.boxes) for one in labels), default=0))
    found = np.zeros((len(labels), most, 5), "float32")
    found[..., 4] = -1
    for row, one in zip(found, labels, strict=True):
        if one.boxes:
            row[: len(one.boxes)] = one.boxes
    return found


def _cleaned(boxes, classes):
    """The boxes that can be used, as tuples with the class, and what was wrong with others."""
    kept: dict = {}
    notes = []
    for box, kind in zip(np.asarray(boxes, "float64"), classes, strict=True):
        if not np.isfinite(box).all():
            notes.append("that are not numbers, left out")
            continue
        sides = box[2:] - box[:2]
        if (sides < _THIN).any():
            notes.append("without an area, left out")
            continue
        inside = np.clip(box, 0.0, 1.0)
        share = np.prod(np.maximum(inside[2:] - inside[:2], 0)) / np.prod(sides)
        if share < _LEAST_INSIDE:
            notes.append("outside the image, left out")
            continue
        if share < 1 - 1e-3:
            notes.append("that reach over the edge, cut off")
        row = (*(round(float(side), 6) for side in inside), int(kind))
        if row in kept:
            notes.append("that come twice, left out once")
        kept[row] = True
    return tuple(kept), notes

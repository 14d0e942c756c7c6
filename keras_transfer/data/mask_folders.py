"""Images with a mask each, from folders."""

import collections.abc
import os
import pathlib

import numpy as np

from keras_transfer._text import some_of
from keras_transfer.data.class_tables import read_classes
from keras_transfer.data.file_splits import SPLITS, FileOptions, Labelled
from keras_transfer.data.image_folders import existing_folder, split_of
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.mask_files import VOID, MaskReader
from keras_transfer.data.pipeline import ReadingOptions
from keras_transfer.data.scanning import find_images

# What the name of a mask adds to that of its image.
_ENDINGS = ("", "_mask", "_L", "_label", "_labels", "_seg", "_gt", "_gtFine_labelIds")
_SHOWN = 3


def mask_folder(
    images: str | os.PathLike,
    masks: str | os.PathLike,
    image_size: int | tuple[int, int],
    classes: collections.abc.Iterable | str | os.PathLike | None = None,
    ignore_class: int | None = None,
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
    """Reads images that have a mask each: a file that gives each pixel its class.

    A mask has the name of its image, whatever its ending, or that name with `_mask`, `_label`
    or `_L`. The folders are one of

    - a folder with the images and another one with the masks, both with the same subfolders,
      which may be `train`, `val` and `test`;
    - a folder with the subfolders `images` and `masks`, or with these two in `train`, `val` and
      `test`; `masks` is then the name of the one with the masks.

    Every mask is read once before the function returns: labels out of range, masks of another
    size than their image and unknown colours are found before the training, with their file.
    Masks are resized without interpolation. Palettes and grey values are class indices.

    Args:
        images: the folder of the images, or one that has subfolders of images and masks.
        masks: the folder of the masks, or the name of the subfolders with masks.
        image_size: `(height, width)`, or one integer for both, in pixels; images and masks are
            stretched.
        classes: the names of the classes in the order of their indices; a dict of name to
            `(red, green, blue)` for masks in colours, where the name None stands for pixels
            without a class; or the path of a text file with a line for each: `name`, or
            `name,red,green,blue`. Defaults to None: the indices are the names.
        ignore_class: the label of pixels without a class, for example 255. Defaults to None.
        batch_size: images in a batch. Defaults to 8.
        validation_split: as in `image_folder`, as all that follow.
        seed: of the split and of the order.
        on_unreadable: "raise", or "skip" to leave out images whose file or mask cannot be used.
        shuffle: whether the order changes in each epoch.
        color_mode: "rgb" or "grayscale".
        reduced_decoding: whether a large JPEG may be decoded at a reduced size.
        group: the group of each image.
        exclude: images to leave out.
        value_range: the value that is white in images of more than 8 bits.
        fold: `(index, number)` for cross-validation.

    Returns:
        An `ImageSplits` with the task "masks", whose `ignore_class` the head needs. Its
        datasets have uint8 masks of shape `(batch, height, width)`.

    Raises:
        FileNotFoundError, NotADirectoryError: if there is no such folder.
        ValueError: if an image has no mask, a mask cannot be used, the classes are not valid,
            or as in `image_folder`.

    Example:
        >>> import pathlib
        >>> random = np.random.default_rng(0)
        >>> pixels = {"images": random.integers(0, 256, (4, 20, 30, 3), "uint8")}
        >>> pixels["masks"] = np.tile(np.arange(30)[:, None] // 15, (4, 20, 1, 1))
        >>> for folder, arrays in pixels.items():
        ...     pathlib.Path("road", folder).mkdir(parents=True)
        ...     for number, array in enumerate(arrays.astype("uint8")):
        ...         png = tf.io.encode_png(array).numpy()
        ...         _ = pathlib.Path("road", folder, f"{number}.png").write_bytes(png)
        >>> read = data.mask_folder("road", "masks", 16, ["field", "road"], batch_size=2)
        >>> read.task, next(iter(read.train))[1].shape
        ('masks', TensorShape([2, 16, 16]))
    """
    options = ReadingOptions(
        image_size, batch_size, validation_split, seed, color_mode, reduced_decoding,
        value_range,
    )  # fmt: skip
    place = f"{os.fspath(images)!r}, masks={os.fspath(masks)!r}"
    files = FileOptions(place, on_unreadable, shuffle, exclude, fold)
    names, colors, void = read_classes(classes)
    if void is not None:
        ignore_class = VOID
    _check_ignored(ignore_class, names)
    directory = existing_folder(images)
    folders = _folders(directory, masks, place)
    pairs, messages = _paired(folders, directory, on_unreadable, place)
    reader = MaskReader(names, colors, void, ignore_class)
    labelled = ByMask(pairs, reader, files, directory)
    return files.splits(labelled, directory, options, group, messages)


def place_of_masks(directory, masks):
    """The name of a subfolder with masks, or the absolute path of a folder of them."""
    name, directory = os.fspath(masks), pathlib.Path(directory)
    folders = [directory, *(path for path in directory.glob("*") if path.is_dir())]
    is_inside = os.sep not in name and any((folder / name).is_dir() for folder in folders)
    return name if is_inside else os.path.abspath(name)


class ByMask(Labelled):
    """The files that have a mask.

    Args:
        pairs: dict from split to a dict from the path of an image to that of its mask.
        reader: a `MaskReader`.
        files: the `FileOptions`.
        directory: that names in messages are relative to.
    """

    task = "masks"

    def __init__(self, pairs, reader, files, directory):
        self._pairs, self._reader, self._files = pairs, reader, files
        self._directory, self.unreadable = directory, ()

    @property
    def paths(self):
        """All of them."""
        return [path for found in self._pairs.values() for path in found]

    @property
    def further(self):
        """What else an `ImageSplits` holds."""
        return {"ignore_class": self._reader.ignore_class}

    def rows(self, scanned, place, known=None):
        """The names, dict from split to `(MaskFile, file)`, and messages."""
        found = [
            (split, mask, scanned[path])
            for split, pairs in self._pairs.items()
            for path, mask in pairs.items()
            if path in scanned
        ]
        masks, reasons = self._reader.scan([(mask, file) for _, mask, file in found])
        self.unreadable = tuple(reasons)
        messages = self._files.skipped(
            reasons, len(found), self._directory, "masks", "whose mask cannot be used"
        )
        rows: dict = {split: [] for split in self._pairs}
        for (split, _, file), mask in zip(found, masks, strict=True):
            if mask is not None:
                rows[split].append((mask, file))
        if not rows.get("train"):
            raise ValueError(f"There are no training images. Received: {place}")
        if len(self._reader.names) < 2:
            raise ValueError(
                "Masks need at least two classes, the background included. Received: the "
                f"label {', '.join(self._reader.names)} alone, {place}"
            )
        return tuple(self._reader.names), {s: r for s, r in rows.items() if r}, messages

    def targets(self, labels):
        """What the loader takes of each mask."""
        paths = [os.fsencode(mask.path) for mask in labels]
        return paths, np.array([mask.fingerprint for mask in labels], "int64")

    def loader(self, image_size):
        """The function from that to a tensor."""
        return self._reader.loader(image_size)


def _check_ignored(ignore_class, names):
    if ignore_class is None:
        return
    is_label = isinstance(ignore_class, int) and 0 <= ignore_class <= 255
    if not is_label or (names is not None and ignore_class < len(names)):
        raise ValueError(
            "`ignore_class` must be a label from 0 to 255 that is not the index of a class, or "
            f"None. Received: ignore_class={ignore_class!r}"
            + (f" with {len(names)} classes" if names else "")
        )


def _folders(directory, masks, place):
    """Dict from split, or None for all, to `(folder of images, folder of masks)`."""
    name = os.fspath(masks)
    if os.sep not in name and (beside := _images_beside(directory, name)):
        return {None: (beside, directory / name)}
    if os.sep not in name:
        found: dict = {}
        for folder in sorted(path for path in directory.iterdir() if path.is_dir()):
            split = split_of(folder.name)
            beside = _images_beside(folder, name) if split else None
            if beside:
                if split in found:
                    both = f"'{found[split][0].parent.name}' and '{folder.name}'"
                    raise ValueError(
                        f"Found two folders for the {split} split: {both}. Received: {place}"
                    )
                found[split] = beside, folder / name
        if "train" in found:
            return {split: found[split] for split in SPLITS if split in found}
        if found:
            raise ValueError(
                f"Found masks for {sorted(found)}, but none for 'train'. Received: {place}"
            )
    path = pathlib.Path(masks).absolute()
    if not path.is_dir():
        raise FileNotFoundError(
            f"Found no masks: neither a folder '{path}', nor folders 'images' and {name!r} in "
            f"'{directory}' or in its train, val and test folders. Received: {place}"
        )
    return {None: (directory, path)}


def _images_beside(folder, name):
    """The folder of images beside a folder of masks: `images`, or the only other; or None."""
    if not (folder / name).is_dir():
        return None
    others = [path for path in folder.iterdir() if path.is_dir() and path.name != name]
    called = [path for path in others if path.name == "images"]
    found = called or (others if not split_of(others[0].name) else []) if others else []
    return found[0] if len(found) == 1 else None


def _paired(folders, directory, on_unreadable, place):
    """Dict from split to a dict from image to mask, and messages."""
    pairs: dict = {}
    without, unused = [], []
    for split, (images, masks) in folders.items():
        by_stem = _by_stem(masks, place)
        inside = images if masks.is_relative_to(images) else None
        for path in find_images(images):
            if inside and pathlib.Path(path).is_relative_to(masks):
                continue
            relative = pathlib.PurePath(os.path.relpath(path, images)).with_suffix("")
            stems = [str(relative) + ending for ending in _ENDINGS]
            mask = next((by_stem.pop(stem) for stem in stems if stem in by_stem), None)
            if mask is None:
                without.append(os.path.relpath(path, directory))
                continue
            first = split_of(relative.parts[0]) if relative.parts[1:] else None
            pairs.setdefault(split or first, {})[path] = mask
        unused += [os.path.relpath(path, directory) for path in by_stem.values()]
    if without and (on_unreadable == "raise" or not pairs):
        raise ValueError(
            f"{len(without)} images have no mask of the same name: {_listed(without)}. Add "
            "the masks, or pass `on_unreadable='skip'` (--on-unreadable skip) to leave these "
            f"images out. Received: {place}"
        )
    if not pairs:
        raise ValueError(f"Found no images. Received: {place}")
    if "train" not in pairs or None in pairs:
        every = {path: mask for found in pairs.values() for path, mask in found.items()}
        pairs = {"train": every}
    messages = []
    if without:
        messages.append(f"Left out, without a mask: {len(without)} images, {_listed(without)}.")
    if unused:
        messages.append(f"Masks without an image: {len(unused)}, {_listed(unused)}.")
    return {split: pairs[split] for split in SPLITS if split in pairs}, messages


def _by_stem(folder, place):
    """Dict from the relative path of a mask, without its suffix, to its path."""
    found: dict = {}
    for path in find_images(folder):
        stem = os.path.splitext(os.path.relpath(path, folder))[0]
        if stem in found:
            raise ValueError(
                f"Two masks have the same name: '{found[stem]}' and '{path}'. Received: {place}"
            )
        found[stem] = path
    return found


def _listed(names):
    return some_of(map(repr, sorted(names)), _SHOWN)

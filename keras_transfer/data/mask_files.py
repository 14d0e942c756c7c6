"""Masks: image files whose pixels are classes, checked once before the training."""

import concurrent.futures
import io
import os
import pathlib
import typing

import numpy as np
import tensorflow as tf

from keras_transfer import _progress
from keras_transfer._text import some_of
from keras_transfer.data.changed_files import unchanged
from keras_transfer.data.opened_files import open_file, upright_size
from keras_transfer.data.scanning import fingerprint_of

# The label of the colour that stands for no class.
VOID = 255
_SHOWN = 3


class MaskFile(typing.NamedTuple):
    """The mask of an image.

    Attributes:
        path: the file.
        fingerprint: a fast hash of its bytes, which every later reading is compared with.
        pixels: the number of pixels of each class.
    """

    path: str
    fingerprint: int
    pixels: tuple[int, ...] = ()


class MaskReader:
    """Reads masks as class indices.

    Args:
        names: of the classes; None if the highest index decides how many there are.
        colors: for masks in colours, the `(red, green, blue)` of each class. Defaults to None:
            grey values and the entries of a palette are indices.
        void: the colour of pixels without a class, or None.
        ignore_class: the label of pixels without a class, or None.
    """

    def __init__(self, names=None, colors=None, void=None, ignore_class=None):
        self.names, self.ignore_class = names, ignore_class
        self._codes = None
        if colors is not None:
            codes = {_code(np.array(color)): index for index, color in enumerate(colors)}
            if void is not None:
                codes[_code(np.array(void))] = VOID
            self._codes = codes

    def scan(self, images):
        """Reads all masks once.

        Args:
            images: a list of `(path of a mask, ScannedFile of its image)`.

        Returns:
            A list of `MaskFile`, None for one that cannot be read, and a list of `(path,
            reason)`.
        """
        with (
            concurrent.futures.ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1))) as pool,
            _progress.step("checking the masks", len(images)) as advance,
        ):
            found = []
            for one in pool.map(self._scan_mask, images):
                found.append(one)
                advance()
        scanned = [None if isinstance(one, str) else one for one in found]
        reasons = [
            (path, one)
            for (path, _), one in zip(images, found, strict=True)
            if isinstance(one, str)
        ]
        if self.names is None:
            self.names = self._numbered([one.pixels for one in scanned if one is not None])
        number = len(self.names)
        return [one and one._replace(pixels=one.pixels[:number]) for one in scanned], reasons

    def _scan_mask(self, pair):
        """A `MaskFile`, or the reason why it cannot be used."""
        path, image = pair
        try:
            contents = pathlib.Path(path).read_bytes()
            mask = self.decode(contents)
            expected = upright_size(image.path)
        except OSError as error:
            return error.strerror or "not an image, or a corrupt one"
        except Exception as error:  # a decoder may raise anything at a corrupt file
            return str(error) or type(error).__name__
        if mask.shape != expected:
            return (
                f"{mask.shape[1]} x {mask.shape[0]} pixels, but its image has {expected[1]} x "
                f"{expected[0]}: a mask needs the size of its image"
            )
        pixels = np.bincount(mask.ravel(), minlength=256)
        return self._problem(pixels) or MaskFile(
            path, int(fingerprint_of(contents)), tuple(pixels.tolist())
        )

    def _problem(self, pixels):
        """What is wrong with the labels of a mask, or None."""
        counted = pixels.copy()
        if self.ignore_class is not None:
            counted[self.ignore_class] = 0
        values = np.flatnonzero(counted)
        if not values.size:
            return "no pixel has a class"
        highest = int(values[-1])
        if self.names is not None and highest >= len(self.names):
            meant = "" if self.ignore_class is not None else (
                f"; if {highest} marks pixels without a class, pass `ignore_class={highest}` "
                f"(--ignore-class {highest})"
            )  # fmt: skip
            return (
                f"the label {highest} in {int(counted[highest])} pixels, but the classes are 0 "
                f"to {len(self.names) - 1}{meant}"
            )
        if self.names is None and self._codes is None and highest == VOID:
            return (
                "the label 255, which usually marks an edge or the object of a mask of two "
                "colours: pass `ignore_class=255` (--ignore-class 255), or name the classes "
                "with their colours in `classes` (--classes FILE)"
            )
        return None

    def _numbered(self, counts):
        """Names by index, as many as there are labels."""
        total = np.sum(counts, axis=0) if counts else np.zeros(256, int)
        if self.ignore_class is not None:
            total[self.ignore_class] = 0
        highest = int(np.flatnonzero(total).max(initial=-1))
        return tuple(str(index) for index in range(highest + 1))

    def decode(self, contents):
        """The class index of each pixel, uint8 of shape `(height, width)`.

        Raises:
            ValueError: if the file has other values.
        """
        with open_file(io.BytesIO(contents)) as image:
            if image.format == "JPEG":
                raise ValueError("a JPEG, which blurs the classes: save masks as PNG")
            if getattr(image, "n_frames", 1) > 1:
                raise ValueError("several pages: one mask for each image")
            image.load()
            if self._codes is not None:
                return self._of_colors(np.asarray(image.convert("RGB")))
            return _indices(image)

    def _of_colors(self, pixels):
        codes, places = np.unique(_code(pixels), return_inverse=True)
        unknown = [code for code in codes.tolist() if code not in self._codes]
        if unknown:
            listed = some_of((str(_color(code)) for code in unknown), _SHOWN)
            raise ValueError(f"colours that no class has: {listed}")
        table = np.array([self._codes[code] for code in codes.tolist()], "uint8")
        return table[places].reshape(pixels.shape[:2])

    def loader(self, image_size):
        """A function of the path and the fingerprint of a mask, to a uint8 tensor."""

        def resized(contents):
            from PIL import Image

            mask = Image.fromarray(self.decode(contents))
            return np.asarray(mask.resize(image_size[::-1], Image.Resampling.NEAREST))

        def load(target):
            path, fingerprint = target
            contents = unchanged(tf.io.read_file(path), path, fingerprint)
            mask = tf.numpy_function(resized, [contents], "uint8")
            return tf.ensure_shape(mask, image_size)

        return load


def _indices(image):
    """The values of an image of one channel, or of channels that are all equal."""
    if image.mode in ("P", "L"):
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image).astype("uint8")
    values = np.asarray(image)
    if values.dtype.kind not in "iu":
        raise ValueError("floating-point values: labels are whole numbers")
    if values.ndim == 3:
        colors = values[..., :-1] if image.mode in ("LA", "RGBA") else values
        if (colors != colors[..., :1]).any():
            raise ValueError(
                "in colour: name the classes with their colours in `classes` (--classes FILE)"
            )
        values = colors[..., 0]
    if values.min() < 0 or values.max() > 255:
        worst = values.min() if values.min() < 0 else values.max()
        raise ValueError(f"the label {int(worst)}: labels are 0 to 255")
    return values.astype("uint8")


def _code(colors):
    return colors.astype("int64") @ np.array([65536, 256, 1])


def _color(code):
    return code >> 16, code >> 8 & 255, code & 255

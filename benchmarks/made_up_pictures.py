"""Many small JPEG files, quickly."""

import contextlib
import io
import pathlib
import struct

import numpy as np
from PIL import Image

from benchmarks import picture_folders

_DIFFERENT = 300
_CLASSES = 10


@contextlib.contextmanager
def opened_or_made(data_set, place, number):
    """The path of a folder of pictures: of a data set, or, for None, made up in `place`."""
    if data_set is None:
        write(f"{place}/pictures", number)
        yield f"{place}/pictures"
        return
    with picture_folders.opened(data_set) as folder:
        yield folder.path


def write(directory, number, size=64):
    """Writes `number` JPEG files into folders of ten classes.

    A few hundred pictures are drawn. The other files repeat them with another comment in
    front, so that no two files have the same bytes.
    """
    pictures = [draw(seed, size) for seed in range(min(number, _DIFFERENT))]
    folders = [pathlib.Path(directory, f"class{label}") for label in range(_CLASSES)]
    for folder in folders:
        folder.mkdir(parents=True)
    for index in range(number):
        contents = with_comment(pictures[index % len(pictures)], str(index).encode())
        (folders[index % _CLASSES] / f"{index}.jpg").write_bytes(contents)


def draw(seed, size):
    """The bytes of a JPEG file: coarse noise, so that it compresses like a photograph."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype="uint8")
    picture = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def with_comment(jpeg, comment):
    """The bytes of the same picture with a comment segment after the start marker."""
    # The length counts its own two bytes.
    segment = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
    return jpeg[:2] + segment + jpeg[2:]

"""Reads every file once before training, so that no epoch stops at a corrupt one."""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import re
import struct
import time
import warnings
import zlib

import numpy as np
import tensorflow as tf

from keras_transfer import _progress
from keras_transfer._files import cache_directory, walk, write_text_aside
from keras_transfer._records import read_json
from keras_transfer.data.opened_files import open_file

SUFFIXES = frozenset(
    (
        ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm",
        ".ppm", ".tif", ".tiff", ".webp",
    )
)  # fmt: skip
# These are images too: they are reported, not skipped silently.
UNSUPPORTED_SUFFIXES = frozenset(
    (
        ".arw", ".avif", ".cr2", ".dcm", ".dng", ".heic", ".heif", ".jp2", ".mha", ".nef",
        ".nii", ".psd", ".svg", ".tga",
    )
)  # fmt: skip
# What files of these formats begin with, for those without a suffix.
_MAGIC = (
    b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM", b"RIFF", b"P4", b"P5", b"P6", b"II*\0",
    b"MM\0*",
)  # fmt: skip
# Folders of file servers and archives: copies, thumbnails and what was thrown away.
_DROPPINGS = frozenset(("@eadir", "__macosx", "#recycle", "$recycle.bin", "lost+found"))

_ORIENTATION_TAG = 0x0112
# Increase it when a scan of the same file may give another result.
_RULES = 6
# Of one folder: the files scanned first are forgotten first.
_MOST_KEPT = 500_000
# Clocks of file systems tick every few milliseconds, on some network shares every second, on
# FAT every two seconds: a later write may leave the same times on a file as new as this.
_SETTLED_NANOSECONDS = 2_000_000_000


@dataclasses.dataclass(frozen=True)
class ScannedFile:
    """The result of scanning one file.

    Attributes:
        path: the file.
        digest: hash of its bytes.
        orientation: the EXIF orientation, 1 to 8.
        native: "JPEG" or "PNG" where `decode_image` decodes it exactly as Pillow does, else "".
        highest: the highest value of an image of more than 8 bits, else 0.
        is_float: whether its values are floating-point numbers, whose range is unknown.
        fingerprint: a fast hash of its bytes, which every later reading is compared with.
        reason: why it cannot be read, or None.
    """

    path: str
    digest: str = ""
    orientation: int = 1
    native: str = ""
    highest: float = 0
    is_float: bool = False
    fingerprint: int = 0
    reason: str | None = None


def find_images(directory):
    """The sorted paths of the images below `directory`, without hidden ones."""
    return find_files(directory, is_image)


def find_files(directory, is_wanted):
    """The sorted paths of the files below `directory` that a function of a path takes.

    Links to folders are followed, each folder once.
    """
    found, seen = [], {os.path.realpath(directory)}
    for folder, subfolders, names in walk(directory, follow=True):
        subfolders[:] = sorted(filter(is_shown_folder, subfolders))
        for name in list(subfolders):
            target = os.path.realpath(os.path.join(folder, name))
            if target in seen:
                subfolders.remove(name)
            seen.add(target)
        found += [path for name in names if is_wanted(path := os.path.join(folder, name))]
    return sorted(found)


def is_shown_folder(name):
    """Whether a folder holds files of the user: it is neither hidden nor a server's."""
    return not name.startswith(".") and name.lower() not in _DROPPINGS


def is_image(path):
    """Whether a file that is not hidden is an image, by its suffix; without one, by content."""
    name = os.path.basename(path)
    suffix = pathlib.PurePath(name).suffix.lower()
    if name.startswith(".") or suffix:
        return not name.startswith(".") and suffix in SUFFIXES | UNSUPPORTED_SUFFIXES
    if not os.path.isfile(path):  # reading a pipe would wait for its writer
        return False
    try:
        with open(path, "rb") as file:
            return file.read(8).startswith(_MAGIC)
    except OSError:
        return False


def scan(paths, value_range=None):
    """A `ScannedFile` for each path, in order; floating-point values need a `value_range`.

    Decodes every file once, in threads, and stores the results in the cache folder, also if the
    scan is interrupted. The next scan does not open files that have not changed.
    """
    from PIL import Image

    now, rules = time.time_ns(), _rules()
    # Before the files are read: the key of a file that changes meanwhile never matches.
    keys = [_key_of(path, rules, now) for path in paths]
    folders = [os.path.dirname(os.path.abspath(path)) for path in paths]
    known = {folder: _read_index(_index_of(folder)) for folder in set(folders)}
    places = dict(zip(paths, zip(folders, keys, strict=True), strict=True))
    new = [path for path, (folder, key) in places.items() if key not in known[folder]]
    scanned = {}
    try:
        with (
            warnings.catch_warnings(),
            concurrent.futures.ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1))) as pool,
            _progress.step("checking the files", len(new)) as advance,
        ):
            # Pillow warns about unusual metadata, which is harmless, and about gigantic images.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            for file in pool.map(_scan_file, new):
                scanned[file.path] = file
                advance()
                folder, key = places[file.path]
                # Others are not kept: the cause may be a network share that was offline.
                if file.reason is None and key is not None:
                    known[folder][key] = (
                        file.digest, file.orientation, file.native, file.highest, file.is_float,
                        file.fingerprint,
                    )  # fmt: skip
    finally:
        for folder in {places[path][0] for path in scanned}:
            _write_index(_index_of(folder), known[folder])
    found = [
        scanned[path] if path in scanned else ScannedFile(path, *known[folder][key])
        for path, folder, key in zip(paths, folders, keys, strict=True)
    ]
    return found if value_range is not None else [_with_known_range(file) for file in found]


def _with_known_range(file):
    if not file.is_float:
        return file
    return dataclasses.replace(
        file,
        reason=f"floating-point values up to {file.highest:g}: pass the value that is white as "
        "`value_range` (--value-range)",
    )


def value_range_message(files, value_range):
    """A list of at most one warning: the values do not fit the range that is displayed."""
    deep = [file for file in files if file.highest and not file.is_float]
    highest = int(max((file.highest for file in deep), default=0))
    likely = 2 ** highest.bit_length() - 1
    advice = f"pass `value_range={likely}` (--value-range {likely})."
    if value_range is None and 0 < highest < 2**15:
        return [
            f"The values of the {len(deep)} images of 16 bits end at {highest}, which leaves "
            f"{highest // 256 + 1} of 256 gray levels: {advice}"
        ]
    if highest > (value_range or 2**16 - 1):
        return [
            f"Values of images of more than 8 bits are above {value_range or 2**16 - 1:g}, the "
            f"value that is white; the highest is {highest}: {advice}"
        ]
    return []


def _index_of(folder):
    """The file with the results of earlier scans in a folder."""
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]
    return cache_directory() / "scans" / f"{name}.json"


def _read_index(path):
    """What is kept of each file by key; nothing if the index is absent or corrupt."""
    try:
        return {
            key: (
                str(digest),
                int(turn),
                str(native),
                float(highest),
                bool(is_float),
                int(fast),
            )
            for key, (digest, turn, native, highest, is_float, fast) in read_json(
                path, _MOST_KEPT * 250, _MOST_KEPT * 8
            ).items()
        }
    except (OSError, ValueError, TypeError, AttributeError, OverflowError):
        return {}


def forget(path):
    """Forgets what a scan found in the folder of a file, so that the next one reads it anew."""
    with contextlib.suppress(OSError):
        _index_of(os.path.dirname(os.path.abspath(path))).unlink(missing_ok=True)


def _write_index(path, known):
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_aside(path, json.dumps(dict(list(known.items())[-_MOST_KEPT:])))


def _rules():
    """A string that changes when the result of a scan may."""
    import PIL
    from PIL import Image, ImageFile

    settings = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    return f"{_RULES} {PIL.__version__} {settings}"


def _key_of(path, rules, now):
    """A hash of the path, size, inode and times of a file, and of the rules of the scan.

    A write of as many bytes with the modification time set back still changes it: on Unix,
    nobody can set the time of the last status change. None for a file that has no status or was
    written within the last two seconds.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    if max(status.st_mtime_ns, status.st_ctime_ns) > now - _SETTLED_NANOSECONDS:
        return None
    figures = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    parts = (os.path.abspath(path), *figures, rules)
    # No part contains a zero byte. A name need not be valid Unicode.
    text = "\0".join(map(str, parts))
    return hashlib.blake2b(os.fsencode(text), digest_size=16).hexdigest()


def _scan_file(path):
    from PIL import Image, UnidentifiedImageError

    suffix = pathlib.PurePath(path).suffix.lower()
    if suffix in UNSUPPORTED_SUFFIXES:
        return ScannedFile(
            path, reason=f"{suffix} is not supported: convert it to JPEG, PNG or WebP"
        )
    if os.path.exists(path) and not os.path.isfile(path):
        # Reading a pipe would wait for its writer.
        return ScannedFile(path, reason="not a file")
    try:
        contents = pathlib.Path(path).read_bytes()
        if not contents:
            return ScannedFile(path, reason="the file is empty")
        with open_file(io.BytesIO(contents)) as image:
            native = _native_format(image, contents)
            # Decodes a JPEG at 1/8 of its size, but still reads it to its end.
            image.draft(image.mode, (1, 1))
            image.load()
            # After loading: Pillow rotates a TIFF upright by itself.
            orientation = image.getexif().get(_ORIENTATION_TAG, 1)
            in_mode(image.crop((0, 0, 1, 1)), "RGB")
            highest, is_float = _highest(image, contents), image.mode == "F"
    except UnidentifiedImageError:
        return ScannedFile(path, reason="not a JPEG, PNG, BMP, GIF, WebP, PPM or TIFF image")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        number = re.search(r"\d+", str(error))
        return ScannedFile(
            path,
            reason=f"too many pixels: {number and number[0]}, more than "
            f"{Image.MAX_IMAGE_PIXELS}: scale it down, or convert it to JPEG",
        )
    except OSError as error:
        return ScannedFile(path, reason=error.strerror or str(error))
    # A decoder may raise anything at a corrupt file.
    except Exception as error:
        return ScannedFile(path, reason=f"{error or type(error).__name__}")
    if orientation not in range(1, 9):
        orientation = 1
    digest = hashlib.sha256(contents).hexdigest()
    fingerprint = int(fingerprint_of(contents))
    return ScannedFile(path, digest, orientation, native, highest, is_float, fingerprint)


def fingerprint_of(contents):
    """A scalar int64 tensor that follows from the bytes of a file, also in graphs."""
    return tf.strings.to_hash_bucket_fast(contents, 2**63 - 1)


def in_mode(image, mode, value_range=None):
    """A Pillow image in another mode: transparent pixels become white.

    The upper 8 of 16 bits remain, or `value_range` becomes white. The highest of floating-point
    values is white by default.
    """
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":  # "I;16" or, in older Pillow, "I"
        image = Image.fromarray(_gray(np.asarray(image), value_range))
    elif image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def _gray(values, value_range):
    if value_range is None and values.dtype.kind != "f":
        return (values.astype("int64") >> 8).clip(0, 255).astype("uint8")
    values = np.nan_to_num(values.astype("float32"))
    scale = np.float32(255 / (value_range or max(float(values.max()), 1e-12)))
    return np.rint((values * scale).clip(0, 255)).astype("uint8")


def _highest(image, contents):
    """The highest value of an image of more than 8 bits, else 0."""
    if image.mode.startswith("I") or image.mode == "F":
        return float(np.nan_to_num(np.asarray(image, "float64")).max())
    if image.format == "PNG" and contents[24] == 16:  # of which Pillow gives the upper 8
        return 256.0 * max(high for _, high in image.convert("RGB").getextrema()) + 255
    return 0.0


def _native_format(image, contents):
    # Pillow accepts a missing end or a wrong checksum, TensorFlow does not.
    if image.format in ("JPEG", "MPO"):
        has_end = contents.rfind(b"\xff\xd9") > contents.rfind(b"\xff\xda")
        return "JPEG" if image.mode in ("RGB", "L") and has_end else ""
    is_plain = image.mode in ("RGB", "L", "RGBA", "LA") and "transparency" not in image.info
    is_native = image.format == "PNG" and is_plain and _is_complete_png(contents)
    return "PNG" if is_native else ""


def _is_complete_png(contents):
    """Whether a PNG has all its chunks, with correct checksums."""
    view, position = memoryview(contents), 8
    while position + 12 <= len(contents):
        length, kind = struct.unpack_from(">I4s", contents, position)
        end = position + 12 + length
        checksum = zlib.crc32(view[position + 4 : end - 4]).to_bytes(4, "big")
        if view[end - 4 : end] != checksum:
            return False
        if kind == b"IEND":
            return True
        position = end
    return False

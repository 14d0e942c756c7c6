"""Looks at every file before training, so that no epoch stops at a damaged one."""

import concurrent.futures
import dataclasses
import hashlib
import io
import os
import pathlib
import struct
import time
import warnings
import zlib

from keras_transfer._files import cache_directory
from keras_transfer.data.scan_index import ScanIndex, key_of

SUFFIXES = frozenset((".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".webp"))
# Pictures all the same: to pass over them in silence would lose a photographer's folder.
UNSUPPORTED_SUFFIXES = frozenset(
    (".avif", ".dng", ".heic", ".heif", ".jp2", ".psd", ".svg", ".tif", ".tiff")
)
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")

_ORIENTATION_TAG = 0x0112
# To be counted up when a scan of the same file may find something else.
_RULES = 2
# What is found is kept after so many, in case the scan is stopped.
_FILES_AT_ONCE = 4096


@dataclasses.dataclass(frozen=True)
class ScannedFile:
    """What one look at a file found.

    Attributes:
        path: the file.
        digest: the hash of its bytes; equal for equal files.
        orientation: the EXIF orientation, 1 to 8.
        native: whether `decode_image` decodes it just as Pillow does.
        reason: why it cannot be read, or None.
    """

    path: str
    digest: str = ""
    orientation: int = 1
    native: bool = False
    reason: str | None = None


def find_pictures(directory):
    """The paths of the pictures below `directory`, hidden ones left out, sorted."""
    found = []
    for folder, subfolders, names in os.walk(directory):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [os.path.join(folder, name) for name in names if is_picture(name)]
    return sorted(found)


def is_picture(name):
    """Whether a file's name says that it is a picture; a hidden file is none."""
    suffix = pathlib.PurePath(name).suffix.lower()
    return not name.startswith(".") and suffix in SUFFIXES | UNSUPPORTED_SUFFIXES


def scan(paths):
    """A `ScannedFile` for each path, in order.

    Every file is decoded once, in threads. What was found is kept in the cache folder, and a
    file that has not changed is not opened by the next scan.
    """
    from PIL import Image

    files = []
    with (
        warnings.catch_warnings(),
        concurrent.futures.ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1))) as pool,
        ScanIndex(cache_directory() / "scans.sqlite") as index,
    ):
        # Pillow warns of odd metadata, which does no harm, and of gigantic pictures.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for start in range(0, len(paths), _FILES_AT_ONCE):
            files += _scan_some(paths[start : start + _FILES_AT_ONCE], pool, index)
    return files


def _scan_some(paths, pool, index):
    now, rules = time.time_ns(), _rules()
    # Before the files are read: one that changes meanwhile then gets a key that never fits.
    keys = [key_of(path, rules, now) for path in paths]
    known = index.find(keys)
    new = [(path, key) for path, key in zip(paths, keys, strict=True) if key not in known]
    scanned = list(pool.map(_scan_file, [path for path, _ in new]))
    # Not the unreadable ones: the reason may lie elsewhere, as with a share that was away.
    index.add(
        {
            key: (file.digest, file.orientation, file.native)
            for (_, key), file in zip(new, scanned, strict=True)
            if key is not None and file.reason is None
        }
    )
    rest = iter(scanned)
    return [
        ScannedFile(path, *known[key]) if key in known else next(rest)
        for path, key in zip(paths, keys, strict=True)
    ]


def _rules():
    """What the outcome of a scan depends on, beside the file."""
    import PIL
    from PIL import Image, ImageFile

    settings = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    return f"{_RULES} {PIL.__version__} {settings}"


def _scan_file(path):
    from PIL import Image, UnidentifiedImageError

    suffix = pathlib.PurePath(path).suffix.lower()
    if suffix in UNSUPPORTED_SUFFIXES:
        return ScannedFile(
            path, reason=f"{suffix} is not supported: convert it to JPEG, PNG or WebP"
        )
    if os.path.exists(path) and not os.path.isfile(path):
        # To read from a pipe is to wait for whoever writes into it.
        return ScannedFile(path, reason="not a file")
    try:
        contents = pathlib.Path(path).read_bytes()
        if not contents:
            return ScannedFile(path, reason="the file is empty")
        with Image.open(io.BytesIO(contents), formats=FORMATS) as image:
            orientation = image.getexif().get(_ORIENTATION_TAG, 1)
            native = _decodes_natively(image, contents)
            # A JPEG is then decoded at an eighth of its size, but read to its end.
            image.draft(image.mode, (1, 1))
            image.load()
    except UnidentifiedImageError:
        return ScannedFile(path, reason="not a JPEG, PNG, BMP, GIF or WebP picture")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        return ScannedFile(path, reason=f"too many pixels: {error}")
    # Decoders meet damage with whatever their parser ran into.
    except Exception as error:
        return ScannedFile(path, reason=f"{error or type(error).__name__}")
    if orientation not in range(1, 9):
        orientation = 1
    digest = hashlib.sha256(contents).hexdigest()
    return ScannedFile(path, digest, orientation, native)


def _decodes_natively(image, contents):
    # Pillow forgives a file that lacks its end or has a wrong checksum, TensorFlow does not.
    if image.format in ("JPEG", "MPO"):
        has_end = contents.rfind(b"\xff\xd9") > contents.rfind(b"\xff\xda")
        return image.mode in ("RGB", "L") and has_end
    return (
        image.format == "PNG"
        and image.mode in ("RGB", "L", "RGBA", "LA")
        and "transparency" not in image.info
        and _is_whole_png(contents)
    )


def _is_whole_png(contents):
    """Whether all chunks of a PNG are there and have their checksums."""
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

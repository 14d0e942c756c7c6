"""Reads every file once before training, so that no epoch stops at a corrupt one."""

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
# These are images too: they are reported, not skipped silently.
UNSUPPORTED_SUFFIXES = frozenset(
    (".avif", ".dng", ".heic", ".heif", ".jp2", ".psd", ".svg", ".tif", ".tiff")
)
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")

_ORIENTATION_TAG = 0x0112
# Increase it when a scan of the same file may give another result.
_RULES = 2
# Results are stored after this many files, in case the scan is interrupted.
_FILES_AT_ONCE = 4096


@dataclasses.dataclass(frozen=True)
class ScannedFile:
    """The result of scanning one file.

    Attributes:
        path: the file.
        digest: hash of its bytes.
        orientation: the EXIF orientation, 1 to 8.
        native: whether `decode_image` decodes it exactly as Pillow does.
        reason: why it cannot be read, or None.
    """

    path: str
    digest: str = ""
    orientation: int = 1
    native: bool = False
    reason: str | None = None


def find_images(directory):
    """The sorted paths of the images below `directory`, without hidden ones."""
    found = []
    for folder, subfolders, names in os.walk(directory):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [os.path.join(folder, name) for name in names if is_image(name)]
    return sorted(found)


def is_image(name):
    """Whether a file that is not hidden has the suffix of an image."""
    suffix = pathlib.PurePath(name).suffix.lower()
    return not name.startswith(".") and suffix in SUFFIXES | UNSUPPORTED_SUFFIXES


def scan(paths):
    """A `ScannedFile` for each path, in order.

    Decodes every file once, in threads, and stores the results in the cache folder. The next
    scan does not open files that have not changed.
    """
    from PIL import Image

    files = []
    with (
        warnings.catch_warnings(),
        concurrent.futures.ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1))) as pool,
        ScanIndex(cache_directory() / "scans.sqlite") as index,
    ):
        # Pillow warns about unusual metadata, which is harmless, and about gigantic images.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for start in range(0, len(paths), _FILES_AT_ONCE):
            files += _scan_some(paths[start : start + _FILES_AT_ONCE], pool, index)
    return files


def _scan_some(paths, pool, index):
    import PIL
    from PIL import Image, ImageFile

    settings = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    rules = f"{_RULES} {PIL.__version__} {settings}"
    now = time.time_ns()
    # Before the files are read: the key of a file that changes meanwhile never matches.
    keys = [key_of(path, rules, now) for path in paths]
    known = index.find(keys)
    new = [(path, key) for path, key in zip(paths, keys, strict=True) if key not in known]
    scanned = list(pool.map(_scan_file, [path for path, _ in new]))
    # Unreadable files are not stored: the cause may be a network share that was offline.
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
        with Image.open(io.BytesIO(contents), formats=FORMATS) as image:
            orientation = image.getexif().get(_ORIENTATION_TAG, 1)
            native = _decodes_natively(image, contents)
            # Decodes a JPEG at 1/8 of its size, but still reads it to its end.
            image.draft(image.mode, (1, 1))
            image.load()
    except UnidentifiedImageError:
        return ScannedFile(path, reason="not a JPEG, PNG, BMP, GIF or WebP image")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        return ScannedFile(path, reason=f"too many pixels: {error}")
    # A decoder may raise anything at a corrupt file.
    except Exception as error:
        return ScannedFile(path, reason=f"{error or type(error).__name__}")
    if orientation not in range(1, 9):
        orientation = 1
    return ScannedFile(path, hashlib.sha256(contents).hexdigest(), orientation, native)


def _decodes_natively(image, contents):
    # Pillow accepts a missing end or a wrong checksum, TensorFlow does not.
    if image.format in ("JPEG", "MPO"):
        has_end = contents.rfind(b"\xff\xd9") > contents.rfind(b"\xff\xda")
        return image.mode in ("RGB", "L") and has_end
    return (
        image.format == "PNG"
        and image.mode in ("RGB", "L", "RGBA", "LA")
        and "transparency" not in image.info
        and _is_complete_png(contents)
    )


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

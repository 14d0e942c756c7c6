"""Files that call themselves pictures."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

SIZE = (32, 24)
_MEGABYTE = 2**20


def picture(mode="RGB", seed=0, size=SIZE):
    """A noisy picture."""
    noise = np.random.default_rng(seed).normal(128, 60, (size[1], size[0], 3))
    return Image.fromarray(np.clip(noise, 0, 255).astype("uint8")).convert(mode)


def encoded(image_format, image=None, **arguments):
    buffer = io.BytesIO()
    (image or picture()).save(buffer, image_format, **arguments)
    return buffer.getvalue()


def chunk(kind, contents):
    """A chunk of a PNG."""
    checksum = zlib.crc32(kind + contents)
    return struct.pack(">I", len(contents)) + kind + contents + struct.pack(">I", checksum)


def png(*chunks, width=SIZE[0], height=SIZE[1]):
    """A PNG of 8 bit grey with these chunks after its header."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def _rows(width=SIZE[0], height=SIZE[1]):
    return chunk(b"IDAT", zlib.compress(bytes(height * (width + 1)), 9))


def _noise(length):
    return np.random.default_rng(length).bytes(length)


def _exif(orientation=1, padding=0):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "x" * padding
    return exif.tobytes()


def _flipped(contents, position):
    return contents[:position] + bytes([contents[position] ^ 1]) + contents[position + 1 :]


def _app_segments(count):
    segment = b"\xff\xe1" + struct.pack(">H", 60_002) + b"Exif\0\0" + bytes(59_994)
    return segment * count


WHOLE = {
    "baseline.jpg": encoded("JPEG"),
    "progressive.jpg": encoded("JPEG", progressive=True),
    "grey.jpg": encoded("JPEG", picture("L")),
    "turned.jpg": encoded("JPEG", exif=_exif(6)),
    "plain.png": encoded("PNG"),
    "glass.png": encoded("PNG", picture("RGBA")),
    "grey_glass.png": encoded("PNG", picture("LA")),
    "palette.png": encoded("PNG", picture("P")),
    "plain.gif": encoded("GIF"),
    "plain.webp": encoded("WEBP"),
    "plain.bmp": encoded("BMP"),
    "plain.tiff": encoded("TIFF"),
    "turned.tif": encoded("TIFF", exif=_exif(6)),
}

_FRAMES = {"save_all": True, "append_images": [picture(seed=1), picture(seed=2)]}
_JPEG, _PNG = WHOLE["baseline.jpg"], WHOLE["glass.png"]

# Odd, and read all the same.
ODD = {
    "a png.jpg": WHOLE["plain.png"],
    "a jpeg.png": WHOLE["baseline.jpg"],
    "a gif.jpg": WHOLE["plain.gif"],
    "a webp.png": WHOLE["plain.webp"],
    "a bmp.gif": WHOLE["plain.bmp"],
    "a tiff.jpg": WHOLE["plain.tiff"],
    "animated.gif": encoded("GIF", **_FRAMES),
    "animated.webp": encoded("WEBP", **_FRAMES),
    "animated.png": encoded("PNG", **_FRAMES),
    "long exif.jpg": encoded("JPEG", exif=_exif(padding=60_000)),
    "long exif.png": encoded("PNG", exif=_exif(padding=_MEGABYTE)),
    "long exif.webp": encoded("WEBP", exif=_exif(padding=_MEGABYTE)),
    "many segments.jpg": _JPEG[:2] + _app_segments(40) + _JPEG[2:],
    "orientation 99.jpg": encoded("JPEG", exif=_exif(99)),
    "orientation 0.jpg": encoded("JPEG", exif=_exif(0)),
    "damaged exif.jpg": WHOLE["turned.jpg"].replace(b"Exif\0\0MM", b"Exif\0\0??"),
    "more behind.jpg": _JPEG + _noise(1000),
    "more behind.png": _PNG + _noise(1000),
    "without end.png": _PNG[:-12],
    "wrong checksum of pixels.png": _flipped(_PNG, -13),
    "one pixel.png": encoded("PNG", picture(size=(1, 1))),
    "one row.jpg": encoded("JPEG", picture(size=(4000, 1))),
    "one column.png": encoded("PNG", picture(size=(1, 4000))),
}

_MAGICS = {
    "jpg": b"\xff\xd8\xff\xe0", "png": b"\x89PNG\r\n\x1a\n", "gif": b"GIF89a", "bmp": b"BM",
    "webp": b"RIFF\xff\x00\x00\x00WEBPVP8 ", "jpeg": b"\xff\xd8",
}  # fmt: skip
_HUGE_JPEG = bytearray(_JPEG)
_FRAME = _JPEG.index(b"\xff\xc0")
_HUGE_JPEG[_FRAME + 5 : _FRAME + 9] = struct.pack(">HH", 65_500, 65_500)

# Refused, with a part of the reason.
UNREADABLE = {
    "empty.jpg": (b"", "the file is empty"),
    "text.jpg": (b"This is no picture.", "not a JPEG"),
    "page.png": (b"<!doctype html><title>404</title>", "not a JPEG"),
    "drawing.jpg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a JPEG"),
    "archive.png": (b"PK\x03\x04" + _noise(500), "not a JPEG"),
    "telephone.jpg": (b"\0\0\0\x18ftypheic" + _noise(500), "not a JPEG"),
    "zeros.jpg": (bytes(5000), "not a JPEG"),
    **{f"random.{name}": (magic + _noise(2000), "") for name, magic in _MAGICS.items()},
    "claims gigapixels.png": (png(_rows(), width=100_000, height=100_000), "too many pixels"),
    "claims the most.png": (png(_rows(), width=2**31 - 1, height=2**31 - 1), "too many pixels"),
    "claims gigapixels.gif": (
        WHOLE["plain.gif"][:6] + b"\xff\xff\xff\xff" + WHOLE["plain.gif"][10:],
        "too many pixels",
    ),
    "claims gigapixels.bmp": (
        WHOLE["plain.bmp"][:18] + struct.pack("<ii", 50_000, 50_000) + WHOLE["plain.bmp"][26:],
        "too many pixels",
    ),
    "claims gigapixels.jpg": (bytes(_HUGE_JPEG), "too many pixels"),
    "bomb of pixels.png": (png(_rows(14_000, 14_000), width=14_000, height=14_000), "too many"),
    "bomb of text.png": (
        png(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(100 * _MEGABYTE), 9)), _rows()),
        "too large",
    ),
    "no width.png": (png(_rows(), width=0), ""),
    "no pixels.png": (png(), ""),
}
# The first byte alone, eighths, and all but the last byte of each whole picture.
TRUNCATED = {
    f"{length} bytes of {name}": contents[:length]
    for name, contents in WHOLE.items()
    for length in (1, *(len(contents) * part // 8 for part in range(1, 8)), len(contents) - 1)
}

KINDS = {
    "whole pictures": WHOLE,
    "odd pictures that are read": ODD,
    "files that are no picture": UNREADABLE,
    "truncated pictures": TRUNCATED,
}


def write_all(folder, files):
    """Writes files of a dict from name to contents; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, contents in files.items():
        (folder / name).write_bytes(contents)
    return [folder / name for name in files]

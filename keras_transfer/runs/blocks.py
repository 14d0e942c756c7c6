"""The blocks that the sections of a page consist of, which the template renders.

Images and figures are data URIs: the page is one file that loads nothing.
"""

import base64
import io

import numpy as np

from keras_transfer._figures import on_dark, svg_of

_OVERLAY, _SIDE = "inferno", 160


def section(name, title, blocks):
    """A section; None without blocks."""
    blocks = [block for block in blocks if block is not None]
    return {"id": name, "title": title, "blocks": blocks} if blocks else None


def text(sentence, tone=None):
    """A paragraph.

    Args:
        sentence: its text.
        tone: "soft", "good", "warning", "alarm" or None.
    """
    return {"kind": "text", "text": sentence, "tone": tone}


def heading(words):
    """A heading within a section."""
    return {"kind": "heading", "text": words}


def bullets(entries):
    """A list of sentences, or of pairs of a sentence and its tone; None without any."""
    pairs = [(entry, None) if isinstance(entry, str) else entry for entry in entries]
    listed = [{"text": sentence, "tone": tone} for sentence, tone in pairs]
    return {"kind": "list", "entries": listed} if listed else None


def table(rows, numbers=()):
    """A table, the first row its header; the columns of `numbers` are aligned to the right."""
    return {"kind": "table", "rows": rows, "numbers": tuple(numbers)}


def plots(*figures):
    """Figures of `figure_of`, side by side if there is room."""
    return {"kind": "plots", "figures": figures}


def figure_of(draw, description):
    """A figure for a light and for a dark page.

    Args:
        draw: a function without arguments that returns a figure.
        description: the alternative text.
    """
    svg = svg_of(draw)
    return {
        "light": _address("svg+xml", svg.encode()),
        "dark": _address("svg+xml", on_dark(svg).encode()),
        "description": description,
    }


def png(path, description):
    """The PNG file at a path; None without one."""
    try:
        contents = path.read_bytes()
    except OSError:
        return None
    if not contents.startswith(b"\x89PNG"):
        return None
    return {"kind": "png", "address": _address("png", contents), "description": description}


def code(lines):
    """Lines to type."""
    return {"kind": "code", "text": "\n".join(lines)}


def mistakes(entries):
    """Misclassified images; None without any."""
    return {"kind": "mistakes", "entries": entries} if entries else None


def thumbnail(image):
    """A small JPEG as a data URI.

    Args:
        image: an array `(height, width, channels)` in [0, 255].
    """
    from PIL import Image

    image = np.clip(image, 0, 255).astype("uint8")
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image[..., :3])
    picture = picture.convert("RGB")
    picture.thumbnail((_SIDE, _SIDE))
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=80)
    return _address("jpeg", written.getvalue())


def with_heat(image, heat):
    """An image under an attribution map, as `thumbnail` takes it.

    Args:
        image: an array `(height, width, channels)` in [0, 255].
        heat: an array `(height, width)` in [0, 1].
    """
    import matplotlib

    grey = image[..., :3].mean(axis=-1, keepdims=True)
    colours = 255 * matplotlib.colormaps[_OVERLAY](heat)[..., :3]
    return 0.45 * grey + 0.55 * colours


def _address(kind, contents):
    return f"data:image/{kind};base64,{base64.b64encode(contents).decode()}"

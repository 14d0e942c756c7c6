"""The blocks that the sections of a page consist of, which the template renders.

Images are data URIs, and figures part of the text: the page is one file that loads nothing.
"""

import base64
import io

import numpy as np

from keras_transfer._figures import svg_of

_OVERLAY, SIDE = "inferno", 220
# A page has at most some hundreds of them.
_MOST_BYTES = 12_000


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


def links(entries):
    """A list of pairs of a sentence and the id that it leads to, or None; None without any."""
    listed = [{"text": sentence, "target": target} for sentence, target in entries]
    return {"kind": "links", "entries": listed} if listed else None


def table(rows, numbers=()):
    """A table, the first row its header; the columns of `numbers` are aligned to the right."""
    return {"kind": "table", "rows": rows, "numbers": tuple(numbers)}


def facts(pairs):
    """Pairs of a term and its value."""
    return {"kind": "facts", "pairs": [pair for pair in pairs if pair[1]]}


def rates(rows):
    """The recall and the precision of classes; None without any.

    Args:
        rows: dicts with `name`, `target` (an id or None), `images`, and `recall` and
            `precision`: None, or a dict of `text`, `interval`, and the percentages `low`,
            `value` and `high` of a bar.
    """
    return {"kind": "rates", "rows": rows} if rows else None


def matrix(names, rows):
    """A confusion matrix: a row of cells for each name, dicts as the template takes them."""
    return {"kind": "matrix", "names": names, "rows": list(zip(names, rows, strict=True))}


def beside(*columns):
    """Lists of blocks, side by side if there is room."""
    columns = [[block for block in column if block is not None] for column in columns]
    return {"kind": "beside", "columns": [column for column in columns if column]}


def folded(summary, blocks, name=None):
    """Blocks that are shown when the reader opens them, or follows a link to the id `name`."""
    blocks = [block for block in blocks if block is not None]
    return {"kind": "folded", "summary": summary, "blocks": blocks, "id": name}


def plots(*figures):
    """Figures of `figure_of`, side by side if there is room; None without any."""
    return {"kind": "plots", "figures": figures} if figures else None


def figure_of(name, draw, description):
    """A figure in the colours of the page.

    Args:
        name: a word that no other figure of the page has.
        draw: a function without arguments that returns a figure.
        description: the alternative text.
    """
    return {"svg": svg_of(draw, name), "description": description}


def code(lines):
    """Lines to type."""
    return {"kind": "code", "text": "\n".join(lines)}


def gallery(entries):
    """Images with captions; None without any.

    Args:
        entries: dicts with `pictures`, pairs of a data URI and its alternative text; `lines`,
            the caption; `name`, of the file; and `mark`, a warning, or None.
    """
    return {"kind": "gallery", "entries": entries} if entries else None


def thumbnail(image):
    """A small JPEG as a data URI.

    Args:
        image: a Pillow image in RGB.
    """
    image = image.copy()
    image.thumbnail((SIDE, SIDE))
    for quality in (80, 60, 35):
        written = io.BytesIO()
        image.save(written, "JPEG", quality=quality)
        if written.tell() <= _MOST_BYTES:
            break
    return f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"


def with_heat(image, heat):
    """An image under an attribution map, as a Pillow image.

    Args:
        image: an array `(height, width, channels)` in [0, 255].
        heat: an array `(height, width)` in [0, 1].
    """
    import matplotlib
    from PIL import Image

    grey = image[..., :3].mean(axis=-1, keepdims=True)
    colours = 255 * matplotlib.colormaps[_OVERLAY](heat)[..., :3]
    return Image.fromarray(np.clip(0.45 * grey + 0.55 * colours, 0, 255).astype("uint8"))

"""Figures for a page: for a light and for a dark one, without a file beside it."""

import base64
import io

import numpy as np

from keras_transfer._figures import new_figure, svg_of

_BAR, _OVERLAY = "#4c72b0", "inferno"
_SIDE = 160


def figure_of(draw, description):
    """A figure as the template takes it.

    Args:
        draw: a function without arguments that returns a figure.
        description: what it shows, for those who cannot see it.

    Returns:
        A dict of `light` and `dark`, addresses that hold the SVG, and `description`.
    """
    return {
        "light": _address("svg+xml", svg_of(draw).encode()),
        "dark": _address("svg+xml", svg_of(draw, dark=True).encode()),
        "description": description,
    }


def seconds_spent(parts):
    """A bar for each part of the time.

    Args:
        parts: pairs of what was done and how many seconds it took.
    """
    figure, (panel,) = new_figure(1, 1, (6.5, 0.32 * len(parts) + 0.7))
    for place, (_, seconds) in enumerate(parts):
        panel.barh(place, seconds, color=_BAR, height=0.65)
        panel.text(seconds, place, f" {seconds:.1f} s", va="center")
    panel.set_yticks(range(len(parts)), [what for what, _ in parts])
    panel.invert_yaxis()
    panel.margins(x=0.15)
    panel.set_xlabel("seconds")
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    return figure


def thumbnail(image):
    """A picture as an address that holds a small JPEG.

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
    """A picture under a map of where it was looked at: an array as `thumbnail` takes it.

    Args:
        image: an array `(height, width, channels)` in [0, 255].
        heat: an array `(height, width)` in [0, 1].
    """
    import matplotlib

    grey = image[..., :3].mean(axis=-1, keepdims=True)
    colours = 255 * matplotlib.colormaps[_OVERLAY](heat)[..., :3]
    return 0.45 * grey + 0.55 * colours


def embedded(path):
    """A PNG file as an address that holds it; None where there is no such file."""
    try:
        contents = path.read_bytes()
    except OSError:
        return None
    return _address("png", contents) if contents.startswith(b"\x89PNG") else None


def _address(kind, contents):
    return f"data:image/{kind};base64,{base64.b64encode(contents).decode()}"

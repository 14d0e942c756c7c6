"""Explanations as figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_transfer._figures import new_figure, short_name
from keras_transfer.explanations.channel_excitation import ExcitingImages

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = "inferno"
# Inches.
_SIDE, _CROP_SIDE, _SCALE = 1.5, 1.1, 0.7
# Neighbouring attributions vary a lot: unsmoothed, they look like dust. A share of the side.
_SMOOTH = 1 / 80
# A few pixels with extreme gradients would leave the rest of a map dark.
_BRIGHTEST = 99.0


def plot_explanations(
    images: np.ndarray,
    maps: np.ndarray | dict[str, np.ndarray],
    titles: Sequence[str] | None = None,
) -> Figure:
    """Draws a row for each image: the image, and under each method's map.

    Args:
        images: `(images, height, width, channels)` in [0, 255].
        maps: the maps of one method, as this package's functions return them, or a dict of the
            method's name to its maps. Of a signed map the positive part is drawn, of
            attributions for each channel the sum of the absolute values.
        titles: a string for each image. Defaults to None, no titles.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there are no images, or not as many maps or titles.

    Example:

    >>> maps = {"Grad-CAM": explanations.grad_cam(model, images)}
    >>> figure = explanations.plot_explanations(images, maps)
    """
    maps = maps if isinstance(maps, dict) else {"": maps}
    counts = {name: len(values) for name, values in maps.items()}
    counts["titles"] = len(images) if titles is None else len(titles)
    if not len(images) or set(counts.values()) != {len(images)}:
        raise ValueError(
            "There must be images, and a map and a title for each. "
            f"Received: {len(images)} images, maps and titles {counts}"
        )
    rows = []
    for number, image in enumerate(images):
        shown = as_shown(image)
        overlays = [_overlaid(shown, as_heat(values[number])) for values in maps.values()]
        rows.append((titles[number] if titles is not None else "", [shown, *overlays]))
    height, width = np.shape(images)[1:3]
    figure = _grid(rows, _SIDE * max(width / height, 0.5), _SIDE)
    across, down = figure.get_size_inches()
    figure.set_size_inches(across, down + _SCALE)
    for panel, name in zip(figure.axes[1:], maps, strict=False):
        panel.set_title(name, fontsize=9)
    _add_scale(figure)
    return figure


def _add_scale(figure):
    """What the colours of a map mean."""
    from matplotlib.cm import ScalarMappable

    scale = figure.colorbar(
        ScalarMappable(cmap=_COLOURS), ax=figure.axes, location="bottom", ticks=[0, 1],
        shrink=0.6, aspect=30,
    )  # fmt: skip
    scale.ax.set_xticklabels(["no support", "most support"])
    scale.set_label("attribution to the class", fontsize="small")


def plot_exciting(exciting: Sequence[ExcitingImages]) -> Figure:
    """Draws two rows for each channel: the receptive fields in its images, and what excites it.

    Args:
        exciting: what `most_exciting` returns.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there is nothing to draw.
    """
    if not len(exciting):
        raise ValueError("There is nothing to draw. Received: an empty sequence")
    rows = []
    for found in exciting:
        crops, projections = zip(*map(found.cropped, range(len(found.indices))), strict=True)
        rows.append((f"channel {found.channel}", list(map(as_shown, crops))))
        rows.append(("projection\n(grey: 0)", list(map(as_relief, projections))))
    figure = _grid(rows, _CROP_SIDE, _CROP_SIDE)
    figure.suptitle(f"Highest activations in {exciting[0].stage}", fontsize=9)
    return figure


def _grid(rows, across, down):
    """A figure of rows of `(label, images)`, for images `across` by `down` inches large."""
    columns = max(len(images) for _, images in rows)
    size = (across + 0.07) * columns + 0.4, (down + 0.07) * len(rows) + 0.3
    figure, panels = new_figure(len(rows), columns, size)
    for number, (label, images) in enumerate(rows):
        row = panels[number * columns : (number + 1) * columns]
        row[0].set_ylabel("\n".join(map(short_name, label.split("\n"))))
        for panel, image in zip(row, images, strict=False):
            panel.imshow(image)
    for panel in panels:  # no ticks and no frame
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    return figure


def as_shown(image):
    """An image of any number of channels in [0, 255] as RGB in [0, 1]."""
    image = np.clip(np.asarray(image, "float32") / 255.0, 0.0, 1.0)
    if image.shape[-1] != 3:
        image = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    return image


def _overlaid(shown, heat):
    """A map as colours over the grey image, more opaque where it is higher."""
    import matplotlib

    grey = shown.mean(axis=-1, keepdims=True)
    opacity = (0.25 + 0.6 * heat)[..., np.newaxis]
    return (1 - opacity) * grey + opacity * matplotlib.colormaps[_COLOURS](heat)[..., :3]


def as_heat(values):
    """A map, or the smoothed absolute sum of attributions over the channels, in [0, 1]."""
    from scipy import ndimage

    values = np.asarray(values, "float64")
    if values.ndim == 2:
        heat = np.maximum(values, 0.0)
        highest = heat.max()
    else:
        sigma = _SMOOTH * max(values.shape)
        heat = ndimage.gaussian_filter(np.abs(values).sum(axis=-1), sigma)
        highest = np.percentile(heat, _BRIGHTEST) or heat.max()
    return np.clip(heat / highest, 0.0, 1.0) if highest else heat


def as_relief(projection):
    """A signed projection as RGB in [0, 1], grey where it is 0."""
    projection = np.asarray(projection, "float64")
    highest = np.percentile(np.abs(projection), _BRIGHTEST) or np.abs(projection).max() or 1.0
    return as_shown(255.0 * np.clip(projection / (2.0 * highest) + 0.5, 0.0, 1.0))

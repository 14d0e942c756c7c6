"""Pictures with what a network saw in them."""

import numpy as np

from keras_transfer._figures import new_figure, save_figure, short_name
from keras_transfer.explanations.shown_pictures import as_heat, as_shown, clear

_COLOURS = "inferno"
_SIDE = 1.5


def plot_explanations(images, maps, path, titles=None):
    """Draws a row for each picture: the picture, and each method's map laid over it.

    Args:
        images: `(pictures, height, width, channels)` in [0, 255].
        maps: a dict of a method's name to its maps, as the explaining functions of this package
            return them, or the maps of one. Of signed maps the positive part is shown, of
            attributions by pixel and colour the sum of the absolute values.
        path: the PNG file to write.
        titles: a string for each picture. Defaults to None, no titles.

    Raises:
        ValueError: if there are no pictures, or not as many maps or titles.
    """
    maps = maps if isinstance(maps, dict) else {"": maps}
    counts = {name: len(values) for name, values in maps.items()}
    counts["titles"] = len(images) if titles is None else len(titles)
    if not len(images) or set(counts.values()) != {len(images)}:
        raise ValueError(
            "There must be pictures, and a map and a title for each. "
            f"Received: {len(images)} images, maps and titles {counts}"
        )
    height, width = np.shape(images)[1:3]
    columns = 1 + len(maps)
    across = _SIDE * max(width / height, 0.5)
    size = ((across + 0.07) * columns + 0.4, (_SIDE + 0.07) * len(images) + 0.3)
    figure, panels = new_figure(len(images), columns, size)
    for number, image in enumerate(images):
        row = panels[number * columns : (number + 1) * columns]
        _draw_row(row, as_shown(image), [values[number] for values in maps.values()])
        if titles is not None:
            row[0].set_ylabel(_lines(titles[number]))
    for panel, name in zip(panels[1:columns], maps, strict=True):
        panel.set_title(name, fontsize=9)
    save_figure(figure, path)


def _lines(title):
    return "\n".join(map(short_name, title.split("\n")))


def _draw_row(panels, shown, maps):
    for panel in panels:
        panel.imshow(shown)
        clear(panel)
    grey = np.repeat(shown.mean(axis=-1, keepdims=True), 3, axis=-1)
    for panel, values in zip(panels[1:], maps, strict=True):
        heat = as_heat(values)
        panel.imshow(grey)
        panel.imshow(heat, cmap=_COLOURS, vmin=0, vmax=1, alpha=0.25 + 0.6 * heat)

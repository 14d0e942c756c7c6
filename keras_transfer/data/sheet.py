"""A sheet of images as the network sees them."""

import math
import typing

import numpy as np
import tensorflow as tf

from keras_transfer._figures import new_figure, short_name

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS, _INCHES = 6, 1.6


def show(dataset: tf.data.Dataset, number: int = 24) -> "Figure":
    """Draws the first images of a dataset, augmented and resized as in training, with labels.

    Look at it before a training: it shows stretched, rotated, inverted or wrongly labelled
    images, and an augmentation that changes what an image shows.

    Args:
        dataset: a `tf.data.Dataset` of batches of images in `[0, 255]`, or of `(images,
            labels)`, with labels of any kind that `fit` takes, masks and boxes included.
        number: how many images are drawn, if the dataset has as many. Defaults to 24.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if the dataset has no images, or they are not batches of images.

    Example:
        >>> augmented = data.augmentation.standard()(train)
        >>> figure = data.show(augmented, number=6)
        >>> len(figure.axes)
        6
    """
    shown = list(dataset.unbatch().take(number).as_numpy_iterator()) if number > 0 else []
    images = [element[0] if isinstance(element, tuple) else element for element in shown]
    if not images or any(np.ndim(image) != 3 for image in images):
        raise ValueError(
            "`dataset` must hold batches of images of shape (batch, height, width, channels), "
            f"and `number` be positive. Received: dataset={dataset!r}, number={number}"
        )
    labels = [element[1] if isinstance(element, tuple) else "" for element in shown]
    columns = min(_COLUMNS, len(images))
    rows = math.ceil(len(images) / columns)
    figure, panels = new_figure(rows, columns, (_INCHES * columns, 1.15 * _INCHES * rows))
    names = getattr(dataset, "class_names", None)
    for panel, image, label in zip(panels, images, labels, strict=False):
        pixels = np.clip(image, 0, 255).astype("uint8")
        gray = {"cmap": "gray", "vmin": 0, "vmax": 255} if pixels.shape[-1] == 1 else {}
        panel.imshow(pixels if pixels.shape[-1] == 3 else pixels[..., 0], **gray)
        if np.ndim(label) == 2:
            _draw_target(panel, np.asarray(label), pixels.shape)
        else:
            panel.set_title(_name(label, names), fontsize="small")
        panel.set_axis_off()
    for panel in panels[len(images) :]:
        panel.remove()
    return figure


def _draw_target(panel, target, shape):
    """Draws a mask over its image, or boxes."""
    if target.dtype.kind in "iu":
        panel.imshow(target, cmap="tab20", interpolation="nearest", alpha=0.5)
        return
    height, width = shape[:2]
    for left, top, right, bottom, kind in target[target[:, -1] >= 0].tolist():
        x, y = (
            np.array([left, left, right, right, left]),
            np.array([top, bottom, bottom, top, top]),
        )
        panel.plot(x * width, y * height, linewidth=1, color=f"C{int(kind) % 10}")


def _are_shares(values):
    return bool(np.all((values >= 0) & (values <= 1)))


def _name(label, names):
    """A label as text: its class name, the names of one-hot labels or tags, or the values."""
    values = np.ravel(label)
    if names is None or values.dtype.kind not in "iuf":
        return short_name(", ".join(map(str, values[:3])))
    if values.dtype.kind == "f" and values.size == len(names) and not _are_shares(values):
        pairs = zip(names, values, strict=True)
        return short_name(", ".join(f"{name} {value:.4g}" for name, value in pairs))
    if values.size == len(names) and (values.size > 1 or values.dtype.kind == "f"):
        order = [index for index in np.argsort(-values, kind="stable") if values[index] > 0]
        return short_name(", ".join(names[index] for index in order[:3]) or "none")
    return short_name(names[int(values[0])])

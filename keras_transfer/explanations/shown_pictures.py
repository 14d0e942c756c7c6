"""Pictures and maps as what `imshow` takes."""

import numpy as np

# Neighbouring pixels differ wildly: single ones would be seen as dust. A share of the side.
_SMOOTH = 1 / 80
# A few pixels with extreme gradients would leave the rest of a map dark.
_BRIGHTEST = 99.0


def as_shown(picture):
    """A picture of any number of channels in [0, 255] as RGB in [0, 1]."""
    picture = np.clip(np.asarray(picture, "float32") / 255.0, 0.0, 1.0)
    if picture.shape[-1] != 3:
        picture = np.repeat(picture.mean(axis=-1, keepdims=True), 3, axis=-1)
    return picture


def as_heat(values):
    """A map of one picture as heat in [0, 1].

    Args:
        values: `(height, width)`, whose positive part is shown, or attributions `(height,
            width, channels)`, whose absolute values are added up and smoothed a little.

    Returns:
        A float array `(height, width)`.
    """
    from scipy import ndimage

    values = np.asarray(values, "float64")
    is_attribution = values.ndim == 3
    heat = np.maximum(values, 0.0)
    if is_attribution:
        heat = ndimage.gaussian_filter(np.abs(values).sum(axis=-1), _SMOOTH * max(values.shape))
    highest = np.percentile(heat, _BRIGHTEST) if is_attribution else heat.max()
    highest = highest or heat.max()
    return np.clip(heat / highest, 0.0, 1.0) if highest else heat


def as_relief(projection):
    """A signed map of a picture's shape as RGB: grey where it is 0."""
    projection = np.asarray(projection, "float64")
    highest = np.percentile(np.abs(projection), _BRIGHTEST) or np.abs(projection).max()
    scaled = projection / (2.0 * highest) if highest else projection
    return as_shown(255.0 * np.clip(scaled + 0.5, 0.0, 1.0))


def clear(panel):
    """Takes ticks and frame off a panel."""
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_visible(False)

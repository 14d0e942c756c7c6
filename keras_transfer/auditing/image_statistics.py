"""How pictures look: light, colour and sharpness, whatever they show."""

import numpy as np

# What `picture_statistics` gives of each picture.
STATISTICS = (
    "red", "green", "blue", "contrast", "darkest", "lightest", "saturation", "warmth",
    "sharpness", "noise",
)  # fmt: skip


def picture_statistics(dataset):
    """Numbers that say how each picture was taken, rather than what is on it.

    A network that has learned to see overlooks how light a picture is and by which camera it
    was taken; a shift of that kind shows here long before it shows in features.

    Args:
        dataset: a `tf.data.Dataset` of batches of pictures, or of `(images, labels)`, in
            `[0, 255]`.

    Returns:
        A float array of shape `(pictures, 10)`, in the order of the dataset: mean red, green
        and blue, the standard deviation, the 5th and the 95th percentile of the grey values,
        the mean distance of the colours, red less blue, and, as logarithms, the mean difference
        of neighbours and the median of what is left of it in a second difference.
    """
    rows = [np.zeros((0, len(STATISTICS)))]
    for element in dataset:
        images = element[0] if isinstance(element, tuple) else element
        rows.append(_statistics(np.asarray(images, "float64")))
    return np.concatenate(rows)


def _statistics(images):
    colours = images if images.shape[-1] == 3 else np.repeat(images[..., :1], 3, axis=-1)
    grey = colours.mean(axis=-1)
    flat = grey.reshape(len(grey), -1)
    means = colours.mean(axis=(1, 2))
    saturation = (colours.max(axis=-1) - colours.min(axis=-1)).mean(axis=(1, 2))
    first = np.abs(np.diff(grey, axis=2))
    second = np.abs(np.diff(grey, 2, axis=2))
    noise = np.median(second.reshape(len(grey), -1), axis=1)
    darkest, lightest = np.percentile(flat, (5, 95), axis=1)
    return np.column_stack(
        [
            means, flat.std(axis=1), darkest, lightest, saturation, means[:, 0] - means[:, 2],
            np.log(first.mean(axis=(1, 2)) + 1), np.log(noise + 1),
        ]
    )  # fmt: skip
